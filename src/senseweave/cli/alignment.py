"""The command `align`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from senseweave.cli import render
from senseweave.cli.options import AsJson, Device, choose_device, chosen_modality
from senseweave.cli.output import print_json
from senseweave.errors import SenseweaveError
from senseweave.progress import shown_progress

if TYPE_CHECKING:
    from senseweave.training.report import AlignmentReport

NOT_BETTER = 1
"""Exit code where held-out pairs do not show that the alignment helps."""


def align(
    pairs: Annotated[
        Path,
        typer.Argument(help="A CSV, TSV, JSONL or Parquet file of pairs, or a folder with captions beside its files."),
    ],
    source: Annotated[str, typer.Option("--source", help="Model of the first column.")],
    target: Annotated[str, typer.Option("--target", help="Model of the second column.")],
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the aligned space; new, or that of another alignment.")
    ],
    method: Annotated[
        str,
        typer.Option(
            "--method", help="auto, ridge, procrustes, csa, anchors, contrastive, distill or blend (several averaged)."
        ),
    ] = "auto",
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", help="Names of the two columns, given twice. [default: the only two, or the first two]"
        ),
    ] = None,
    modality: Annotated[
        list[str] | None,
        typer.Option("--modality", help="Modalities of the two columns, given twice. [default: by name and content]"),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", help="Column whose equal values are never both learned from and measured on."),
    ] = None,
    unpaired: Annotated[
        Path | None, typer.Option("--unpaired", help="File or folder of further media, without partners.")
    ] = None,
    validation: Annotated[float, typer.Option("--validation", help="Share of the pairs to measure on.")] = 0.2,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="Time for auto to compare methods in.")] = 120.0,
    seed: Annotated[int, typer.Option("--seed", help="Decides splits and whatever a method draws.")] = 0,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Put two models into one space by pairs of media, measure it on pairs that it has not seen, and save it.

    The folder holds the space, which every command and library takes by its path, with a model card, the report as
    JSON and, where matplotlib is installed, a picture of the learning curve. Pairs that cannot be read are listed, and
    left out. The exit code is 1 if the measured pairs do not show that the alignment helps.
    """
    from senseweave.training.alignment import align as align_models
    from senseweave.training.curves import CURVE_FILE
    from senseweave.training.destination import check_destination
    from senseweave.training.saving import OWN_FILES

    if not pairs.exists():
        msg = f"{pairs}: no such file or folder"
        raise SenseweaveError(msg)
    for name, given in (("--column", column), ("--modality", modality)):
        if given is not None and len(given) != 2:
            msg = (
                f"{name} is given {len(given)} times; give it twice, for the first and the second column, or not at all"
            )
            raise SenseweaveError(msg)
    check_destination(out, OWN_FILES)
    choose_device(device)
    with shown_progress("embedding pairs", console=render.errors) as progress:
        aligned = align_models(
            source,
            target,
            pairs,
            method=method,
            unpaired=unpaired,
            validation=validation,
            seed=seed,
            columns=column,
            modalities=[chosen_modality(name) for name in modality] if modality is not None else None,
            group=group,
            seconds=seconds,
            progress=progress.count,
        )
    folder = aligned.save(out)
    plotted = _plot(aligned.report, folder / CURVE_FILE)
    if as_json:
        print_json({"folder": str(folder), **aligned.report.to_json()})
    else:
        render.text(str(aligned.report))
        render.line_of_outcome(f"saved in {folder}" + (f", with {CURVE_FILE}" if plotted else ""))
    if aligned.report.verdict != "better":
        raise typer.Exit(NOT_BETTER)


def _plot(report: AlignmentReport, path: Path) -> bool:
    """Draw the learning curve if matplotlib is installed; return whether it is."""
    try:
        report.plot(path)
    except ImportError as error:
        render.warning(str(error))
        return False
    return True
