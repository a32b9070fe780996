"""How results look in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:  # `senseweave --help` needs neither numpy nor Chroma
    from senseweave.encoders.family import Family
    from senseweave.retrieval import Hit, Report

PIPED_COLUMNS = 200
"""Width of what goes into a pipe or a file, where nothing should be broken in two."""


def _width() -> int | None:
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_COLUMNS


console = Console(width=_width())
errors = Console(stderr=True)

COLUMNS_FOR_A_TABLE = 72
"""In a narrower terminal hits are a list."""
COLUMNS_WITH_EXAMPLES = 130
"""A narrower table of models leaves out the names of models, which would be broken in two."""
MISSING_SHOWN = 10
"""Questions with answers that an index lacks that are listed in a terminal."""
LINE_LENGTH = 90
"""Characters of a hit's text that a table shows."""


def failure(message: str) -> None:
    """Print one line about what went wrong."""
    errors.print(f"[bold red]error:[/] {escape(' '.join(message.split()))}", soft_wrap=True, highlight=False)


def warning(message: str) -> None:
    """Print one line about what to know."""
    errors.print(f"[yellow]note:[/] {escape(' '.join(message.split()))}", soft_wrap=True, highlight=False)


def report(outcome: Report, folder: Path, size: int) -> None:
    """Print what adding to an index did."""
    others = {
        "copy" if outcome.copies == 1 else "copies": outcome.copies,
        "replaced": outcome.replaced,
        "deleted": outcome.deleted,
        "renamed": outcome.updated,
    }
    changes = "".join(f"{count} {name}, " for name, count in others.items() if count)
    console.print(
        f"[green]{outcome.added} added[/], {changes}{outcome.skipped} unchanged, "
        f"{len(outcome.failed)} failed; {folder} holds {size} records",
        highlight=False,
        soft_wrap=True,
    )
    for error in outcome.failed:
        console.print(f"  [red]failed[/] {escape(str(error))}", soft_wrap=True, highlight=False)


def hits(found: Sequence[Hit], *, title: str | None = None, relative_to: Path | None = None) -> None:
    """Print hits as a table: rank, score, modality, source, span and a line of text; as a list where it is narrow."""
    if not found:
        console.print("nothing found")
        return
    if console.width < COLUMNS_FOR_A_TABLE:
        for rank, hit in enumerate(found, start=1):
            source = shorten_source(hit.source, relative_to)
            told = f"{rank}. [cyan]{hit.modality}[/] {escape(source)} {place(hit)}".rstrip()
            console.print(f"{told} ({hit.score:.3f})", highlight=False)
            console.print(f"   {escape(line(hit.text))}", highlight=False)
        return
    table = Table(title=escape(title) if title else None, title_justify="left", title_style="bold")
    table.add_column("#", justify="right")
    table.add_column("score", justify="right")
    table.add_column("modality", style="cyan")
    table.add_column("source", overflow="fold")
    table.add_column("span", no_wrap=True)
    table.add_column("text", overflow="fold")
    for rank, hit in enumerate(found, start=1):
        source = shorten_source(hit.source, relative_to)
        table.add_row(str(rank), f"{hit.score:.3f}", hit.modality, escape(source), place(hit), escape(line(hit.text)))
    console.print(table)


def hit_as_dict(rank: int, hit: Hit) -> dict[str, Any]:
    """A hit as plain values, for JSON."""
    return {
        "rank": rank,
        "score": hit.score,
        "raw_score": hit.raw_score,
        "modality": hit.modality,
        "source": hit.source,
        "span": list(hit.span) if hit.span else None,
        "page": hit.page,
        "text": hit.text,
        "space": hit.space,
        "id": hit.id,
    }


def info(facts: Mapping[str, Any]) -> None:
    """Print what an index holds."""
    from senseweave.media import MODALITIES

    table = Table("space", "modality", "records", "fingerprint")
    for row in sorted(facts["collections"], key=lambda row: MODALITIES.index(row["modality"])):
        table.add_row(row["space"], row["modality"], str(row["records"]), row["fingerprint"])
    console.print(table)
    console.print(f"{facts['records']} records in {facts['place']}", highlight=False, soft_wrap=True)


def models(families: Iterable[Family]) -> None:
    """Print a table of the families of models: what they embed, dimensions, extras, licenses, and one that loads."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("family", style="bold", no_wrap=True)
    table.add_column("embeds", style="cyan")
    table.add_column("dim.", justify="right", no_wrap=True)
    table.add_column("extra", no_wrap=True)
    table.add_column("license")
    with_examples = console.width >= COLUMNS_WITH_EXAMPLES
    if with_examples:
        table.add_column("for example", no_wrap=True)
    for one in families:
        dimension = str(one.dimensions[0]) if one.dimensions[0] is not None else "any"
        cells = [one.scheme, ", ".join(one.modalities), dimension, one.extra or "", escape(one.license)]
        table.add_row(*cells, *([escape(one.examples[0])] if with_examples else []))
    console.print(table)
    console.print("all about one family: senseweave models clip", highlight=False)
    console.print('what an extra needs:  pip install "senseweave\\[image]"', highlight=False, soft_wrap=True)


def family(one: Family) -> None:
    """Print all about a family of models: what it is, examples that load, the extra that it needs."""
    console.print(f"[bold]{one.scheme}[/] [cyan]{', '.join(one.modalities)}[/]", highlight=False)
    console.print(escape(f"{one.summary}. License: {one.license}."), highlight=False)
    for example, dimension in zip(one.examples, one.dimensions, strict=True):
        told = f"  [dim]# {dimension} dimensions[/]" if dimension is not None else ""
        console.print(f'    sw.load("{escape(example)}"){told}', highlight=False, soft_wrap=True)
    if one.extra is not None:
        console.print(f'    [dim]pip install "senseweave\\[{one.extra}]"[/]', highlight=False, soft_wrap=True)
    options = ", ".join(f"{name}: {annotation}" for name, annotation in one.describe()["options"].items())
    console.print(escape(f"Options: {options or 'none'}."), highlight=False)


def evaluation(rows: Sequence[Mapping[str, Any]], shares: Mapping[str, Mapping[str, float]], k: int) -> None:
    """Print measures per query and document modality, and the modalities' shares of the mixed results."""
    table = Table()
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading in ("query", "documents") else "right")
    for row in rows:
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
    for query, share in shares.items():
        parts = ", ".join(f"{modality} {value:.0%}" for modality, value in share.items())
        console.print(f"of the first {k} for {query} queries: {parts}", highlight=False)


def missing_answers(missing: Sequence[Mapping[str, Any]], asked: int, file: Path) -> None:
    """Print which answers the index does not hold, so that a low figure is not taken for bad search."""
    if not missing:
        return
    count = sum(len(one["answers"]) for one in missing)
    warning(f"{count} answers of {len(missing)} of {asked} questions are not in the index and count as not found:")
    for one in missing[:MISSING_SHOWN]:
        names = ", ".join(one["answers"])
        errors.print(f"  entry {one['question']} of {file.name}: {escape(names)}", highlight=False, soft_wrap=True)
    if len(missing) > MISSING_SHOWN:
        errors.print(f"  and {len(missing) - MISSING_SHOWN} more; --json lists them all", highlight=False)


def place(hit: Hit) -> str:
    """Where in its source a hit is: seconds or a page."""
    if hit.span is not None:
        start, end = hit.span
        return f"{clock(start)}–{clock(end)}"  # noqa: RUF001
    return f"p. {hit.page}" if hit.page is not None else ""


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, `1:05.0`."""
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"


def line(text: str) -> str:
    """The first characters of a text, on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LINE_LENGTH else flat[: LINE_LENGTH - 1].rstrip() + "…"


def shorten_source(source: str, relative_to: Path | None) -> str:
    """A path relative to a folder, where it lies in it."""
    if relative_to is not None:
        try:
            return str(Path(source).relative_to(relative_to))
        except ValueError:
            return source
    return source
