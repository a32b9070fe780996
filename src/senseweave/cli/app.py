"""The commands of `senseweave`."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from senseweave import __version__
from senseweave.cli import render
from senseweave.errors import SenseweaveError
from senseweave.media import MODALITIES, Modality

app = typer.Typer(
    name="senseweave",
    help="Search text, images, audio and video with one question.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

IndexFolder = Annotated[Path, typer.Argument(help="Folder of an index that `senseweave index` made.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        render.console.print(__version__)
        raise typer.Exit


@app.command("index")
def index_command(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to add.")],
    into: Annotated[Path, typer.Option("--into", help="Folder of the index; made if it does not exist.")],
    space: Annotated[
        list[str] | None,
        typer.Option("--space", help="Model that embeds the media; may be repeated. [default: starter]"),
    ] = None,
    sync: Annotated[bool, typer.Option("--sync", help="Also delete what has gone from the given folders.")] = False,
    as_json: AsJson = False,
) -> None:
    """Add files and folders of any modality to an index; what is already in it is skipped."""
    from senseweave.retrieval import Index

    missing = [path for path in paths if not path.exists()]
    if missing:
        msg = f"{missing[0]}: there is no such file or folder"
        raise SenseweaveError(msg)
    with Index(into, spaces=space or None) as index, _progress("indexing", quiet=as_json) as step:
        report = index.add(paths, sync=sync, progress=step)
        size = len(index)
    if as_json:
        failures = [{"source": error.source, "reason": error.reason} for error in report.failed]
        counts = {name: getattr(report, name) for name in ("added", "skipped", "replaced", "updated", "deleted")}
        _print_json({**counts, "failed": failures, "size": size})
    else:
        render.report(report, into, size)


@app.command()
def search(
    folder: IndexFolder,
    query: Annotated[str | None, typer.Argument(help="A question or description; always taken as text.")] = None,
    k: Annotated[int, typer.Option("-k", "--top", min=1, help="Number of hits.")] = 5,
    modality: Annotated[
        list[str] | None, typer.Option("--modality", help="Only hits of this modality; may be repeated.")
    ] = None,
    image: Annotated[Path | None, typer.Option("--image", help="Search by this image.")] = None,
    audio: Annotated[Path | None, typer.Option("--audio", help="Search by this recording.")] = None,
    as_json: AsJson = False,
) -> None:
    """Search an index by a question, an image or a recording."""
    import senseweave as sw

    given = [one for one in (query, image, audio) if one is not None]
    if len(given) != 1:
        msg = 'give one query: a text, --image FILE or --audio FILE, as in: senseweave search DIR "a dog on the grass"'
        raise SenseweaveError(msg)
    asked: Any = query
    if image is not None:
        asked = sw.Image(image)
    elif audio is not None:
        asked = sw.Audio(audio)
    with sw.Index.open(folder) as index:
        hits = index.search(asked, k=k, modalities=_modalities(modality))
    if as_json:
        _print_json([render.hit_as_dict(rank, hit) for rank, hit in enumerate(hits, start=1)])
    else:
        render.hits(hits)


@app.command()
def info(folder: IndexFolder, as_json: AsJson = False) -> None:
    """Say what an index holds: records per modality, spaces and fingerprints."""
    from senseweave.retrieval import Index

    with Index.open(folder) as index:
        facts = index.info()
    if as_json:
        _print_json(facts)
    else:
        render.info(facts)


@app.command("eval")
def eval_command(
    folder: IndexFolder,
    questions: Annotated[
        Path, typer.Argument(help="Questions with their answers: JSON objects with `query` and `relevant`.")
    ],
    k: Annotated[int, typer.Option("-k", "--top", min=1, help="Cut-off of the measures.")] = 10,
    fusion: Annotated[str | None, typer.Option("--fusion", help="How scores are made comparable.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well an index answers questions whose answers are known, per modality and on the mix."""
    from senseweave.evaluation import evaluate, read_questions
    from senseweave.retrieval import Index

    asked = read_questions(questions)
    with Index.open(folder) as index:
        result = evaluate(index, asked, k=k, fusion=fusion)
    if as_json:
        _print_json({"cells": result.rows(), "shares": result.shares})
    else:
        render.evaluation(result.rows(), result.shares, k)


@app.command()
def models(as_json: AsJson = False) -> None:
    """List the families of models that can be loaded, and what each needs."""
    from senseweave.spaces.families import FAMILIES

    if as_json:
        _print_json([family.__dict__ for family in FAMILIES])
    else:
        render.models(FAMILIES)


@app.command()
def demo(
    into: Annotated[
        Path | None, typer.Option("--into", help="Keep the index here instead of in a temporary folder.")
    ] = None,
    llm: Annotated[bool, typer.Option("--llm/--no-llm", help="Also let the offline chat model answer.")] = True,
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
    try:
        app(standalone_mode=True)
    except (SenseweaveError, ImportError, OSError, ValueError) as error:
        render.failure(str(error))
        sys.exit(2)


def _modalities(names: list[str] | None) -> set[Modality] | None:
    """Check the names that were given as modalities."""
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
    """Show a bar on standard error while `step(done, total)` is called."""
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
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
