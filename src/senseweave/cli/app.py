"""The commands of `senseweave`."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from senseweave import __version__
from senseweave.cli import render
from senseweave.cli.native import without_decoder_notes
from senseweave.display import printable_json
from senseweave.errors import AddError, SenseweaveError
from senseweave.redaction import redacted

if TYPE_CHECKING:
    from senseweave.media import Modality
    from senseweave.retrieval import Index
    from senseweave.spaces.recorded import Kind

app = typer.Typer(
    name="senseweave",
    help="Search text, images, audio and video with one question.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 success, 1 nothing added or problems found, 2 wrong usage or an error, 130 interrupted.",
)

NOTHING_ADDED, PROBLEMS, FAILURE, INTERRUPTED = 1, 1, 2, 130
"""Exit codes other than 0; the last two are those of `typer` and of a shell."""

DEBUG_VARIABLE = "SENSEWEAVE_DEBUG"
"""Environment variable that shows the traceback of an unexpected error."""

IndexFolder = Annotated[Path, typer.Argument(help="Folder of an index created by `senseweave index`.")]
Trusted = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        help="Let the index choose this: code, server, download, path, plugin or option; may be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        render.console.print(__version__)
        raise typer.Exit


@app.command("index")
def index_command(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to add.")],
    into: Annotated[Path, typer.Option("--into", help="Folder of the index; created if it does not exist.")],
    space: Annotated[
        list[str] | None,
        typer.Option("--space", help="Model that embeds the media; may be repeated. [default: starter]"),
    ] = None,
    sync: Annotated[
        bool, typer.Option("--sync", help="Also delete records of files that no longer exist in the given folders.")
    ] = False,
    trust: Trusted = None,
    as_json: AsJson = False,
) -> None:
    """Add files and folders of any modality to an index, skipping what it already contains.

    Files that cannot be read are listed, and the others are added. The exit code is 1 if nothing could be added, or a
    file that you named could not.
    """
    from senseweave.retrieval import Index

    missing = [path for path in paths if not path.exists()]
    if missing:
        msg = f"{missing[0]}: no such file or folder"
        raise SenseweaveError(msg)
    if into.exists() and not into.is_dir():
        msg = f"{into}: is a file; --into expects the folder of the index, which is created if it does not exist"
        raise SenseweaveError(msg)
    try:
        opened = Index(into, spaces=space or None, trust=_kinds(trust))
        with opened as index, _progress("indexing", quiet=as_json) as step:
            failed = False
            try:
                report = index.add(paths, sync=sync, progress=step)
            except AddError as error:
                report, failed = error.report, True
            size = len(index)
    except KeyboardInterrupt:
        render.failure(f"interrupted; what was added to {into} is kept, and the same command continues from there")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        failures = [{"source": error.source, "reason": error.reason} for error in report.failed]
        _print_json({**report.counts, "failed": failures, "size": size})
    else:
        render.report(report, into, size)
    if not any(report.counts.values()) and not report.failed:
        render.warning(f"nothing to add in {', '.join(map(str, paths))}; hidden files are skipped")
    if failed or not any(report.counts.values()):
        raise typer.Exit(NOTHING_ADDED)


@app.command()
def search(
    folder: IndexFolder,
    query: Annotated[str | None, typer.Argument(help="A question or description; always read as text.")] = None,
    k: Annotated[int, typer.Option("-k", "--top", min=1, help="Number of hits.")] = 5,
    modality: Annotated[
        list[str] | None, typer.Option("--modality", help="Only hits of this modality; may be repeated.")
    ] = None,
    image: Annotated[Path | None, typer.Option("--image", help="Search by this image.")] = None,
    audio: Annotated[Path | None, typer.Option("--audio", help="Search by this recording.")] = None,
    space: Annotated[
        list[str] | None,
        typer.Option("--space", help="Model of the index, named by you; may be repeated. [default: as recorded]"),
    ] = None,
    trust: Trusted = None,
    as_json: AsJson = False,
) -> None:
    """Search an index by a question, an image or a recording."""
    import senseweave as sw

    queries = [value for value in (query, image, audio) if value is not None]
    if len(queries) != 1:
        msg = (
            'pass one query: a text, --image FILE or --audio FILE; example: senseweave search DIR "a dog on the grass"'
        )
        raise SenseweaveError(msg)
    searched: Any = query
    if image is not None:
        searched = sw.Image(image)
    elif audio is not None:
        searched = sw.Audio(audio)
    with _opened(folder, spaces=space or None, trust=_kinds(trust)) as index:
        hits = index.search(searched, k=k, modalities=_modalities(modality))
    if as_json:
        _print_json([render.hit_as_dict(rank, hit) for rank, hit in enumerate(hits, start=1)])
    else:
        render.hits(hits)


@app.command()
def info(folder: IndexFolder, as_json: AsJson = False) -> None:
    """Show the contents of an index: records per modality, spaces and fingerprints."""
    with _opened(folder, spaces=[]) as index:
        facts = index.info()
    if as_json:
        _print_json(facts)
    else:
        render.info(facts)


@app.command()
def verify(
    folder: IndexFolder,
    sources: Annotated[
        bool, typer.Option("--sources", help="Also compare the records with the files that they came from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the files of an index and every record; the exit code is 1 if there are problems."""
    from senseweave.retrieval.integrity.verify import verify_folder

    outcome = verify_folder(_existing(folder), sources=sources)
    if as_json:
        _print_json(outcome.to_dict())
    else:
        render.integrity(outcome, outcome.problems)
    if not outcome.ok:
        raise typer.Exit(PROBLEMS)


@app.command()
def repair(folder: IndexFolder, trust: Trusted = None, as_json: AsJson = False) -> None:
    """Rebuild a damaged index from its database and its sources; the exit code is 1 if records were lost."""
    from senseweave.retrieval.index_spaces import recorded_spaces
    from senseweave.retrieval.integrity.repair import repair_folder

    outcome = repair_folder(_existing(folder), recorded_spaces(str(folder), _kinds(trust)))
    if as_json:
        _print_json(outcome.to_dict())
    else:
        render.integrity(outcome, outcome.lost)
    if not outcome.ok:
        raise typer.Exit(PROBLEMS)


@app.command("eval")
def eval_command(
    folder: IndexFolder,
    questions: Annotated[
        Path, typer.Argument(help="Questions with their answers: JSON objects with `query` and `relevant`.")
    ],
    k: Annotated[int, typer.Option("-k", "--top", min=1, help="Number of hits that the measures consider.")] = 10,
    fusion: Annotated[str | None, typer.Option("--fusion", help="Fusion method that makes scores comparable.")] = None,
    trust: Trusted = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well an index answers questions with known answers, per modality and overall."""
    from senseweave.evaluation import evaluate, read_questions

    entries = read_questions(questions)
    with _opened(folder, trust=_kinds(trust)) as index:
        result = evaluate(index, entries, k=k, fusion=fusion)
    missing = [{"question": number + 1, "answers": names} for number, names in sorted(result.missing.items())]
    if as_json:
        _print_json({"cells": result.rows(), "shares": result.shares, "missing": missing})
    else:
        render.evaluation(result.rows(), result.shares, k)
        render.missing_answers(missing, len(entries), questions)


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="A family, to show its details.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the families of models that can be loaded: what they embed, dimensions, licenses, extras."""
    from senseweave.encoders import registry

    listed = registry.families() if name is None else (registry.family_for(name),)
    if as_json:
        _print_json([family.describe() for family in listed])
    elif name is not None:
        render.family(listed[0])
    else:
        render.models(listed)


@app.command()
def demo(
    into: Annotated[
        Path | None, typer.Option("--into", help="Folder to keep the index in; a temporary folder by default.")
    ] = None,
    llm: Annotated[bool, typer.Option("--llm/--no-llm", help="Whether the offline chat model answers as well.")] = True,
) -> None:
    """Index the sample corpus, search it across modalities, and answer a question with sources; offline."""
    from senseweave.demo.tour import tour

    with _progress("indexing the sample corpus") as step:
        run_rest = tour(render.console, into=into, progress=step)
    run_rest(llm)


def run() -> None:
    """Run the command line; see `senseweave.cli.main`."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.showwarning = _one_line_warning
    logging.getLogger("chromadb").setLevel(logging.ERROR)
    _write_any_text()
    with without_decoder_notes():
        try:
            app(standalone_mode=True)
        except OSError as error:
            render.failure(f"{error.filename}: {error.strerror}" if error.filename is not None else str(error))
            sys.exit(FAILURE)
        except (SenseweaveError, ImportError, ValueError) as error:
            render.failure(str(error))
            sys.exit(FAILURE)
        except Exception as error:
            if os.environ.get(DEBUG_VARIABLE):
                raise
            render.failure(f"{type(error).__name__}: {error} (set {DEBUG_VARIABLE}=1 for the traceback)")
            sys.exit(FAILURE)


def _opened(folder: Path, **options: Any) -> Index:
    """Open the index in a folder; if there is none, say how to create it on the command line."""
    from senseweave.retrieval import Index

    return Index.open(_existing(folder), **options)


def _existing(folder: Path) -> Path:
    """Return the folder of an index, absolute.

    Raises:
        SenseweaveError: If there is no index; the message says how to create one on the command line.
    """
    from senseweave.retrieval.integrity.database import DATABASE
    from senseweave.retrieval.integrity.swap import finish_swap

    place = Path(os.path.abspath(folder))
    finish_swap(place)
    if not (place / DATABASE).is_file():
        state = "is a file" if folder.is_file() else "there is no index here" if folder.exists() else "no such folder"
        msg = f"{folder}: {state}; create an index with: senseweave index FILES --into FOLDER"
        raise SenseweaveError(msg)
    return place


def _kinds(names: list[str] | None) -> Collection[Kind]:
    """Return what an index may ask for.

    Raises:
        SenseweaveError: If a name is not a kind.
    """
    from senseweave.spaces.recorded import parse_trust

    try:
        return parse_trust(names)  # type: ignore[arg-type]
    except ValueError as error:
        raise SenseweaveError(str(error)) from None


def _modalities(names: list[str] | None) -> set[Modality] | None:
    """Return modalities by name.

    Raises:
        SenseweaveError: If a name is not a modality.
    """
    from senseweave.media import MODALITIES

    chosen: set[Modality] = set()
    for name in names or ():
        if name not in MODALITIES:
            msg = f"{name!r} is not a modality; the modalities are {', '.join(MODALITIES)}"
            raise SenseweaveError(msg)
        chosen.add(name)
    return chosen or None


def _one_line_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if category.__module__.startswith("senseweave"):
        render.warning(str(message))


@contextmanager
def _progress(label: str, *, quiet: bool = False) -> Iterator[Any]:
    """Show a progress bar on standard error, and yield the function `step(done, total)` that advances it."""
    if quiet:
        yield None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=render.errors, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_json(value: object) -> None:
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(redacted(value), indent=2, ensure_ascii=not unicode, default=str)
    sys.stdout.write(printable_json(text) + "\n")


def _write_any_text() -> None:
    """Print what the terminal's encoding lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
