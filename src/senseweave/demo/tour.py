"""The tour of `senseweave demo`: index the sample corpus, search across modalities, answer with sources."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from senseweave.cli import render
from senseweave.demo.corpus import Question, corpus_folder, questions
from senseweave.progress import ProgressOption
from senseweave.retrieval import Hit, Index

if TYPE_CHECKING:
    from rich.console import Console

QUESTIONS_PER_MODALITY = 2
ANSWERED_MODALITY = "video"
CONTEXT_HITS = 1
"""Number of passages for the offline model, which confuses the contents of several."""


def tour(console: Console, *, into: Path | None = None, progress: ProgressOption = None) -> Callable[[bool], None]:
    """Index the sample corpus, and return the rest of the tour.

    Args:
        console: Where to print.
        into: Folder of the index; None for a temporary folder, which is removed at the end.
        progress: What `Index.add` takes, while the corpus is indexed.

    Returns:
        A function that searches, prints and, given True, lets the offline chat model answer.
    """
    folder = corpus_folder()
    temporary = tempfile.TemporaryDirectory(prefix="senseweave-demo-") if into is None else None
    index = Index(into or Path(temporary.name) / "index")  # type: ignore[union-attr]
    report = index.add([folder / name for name in ("texts", "images", "audio", "video")], progress=progress)

    def rest(answer: bool) -> None:
        try:
            console.print(
                f"[bold]senseweave[/] indexed the sample corpus: {len(index)} records "
                f"({report.added} added, {report.skipped} unchanged, {len(report.failed)} failed)\n",
                highlight=False,
            )
            chosen = choose(questions(folder))
            results = [(question, index.search(question.question, k=3)) for question in chosen]
            console.print(summary(results))
            if answer:
                question, hits = next(pair for pair in results if pair[0].modality == ANSWERED_MODALITY)
                print_answer(console, question, hits, folder)
        finally:
            index.close()
            if temporary is not None:
                temporary.cleanup()

    return rest


def choose(candidates: list[Question]) -> list[Question]:
    """Return the first questions of each modality."""
    chosen: list[Question] = []
    for modality in ("text", "image", "audio", "video"):
        chosen += [question for question in candidates if question.modality == modality][:QUESTIONS_PER_MODALITY]
    return chosen


def summary(results: Sequence[tuple[Question, Sequence[Hit]]]) -> Table:
    """Return a table of each question with its best hit."""
    title = "one question, one ranking over text, images, audio and video"
    table = Table(title=title, title_justify="left", expand=True)
    table.add_column("question", ratio=4)
    table.add_column("score", justify="right", no_wrap=True, min_width=5)
    table.add_column("best hit", ratio=4)
    table.add_column("what it says or shows", ratio=6, no_wrap=True, overflow="ellipsis")
    for question, hits in results:
        best = hits[0]
        table.add_row(
            escape(question.question),
            f"{best.score:.2f}",
            f"[cyan]{best.modality}[/] {escape(Path(best.source).name)} {render.place(best)}",
            escape(render.line(best.text)),
        )
    return table


def print_answer(console: Console, question: Question, hits: list[Hit], folder: Path) -> None:
    """Print the answer of the offline chat model from the best hits, with its sources."""
    from senseweave.demo.chat import OfflineChat

    chat = OfflineChat()
    context = hits[:CONTEXT_HITS]
    console.print(f"\n[bold]question[/]  {escape(question.question)}", highlight=False)
    try:
        reply = chat.answer(question.question, [hit.text for hit in context])
    except ImportError as error:
        render.warning(str(error))
        return
    console.print(f"[bold]answer[/]    {escape(reply)}  [dim]({chat.name}, offline)[/]", highlight=False)
    for number, hit in enumerate(context, start=1):
        where = f" {render.place(hit)}" if render.place(hit) else ""
        source = render.escape(render.relative(hit.source, folder))
        console.print(f"[bold]source {number}[/]  {hit.modality} {source}{where}", highlight=False)
