"""The command `finetune`: train a model on a table of pairs, and print whether it helped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from senseweave.cli import render
from senseweave.cli.options import AsJson
from senseweave.cli.output import print_json
from senseweave.errors import SenseweaveError
from senseweave.progress import shown_progress


def finetune(
    data: Annotated[Path, typer.Argument(help="Table of rows: CSV, TSV, JSON lines or Parquet.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the tuned model.")],
    model: Annotated[str, typer.Option("--model", help="Model to start from: a folder or hub id.")] = "starter",
    loss: Annotated[
        str,
        typer.Option(
            "--loss", help="mnrl (pairs), triplet, contrastive, cosine, simcse (texts alone), distill, margin."
        ),
    ] = "mnrl",
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", help="Where a column is: positive=answer; may be repeated. [default: by usual names]"),
    ] = None,
    adapter: Annotated[
        str | None, typer.Option("--adapter", help="lora: train low-rank matrices alone; head: a map behind the model.")
    ] = None,
    teacher: Annotated[str | None, typer.Option("--teacher", help="Model that a student learns from.")] = None,
    hard_negatives: Annotated[int, typer.Option("--hard-negatives", help="Negatives mined for each pair.")] = 0,
    epochs: Annotated[float, typer.Option("--epochs", help="Passes over the rows.")] = 1,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Rows of a step.")] = 32,
    batch_items: Annotated[
        int | None, typer.Option("--batch-items", help="Rows in memory at once, for small memory. [default: all]")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="[default: 2e-5, or 2e-4 of an adapter]")
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="fp32; bf16 where the device has it, also on a CPU; fp16 on CUDA.")
    ] = "fp32",
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same model on a CPU.")] = 0,
    checkpoints: Annotated[
        Path | None,
        typer.Option("--checkpoints", help="Folder in which an interrupted run goes on when it is called again."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", help="Where it trains: cpu, cuda, cuda:1 or mps. [default: the best there is]"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model on your own data, and say on rows that were held back whether it is better than its base.

    The model is saved either way, with a model card, the report as JSON and, where matplotlib is installed, a picture
    of the learning curve. The exit code is 1 if it is worse.
    """
    from senseweave.training.curves import CURVE_FILE
    from senseweave.training.destination import check_destination
    from senseweave.training.finetuning import finetune as run

    if not data.is_file():
        msg = f"{data}: is a folder; expected a table" if data.exists() else f"{data}: no such file"
        raise SenseweaveError(msg)
    check_destination(out)
    options: dict[str, Any] = {
        "precision": precision,
        "adapter": adapter,
        "teacher": teacher,
        "hard_negatives": hard_negatives,
    }
    with shown_progress("training", console=render.errors) as step:
        tuned = run(
            model, data, loss=loss, columns=_columns(columns), epochs=epochs, batch_size=batch_size,
            batch_items=batch_items, learning_rate=learning_rate, seed=seed, device=device, folder=checkpoints,
            progress=step, **options,
        )  # fmt: skip
    tuned.save(out)
    if as_json:
        print_json({**tuned.report.to_dict(), "folder": str(out)})
    else:
        for line in str(tuned.report).splitlines():
            render.line_of_outcome(line)
        drawn = f", with {CURVE_FILE}" if (out / CURVE_FILE).is_file() else ""
        render.line_of_outcome(f"saved in {out}{drawn}")
    if tuned.report.verdict == "worse":
        raise typer.Exit(1)


def _columns(given: list[str] | None) -> dict[str, str] | None:
    if given is None:
        return None
    columns = {}
    for entry in given:
        name, equals, column = entry.partition("=")
        if not equals or not name or not column:
            msg = f"--column {entry}: expected COLUMN=NAME IN THE TABLE, such as positive=answer"
            raise SenseweaveError(msg)
        columns[name] = column
    return columns
