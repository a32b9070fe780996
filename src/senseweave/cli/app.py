"""The commands of `senseweave`."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from senseweave import __version__
from senseweave.cli import render
from senseweave.cli.agents import mcp
from senseweave.cli.alignment import align
from senseweave.cli.collector import BRIEF, resume_collections
from senseweave.cli.contents import delete, export, import_command, info, list_command
from senseweave.cli.exploring import clusters, duplicates, map_command
from senseweave.cli.finetuning import finetune
from senseweave.cli.native import without_decoder_notes
from senseweave.cli.options import (
    AsJson,
    Device,
    IndexPlace,
    IntoPlace,
    ModelOptions,
    Trusted,
    choose_device,
    chosen_ocr,
    chosen_pages,
    existing_index,
    load_space,
    open_index,
    opened_place,
    trusted_kinds,
)
from senseweave.cli.output import print_json
from senseweave.cli.pipes import output
from senseweave.cli.searching import search
from senseweave.cli.serving import serve
from senseweave.display import wants_plain_text
from senseweave.errors import AddError, SenseweaveError
from senseweave.extras import require
from senseweave.progress import shown_progress
from senseweave.suggestions import looks_like_text

if TYPE_CHECKING:
    from senseweave.media.forms.source import Pages
    from senseweave.retrieval import Index

app = typer.Typer(
    name="senseweave",
    help="Search text, images, audio and video with one question.",
    no_args_is_help=True,
    rich_markup_mode=None if wants_plain_text() else "rich",
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 success, 1 nothing added or found in an empty index, or problems, 2 error, 130 interrupted.",
)

NOTHING_ADDED, PROBLEMS, FAILURE, INTERRUPTED = 1, 1, 2, 130
"""Exit codes other than 0; the last two are those of `typer` and of a shell."""

ClickException: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""The error of wrong usage, which Typer does not export: it is of click, or of its copy in newer versions of Typer."""

DEBUG_VARIABLE = "SENSEWEAVE_DEBUG"
"""Environment variable that shows the traceback of an unexpected error."""


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        render.console.print(__version__)
        raise typer.Exit
    if context.invoked_subcommand not in BRIEF:
        resume_collections()


@app.command("index")
def index_command(
    paths: Annotated[list[str], typer.Argument(help="Files and folders to add.")],
    into: IntoPlace,
    space: Annotated[
        list[str] | None,
        typer.Option("--space", help="Model that embeds the media; may be repeated. [default: starter]"),
    ] = None,
    option: ModelOptions = None,
    sync: Annotated[
        bool, typer.Option("--sync", help="Also delete records of files that no longer exist in the given folders.")
    ] = False,
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", help="Encoding of the text and HTML files. [default: detected file by file]"),
    ] = None,
    ocr: Annotated[
        str,
        typer.Option("--ocr", help="Pictures in which writing is read: auto (if they look written), on (all) or off."),
    ] = "auto",
    pages: Annotated[
        str,
        typer.Option(
            "--pages",
            help="Pages of a PDF: text and picture as separate hits, both as one hit, or only the text or the picture: "
            "separate, both, text or picture.",
        ),
    ] = "separate",
    watch: Annotated[
        bool, typer.Option("--watch", help="Then keep the index in step with the files and folders, until Ctrl-C.")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            help="Read and embed on a Ray cluster: its address, or auto for the cluster of this machine, and for all "
            "processors of this machine where there is none.",
        ),
    ] = None,
    actors: Annotated[int, typer.Option("--actors", min=1, help="With --ray: how many processes hold the model.")] = 1,
    gpus: Annotated[float, typer.Option("--gpus", min=0.0, help="With --ray: GPUs of each of these processes.")] = 0.0,
    device: Device = None,
    trust: Trusted = None,
    as_json: AsJson = False,
) -> None:
    """Add files and folders of any modality to an index, skipping what it already contains.

    Files that cannot be read are listed, and the others are added. The exit code is 1 if nothing could be added, or a
    file that you named could not.
    """
    from senseweave.retrieval import Index

    places = [Path(path) for path in paths]
    missing = next((path for path, place in zip(paths, places, strict=True) if not place.exists()), None)
    if missing is not None:
        msg = f"{missing}: no such file or folder{_hint(missing)}"
        raise SenseweaveError(msg)
    if os.path.exists(into) and not os.path.isdir(into):
        msg = f"{into}: is a file; --into expects the folder of the index, which is created if it does not exist"
        raise SenseweaveError(msg)
    if watch and as_json:
        msg = "--watch prints a line for each change; leave out --json"
        raise SenseweaveError(msg)
    if ray is not None and (watch or sync):
        msg = "--ray adds files; --sync and --watch are for one process, and are left out with it"
        raise SenseweaveError(msg)
    if ray is None and (actors != 1 or gpus):
        msg = "--actors and --gpus are for --ray; add --ray auto, or leave them out"
        raise SenseweaveError(msg)
    if watch:
        require("watchfiles", extra="watch", feature="index --watch")
    choose_device(device)
    chosen = chosen_pages(pages)
    try:
        spaces = [load_space(name, option) for name in space or ["starter"]] if option else space or None
        options: dict[str, Any] = {"spaces": spaces, "trust": trusted_kinds(trust), "ocr": chosen_ocr(ocr)}
        with opened_place(into) as opened, Index(opened, **options) as index:
            sync = sync or (watch and any(place.is_dir() for place in places))
            failed = False
            if ray is not None:
                from senseweave.cli.scaling import failures_file, index_on_ray

                report, failed = index_on_ray(
                    ray, places, index, failures_file(into), actors, gpus, encoding, chosen_ocr(ocr), chosen
                )
            else:
                with nullcontext() if as_json else shown_progress("indexing", console=render.errors) as step:
                    try:
                        report = index.add(places, sync=sync, progress=step, encoding=encoding, pages=chosen)
                    except AddError as error:
                        report, failed = error.report, True
            size = len(index)
            if watch:
                render.report(report, into, size)
                _watch(index, places, into, encoding, chosen)
                return
    except KeyboardInterrupt:
        render.failure(f"interrupted; what was added to {into} is kept, and the same command continues from there")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        failures = [{"source": error.source, "reason": error.reason} for error in report.failed]
        partial = [{"source": source, "notes": list(notes)} for source, notes in report.partial.items()]
        print_json({**report.counts, "failed": failures, "partial": partial, "size": size})
    else:
        render.report(report, into, size)
    if not any(report.counts.values()) and not report.failed:
        render.warning(f"nothing to add in {', '.join(paths)}; hidden files are skipped")
    if failed or not any(report.counts.values()):
        raise typer.Exit(NOTHING_ADDED)


app.command()(search)
app.command()(serve)
app.command()(mcp)
app.command()(info)
app.command("list")(list_command)
app.command()(delete)
app.command()(export)
app.command("import")(import_command)
app.command()(finetune)
app.command()(align)
app.command()(duplicates)
app.command()(clusters)
app.command("map")(map_command)


@app.command()
def verify(
    place: IndexPlace,
    sources: Annotated[
        bool, typer.Option("--sources", help="Also compare the records with the files that they came from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the files of an index and every record; the exit code is 1 if there are problems."""
    from senseweave.retrieval.integrity.verify import verify_folder
    from senseweave.retrieval.stores.addresses import is_address

    if is_address(place):
        with open_index(place, spaces=[]) as index:
            outcome = index.verify(sources=sources)
    else:
        outcome = verify_folder(existing_index(place), sources=sources)
    if as_json:
        print_json(outcome.to_dict())
    else:
        render.integrity(outcome, outcome.problems)
    if not outcome.ok:
        raise typer.Exit(PROBLEMS)


@app.command()
def repair(place: IndexPlace, trust: Trusted = None, as_json: AsJson = False) -> None:
    """Rebuild a damaged index from its database and its sources; the exit code is 1 if records were lost."""
    from senseweave.retrieval.index_spaces import recorded_spaces
    from senseweave.retrieval.integrity.repair import repair_folder

    outcome = repair_folder(existing_index(place), recorded_spaces(place, trusted_kinds(trust)))
    if as_json:
        print_json(outcome.to_dict())
    else:
        render.integrity(outcome, outcome.lost)
    if not outcome.ok:
        raise typer.Exit(PROBLEMS)


@app.command("eval")
def eval_command(
    place: IndexPlace,
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
    with open_index(place, trust=trusted_kinds(trust)) as index:
        result = evaluate(index, entries, k=k, fusion=fusion)
    missing = [{"question": number + 1, "answers": names} for number, names in sorted(result.missing.items())]
    if as_json:
        print_json({"cells": result.rows(), "shares": result.shares, "missing": missing})
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
        print_json([family.describe() for family in listed])
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

    with shown_progress("indexing the sample corpus", console=render.errors) as step:
        run_rest = tour(render.console, into=into, progress=step)
    run_rest(llm)


def _hint(missing: str) -> str:
    """Return what to do with what is no file but looks like something else that can be indexed."""
    if missing.lower().startswith(("http://", "https://")):
        return "; this command fetches no URLs: download the file, or use a senseweave.MediaPolicy in Python"
    if looks_like_text(missing):
        return "; this command indexes files: write the text to a file, or use senseweave.Text in Python"
    return ""


def _watch(index: Index, paths: list[Path], into: str, encoding: str | None, pages: Pages) -> None:
    from senseweave.cli.watching import watch

    render.line_of_outcome(f"watching {', '.join(map(str, paths))}; Ctrl-C ends it")
    watch(index, paths, Path(into), lambda report: render.report(report, into, len(index)), encoding, pages)
    render.line_of_outcome(f"stopped; {into} holds {len(index)} records")


def run() -> None:
    """Run the command line; see `senseweave.cli.main`."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.showwarning = _one_line_warning
    logging.getLogger("chromadb").setLevel(logging.ERROR)
    sys.stdout, sys.stderr = output(sys.stdout), output(sys.stderr)
    with without_decoder_notes():
        try:
            try:
                _check_arguments(sys.argv[1:])
                code = app(standalone_mode=False) or 0
            finally:
                sys.stdout.flush()
            sys.exit(code)
        except ClickException as error:
            _usage_error(error)
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


def _check_arguments(arguments: list[str]) -> None:
    """Refuse empty arguments, as variables that are not set leave them: as paths they are the current folder.

    Raises:
        SenseweaveError: If there is one; the message says where.
    """
    for number, (before, argument) in enumerate(pairwise(["", *arguments]), 1):
        if argument == "" or re.fullmatch(r"--[a-z-]+=", argument):
            option = argument.rstrip("=") or before
            name = option if re.fullmatch(r"--[a-z-]+", option) else f"argument {number}"
            msg = f"{name} is empty, as a variable that is not set; the current folder is '.'"
            raise SenseweaveError(msg)


def _usage_error(error: Any) -> None:
    """Print wrong usage on one line, in which no path is broken, and exit with its code."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help
        error.show()
    else:
        hint = f" (see: {context.command_path} --help)" if context is not None else ""
        render.failure(f"{error.format_message()}{hint}")
    sys.exit(error.exit_code)


def _one_line_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if category.__module__.startswith("senseweave"):
        render.warning(str(message))
