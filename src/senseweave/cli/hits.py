"""Print hits and sources in a terminal and into a pipe: two lines for each hit, or paths for other programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from senseweave.cli import render
from senseweave.display import printable
from senseweave.media.forms.local_names import source_path
from senseweave.redaction import has_secret, without_secrets

if TYPE_CHECKING:
    from senseweave.retrieval import Hit
    from senseweave.retrieval.contents import SourceSummary

NO_LINKS = ("linux", "vt100", "vt220")
"""Terminals (TERM) that show the escape sequence of a link as text; those that do not know it ignore it."""


def print_hits(console: Console, results: Sequence[Hit], *, first: int = 1) -> None:
    """Print two lines for each hit: rank, score, modality, path and span; below them its text.

    A path is never cut or broken. The text is cut to the width of a terminal, and printed whole into a pipe.

    Args:
        console: Where to print.
        results: The hits, best first.
        first: Rank of the first of them.
    """
    digits = len(str(first + len(results) - 1))
    for rank, hit in enumerate(results, start=first):
        heading = Text(f"{rank:>{digits}}  {hit.score:6.3f}  ")
        heading.append(f"{hit.modality:<5}  ", style="cyan")
        heading.append_text(linked(console, hit.source))
        where = printable(render.place(hit))
        if where:
            heading.append(f"  {where}", style="green")
        if len(hit.sources) > 1:
            heading.append(f"  (+{len(hit.sources) - 1} more of the same content)", style="dim")
        console.print(heading, soft_wrap=True, highlight=False)
        indent = " " * (digits + 2)
        console.print(Text(indent + fitting(console, flat(hit.text), len(indent)), style="dim"), soft_wrap=True)


def print_sources(console: Console, sources: Iterable[SourceSummary]) -> None:
    """Print a line for each source: its modalities, its number of records, its path."""
    for entry in sources:
        for modality, count in entry.records.items():
            row = Text(f"{modality:<5}", style="cyan")
            row.append(f"  {count:>5}  ", style="none")
            row.append_text(linked(console, entry.source))
            console.print(row, soft_wrap=True, highlight=False)


def print_paths(sources: Iterable[str], *, null: bool) -> int:
    """Print the paths of files, each once, and return how many sources were left out because they are no files.

    Names are escaped, as everything that is printed; into a pipe that takes NUL bytes they are written as they are.
    """
    named = list(dict.fromkeys(sources))
    paths = [render.relative(path, None) for source in named if (path := source_path(source)) is not None]
    if null and not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(b"".join(os.fsencode(path) + b"\0" for path in paths))
        sys.stdout.buffer.flush()
    else:
        sys.stdout.writelines(f"{printable(path)}\n" for path in paths)
    return len(named) - len(paths)


def hit_as_dict(rank: int, hit: Hit) -> dict[str, Any]:
    """Return a hit as plain values, for JSON."""
    values: dict[str, Any] = {
        "rank": rank,
        "score": hit.score,
        "raw_score": hit.raw_score,
        "modality": hit.modality,
        "source": hit.source,
        "sources": list(hit.sources),
        "span": list(hit.span) if hit.span else None,
        "page": hit.page,
        "part": hit.part,
        "text": hit.text,
        "space": hit.space,
        "id": hit.id,
        "metadata": dict(hit.metadata),
    }
    if hit.spans:
        values["spans"] = [list(span) for span in hit.spans]
    if matched := hit.matched_words:
        values["matched_words"] = list(matched)
    return values


def source_as_dict(entry: SourceSummary) -> Mapping[str, Any]:
    """Return a source as plain values, for JSON."""
    return {"source": entry.source, "records": dict(entry.records)}


def linked(console: Console, source: str) -> Text:
    """Return a source as it is shown, linked to the file or page (OSC 8) where the terminal can."""
    target = link_target(source) if links_work(console) else None
    return Text(printable(without_secrets(render.relative(source, None))), style=Style(link=target) if target else "")


def links_work(console: Console) -> bool:
    """Return whether links can be printed: into a terminal that does not show their escape sequence as text."""
    return console.is_terminal and console.color_system is not None and os.environ.get("TERM", "") not in NO_LINKS


def link_target(source: str) -> str | None:
    """Return the URL of a file or web page; None for other sources, and for a page whose URL holds a secret."""
    if (path := source_path(source)) is not None:
        return Path(path).as_uri()
    is_page = urlsplit(source).scheme in ("http", "https") and source.isascii() and source.isprintable()
    return source if is_page and " " not in source and not has_secret(source) else None


def flat(text: str) -> str:
    """Return a text on one line, as it may be printed."""
    return printable(without_secrets(" ".join(text.split())))


def fitting(console: Console, text: str, indent: int) -> str:
    """Return a line that fits into the terminal after an indent, cut if need be; whole for a pipe."""
    room = console.width - indent
    if not render.has_width(console) or cell_len(text) <= room:
        return text
    end = render.glyph("…", "...")
    cut = Text(text)
    cut.truncate(max(room - len(end), 1), overflow="crop")
    return cut.plain.rstrip() + end
