"""Print results in a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape as escape_markup
from rich.table import Table

from senseweave.display import printable, wants_plain_text
from senseweave.redaction import without_secrets

if TYPE_CHECKING:  # `senseweave --help` needs neither numpy nor Chroma
    from senseweave.encoders.family import Family
    from senseweave.media.file_kinds import FileKind
    from senseweave.retrieval import Hit, Report
    from senseweave.retrieval.integrity.report import Problem, RepairReport, VerifyReport
    from senseweave.spaces.presets import Preset

PIPED_COLUMNS = 200
"""Width of output to a pipe or a file, in which no line should be wrapped."""


def _width() -> int | None:
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED_COLUMNS


def has_width(console: Console) -> bool:
    """Return whether lines should fit into the width of the console: that of a terminal, or one that was asked for."""
    return console.is_terminal or "COLUMNS" in os.environ


def _console(*, stderr: bool = False) -> Console:
    """Return a console without emoji codes: `:smile:` in a file name is a part of the name."""
    return Console(
        width=None if stderr else _width(),
        emoji=False,
        stderr=stderr,
        color_system=None if wants_plain_text() else "auto",
    )


console = _console()
errors = _console(stderr=True)

COLUMNS_WITH_EXAMPLES = 130
"""A narrower table of families leaves out the example models, which would be wrapped."""
MISSING_SHOWN = 10
"""Maximum number of listed questions whose answers are not in the index."""
SPANS_SHOWN = 4
"""Maximum number of spans of a grouped hit that are listed."""
LINE_LENGTH = 90
"""Maximum number of characters of the text of a hit in the table of the demo."""


def escape(text: object) -> str:
    """Return text from outside as it may be printed: no markup, nothing that a terminal obeys, no secrets of URLs."""
    return escape_markup(printable(without_secrets(str(text))))


def failure(message: str) -> None:
    """Print an error on one line."""
    errors.print(f"[bold red]error:[/] {escape(' '.join(message.split()))}", soft_wrap=True, highlight=False)


def warning(message: str) -> None:
    """Print a note on one line."""
    errors.print(f"[yellow]note:[/] {escape(' '.join(message.split()))}", soft_wrap=True, highlight=False)


@contextmanager
def at_work(message: str) -> Iterator[None]:
    """Say on standard error what a command is doing during a block, if that is a terminal."""
    if not errors.is_terminal:
        yield
    elif wants_plain_text():
        errors.print(escape(message), soft_wrap=True, highlight=False)
        yield
    else:
        with errors.status(escape(message)):
            yield


def line_of_outcome(message: str) -> None:
    """Print what a command has done, on one line."""
    console.print(escape(message), soft_wrap=True, highlight=False)


def text(lines: str) -> None:
    """Print lines as they are: no line is wrapped."""
    console.print(escape_markup(printable(without_secrets(lines), keep="\n")), soft_wrap=True, highlight=False)


def report(outcome: Report, place: str, size: int) -> None:
    """Print the report of adding to an index."""
    others = {
        "copy" if outcome.copies == 1 else "copies": outcome.copies,
        "replaced": outcome.replaced,
        "deleted": outcome.deleted,
        "renamed": outcome.updated,
    }
    changes = "".join(f"{count} {name}, " for name, count in others.items() if count)
    partly = f"{len(outcome.partial)} partly read, " if outcome.partial else ""
    console.print(
        f"[green]{outcome.added} added[/], {changes}{outcome.skipped} unchanged, {partly}"
        f"{len(outcome.failed)} failed; {escape(place)} holds {size} records",
        highlight=False,
        soft_wrap=True,
    )
    for source, notes in outcome.partial.items():
        line = f"  [yellow]partly read[/] {escape(relative(source, None))}: {escape('; '.join(notes))}"
        console.print(line, soft_wrap=True, highlight=False)
    for error in outcome.failed:
        console.print(f"  [red]failed[/] {escape(str(error))}", soft_wrap=True, highlight=False)


def integrity(outcome: VerifyReport | RepairReport, problems: Sequence[Problem]) -> None:
    """Print what verifying or repairing an index found: a line, and below it a line for each problem."""
    console.print(escape(str(outcome)), soft_wrap=True, highlight=False)
    for problem in problems:
        console.print(f"  [red]{escape(str(problem))}[/]", soft_wrap=True, highlight=False)


def info(facts: Mapping[str, Any]) -> None:
    """Print the contents of an index."""
    from senseweave.media import MODALITIES

    table = Table("space", "modality", "records", "fingerprint")
    for row in sorted(facts["collections"], key=lambda row: MODALITIES.index(row["modality"])):
        table.add_row(escape(row["space"]), row["modality"], str(row["records"]), escape(row["fingerprint"]))
    for sparse in facts.get("sparse", ()):
        table.add_row(escape(sparse["space"]), "text (sparse)", "", escape(sparse["fingerprint"]))
    console.print(table)
    console.print(f"{facts['records']} records in {escape(facts['place'])}", highlight=False, soft_wrap=True)


def space(facts: Mapping[str, Any]) -> None:
    """Print what a space is, and what computes each of its modalities."""
    kind = " (sparse)" if facts.get("kind") == "sparse" else ""
    modalities = f"{', '.join(facts['modalities'])}{kind}"
    line = f"{facts['name']}: {modalities}; {facts['dimension']} dimensions; {facts['fingerprint']}"
    console.print(escape(line), highlight=False, soft_wrap=True)
    if "devices" in facts:
        console.print(escape(f"  devices: {', '.join(facts['devices'])}"), highlight=False, soft_wrap=True)
    for modality, backend in facts.get("backends", {}).items():
        shown = {**backend, "loss": "none"} if "loss" not in backend else dict(backend)
        if isinstance(loss := shown["loss"], dict):
            shown["loss"] = f"cosine to fp32 {loss['cosine_mean']} on average, {loss['cosine_min']} at least"
        elif backend.get("precision") != "fp32":
            shown["loss"] = "not measured"
        for name, value in shown.items():
            console.print(escape(f"  {modality}: {name}: {value}"), highlight=False, soft_wrap=True)


def cache(facts: Mapping[str, Any]) -> None:
    """Print the folder of files made of models, and the sizes in it."""
    if facts["folder"] is None:
        console.print("the cache is turned off: SENSEWEAVE_CACHE is empty", highlight=False)
        return
    console.print(f"{escape(facts['folder'])}: {_megabytes(facts['bytes'])}", highlight=False, soft_wrap=True)
    graphs = f"  graphs: {facts['graphs']}, {_megabytes(facts['graph_bytes'])}"
    limit = f"at most {_megabytes(facts['graph_bytes_limit'])} (SENSEWEAVE_CACHE_GB)"
    console.print(f"{graphs}, {limit}", highlight=False, soft_wrap=True)


def file_kinds(kinds: Iterable[FileKind]) -> None:
    """Print a table of the kinds of files that are read: what they give, what reads them, and what is missing here."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("kind of file", style="bold")
    table.add_column("gives", style="cyan")
    table.add_column("read by")
    table.add_column("state", no_wrap=True)
    for kind in kinds:
        table.add_row(
            escape(kind.name), escape(kind.gives), kind.libraries or "senseweave", escape(kind.install or "installed")
        )
    console.print(table)


def presets(listed: Iterable[Preset]) -> None:
    """Print a table of presets: their models, licenses, sizes and published scores."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column, style in (("preset", "bold"), ("model", "cyan"), ("license", ""), ("weights", ""), ("published", "")):
        table.add_column(column, style=style)
    for preset in listed:
        for number, model in enumerate(preset.models):
            score = f"{model.score} ({model.source})" if model.score else ""
            size = f"{model.gigabytes:g} GB"
            table.add_row("" if number else preset.name, escape(model.name), model.license, size, escape(score))
    console.print(table)


def models(families: Iterable[Family]) -> None:
    """Print a table of model families: what they embed, dimensions, extras, licenses, and an example."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("family", style="bold", no_wrap=True)
    table.add_column("embeds", style="cyan")
    table.add_column("dim.", justify="right", no_wrap=True)
    table.add_column("extra", no_wrap=True)
    table.add_column("license")
    with_examples = console.width >= COLUMNS_WITH_EXAMPLES
    if with_examples:
        table.add_column("for example", no_wrap=True)
    for family in families:
        dimension = str(family.dimensions[0]) if family.dimensions[0] is not None else "any"
        cells = [
            escape(family.scheme),
            ", ".join(family.modalities),
            dimension,
            family.extra or "",
            escape(family.license),
        ]
        table.add_row(*cells, *([escape(family.examples[0])] if with_examples else []))
    console.print(table)
    console.print("details of a family:  senseweave models clip", highlight=False)
    console.print('what an extra needs:  pip install "senseweave\\[image]"', highlight=False, soft_wrap=True)


def family(entry: Family) -> None:
    """Print the details of a model family: what it is, examples, and the extra that it needs."""
    console.print(f"[bold]{escape(entry.scheme)}[/] [cyan]{', '.join(entry.modalities)}[/]", highlight=False)
    console.print(escape(f"{entry.summary}. License: {entry.license}."), highlight=False)
    for example, dimension in zip(entry.examples, entry.dimensions, strict=True):
        dimensions = f"  [dim]# {dimension} dimensions[/]" if dimension is not None else ""
        console.print(f'    sw.load("{escape(example)}"){dimensions}', highlight=False, soft_wrap=True)
    if entry.extra is not None:
        console.print(f'    [dim]pip install "senseweave\\[{entry.extra}]"[/]', highlight=False, soft_wrap=True)
    options = ", ".join(f"{name}: {annotation}" for name, annotation in entry.describe()["options"].items())
    console.print(escape(f"Options: {options or 'none'}."), highlight=False)


def evaluation(rows: Sequence[Mapping[str, Any]], shares: Mapping[str, Mapping[str, float]], k: int) -> None:
    """Print measures per query and document modality, and the modalities' shares of the mixed results."""
    table = Table()
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading in ("query", "documents") else "right")
    for row in rows:
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else escape(value) for value in row.values()))
    console.print(table)
    for query, share in shares.items():
        parts = ", ".join(f"{modality} {value:.0%}" for modality, value in share.items())
        console.print(f"of the first {k} for {query} queries: {parts}", highlight=False)


def missing_answers(missing: Sequence[Mapping[str, Any]], questions: int, file: Path) -> None:
    """Print which answers are not in the index, so that a low score is not mistaken for poor search."""
    if not missing:
        return
    count = sum(len(entry["answers"]) for entry in missing)
    warning(f"{count} answers of {len(missing)} of {questions} questions are not in the index and count as not found:")
    for entry in missing[:MISSING_SHOWN]:
        names = ", ".join(entry["answers"])
        errors.print(
            f"  entry {entry['question']} of {escape(file.name)}: {escape(names)}", highlight=False, soft_wrap=True
        )
    if len(missing) > MISSING_SHOWN:
        errors.print(f"  and {len(missing) - MISSING_SHOWN} more; --json lists them all", highlight=False)


def place(hit: Hit) -> str:
    """Return the span of a hit (with grouping all of them, best first), or the page and the file inside the source."""
    if hit.span is None:
        return span_or_page(None, hit.page, hit.part)
    spans = hit.spans or (hit.span,)
    more = f", {len(spans) - SPANS_SHOWN} more" if len(spans) > SPANS_SHOWN else ""
    return ", ".join(span_or_page(span) for span in spans[:SPANS_SHOWN]) + more


def span_or_page(span: tuple[float, float] | None, page: int | None = None, part: str | None = None) -> str:
    """Return where in its source a chunk is: its span, or its page and the file inside."""
    if span is not None:
        return f"{clock(span[0])}{glyph('–', '-')}{clock(span[1])}"  # noqa: RUF001
    return " ".join(filter(None, [f"p. {page}" if page is not None else "", part]))


def clock(seconds: float) -> str:
    """Return seconds as minutes and seconds, for example `1:05.0`."""
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"


def relative(source: str, folder: Path | None) -> str:
    """Return a path relative to a folder (None for the current folder) if it is inside it, else the whole source."""
    if not os.path.isabs(source):
        return source
    try:
        inside = Path(source).relative_to(folder or Path.cwd())
    except ValueError:
        return source
    return f"./{inside}" if str(inside).startswith("-") else str(inside)


def glyph(preferred: str, plain: str) -> str:
    """Return a character, or plain ones where the encoding of the output lacks it."""
    return preferred if console.encoding.lower().startswith("utf") else plain


def line(text: str) -> str:
    """Return the first characters of a text, on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LINE_LENGTH else flat[: LINE_LENGTH - 1].rstrip() + glyph("…", "...")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
