"""How results look in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from senseweave.retrieval import Hit, Report
from senseweave.spaces.families import Family

console = Console()
errors = Console(stderr=True)

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
    others = {"replaced": outcome.replaced, "deleted": outcome.deleted, "renamed": outcome.updated}
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
    """Print hits as a table: rank, score, modality, source, span and a line of text."""
    if not found:
        console.print("nothing found")
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
    table = Table("space", "modality", "records", "fingerprint")
    for row in facts["collections"]:
        table.add_row(row["space"], row["modality"], str(row["records"]), row["fingerprint"])
    console.print(table)
    console.print(f"{facts['records']} records in {facts['place']}", highlight=False, soft_wrap=True)


def models(families: Iterable[Family]) -> None:
    """Print the families of models: what each is, examples that load, the extra that it needs."""
    for family in families:
        console.print(f"[bold]{family.scheme}[/] [cyan]{', '.join(family.modalities)}[/]", highlight=False)
        console.print(Padding(escape(f"{family.summary}. {family.licence}."), (0, 0, 0, 4)), highlight=False)
        for example in family.examples:
            console.print(f'    sw.load("{escape(example)}")', highlight=False, soft_wrap=True)
        console.print(f'    [dim]pip install "senseweave\\[{family.extra}]"[/]\n', highlight=False, soft_wrap=True)


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
