"""Judged searches of an index as rows for fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from senseweave.arguments import check_choice, check_count
from senseweave.errors import MediaError
from senseweave.media import Media, Text
from senseweave.retrieval import Index
from senseweave.retrieval.contents import IndexedChunk
from senseweave.retrieval.judging import Judgment
from senseweave.training.data.selection import SelectedRows, SelectionReport

LOSSES: Final = ("mnrl", "triplet", "contrastive")


def judged_pairs(
    index: Index,
    *,
    loss: Literal["mnrl", "triplet", "contrastive"] = "mnrl",
    documents: Literal["media", "text"] = "media",
    negatives: int = 5,
) -> SelectedRows:
    """Return rows of what `index.judge` kept, for `senseweave.finetune(..., loss=loss)`.

        rows = judged_pairs(index, loss="triplet")
        tuned = sw.finetune("sentence-transformers/all-MiniLM-L6-v2", rows, loss="triplet")

    Args:
        index: The index. Judgments of records that were deleted are left out.
        loss: `mnrl` gives (query, relevant document), with an irrelevant one where every query has both; `triplet`
            gives (query, relevant, irrelevant) of the queries that have both; `contrastive` gives (query, document, 1
            or 0).
        documents: `media` gives the media, `text` their transcript or caption, for models of texts alone.
        negatives: Most irrelevant documents that each relevant one is paired with.

    Returns:
        The rows, with a report of what was left out.

    Raises:
        ValueError: If `negatives` is no whole number of at least 1.
    """
    check_choice("loss", loss, list(LOSSES))
    check_choice("documents", documents, ["media", "text"])
    check_count("negatives", negatives)
    report = SelectionReport()
    judged = list(_readable(index, documents, report))
    queries: dict[Media, _Answers] = {}
    for query, document, relevant in judged:
        answers = queries.setdefault(query, _Answers())
        (answers.relevant if relevant else answers.irrelevant).append(document)
    report.examined["judgments"] += len(judged)
    report.examined["queries"] = len(queries)
    if loss == "contrastive":
        labeled: list[tuple[Any, ...]] = [(query, document, int(relevant)) for query, document, relevant in judged]
        return SelectedRows(labeled, report)
    answered = {query: answers for query, answers in queries.items() if answers.relevant}
    whole = {query: answers for query, answers in answered.items() if answers.irrelevant}
    report.left_out["query without a relevant document"] = len(queries) - len(answered)
    rows: list[tuple[Any, ...]]
    if loss == "triplet" or len(whole) == len(answered):
        report.left_out["query without an irrelevant document"] = len(answered) - len(whole)
        rows = [
            (query, right, wrong)
            for query, answers in whole.items()
            for right in answers.relevant
            for wrong in answers.irrelevant[:negatives]
        ]
    else:
        unused = sum(len(answers.irrelevant) for answers in whole.values())
        report.left_out["irrelevant document, since not every query has one"] = unused
        rows = [(query, right) for query, answers in answered.items() for right in answers.relevant]
    report.left_out = +report.left_out
    return SelectedRows(rows, report)


@dataclass
class _Answers:
    """What was judged of one query."""

    relevant: list[Media] = field(default_factory=list)
    irrelevant: list[Media] = field(default_factory=list)


def _readable(index: Index, documents: str, report: SelectionReport) -> Iterator[tuple[Media, Media, bool]]:
    """Yield the query and the document of each judgment whose media are still what was judged."""
    for judgment in index.judgments():
        try:
            query, document = _media(judgment, documents)
        except MediaError as error:
            report.examined["judgments"] += 1
            report.left_out["judgment whose media cannot be read"] += 1
            report.errors.append(str(error))
            continue
        if document is None:
            report.examined["judgments"] += 1
            report.left_out["judgment of a document without words"] += 1
            continue
        yield query, document, judgment.relevant


def _media(judgment: Judgment, documents: str) -> tuple[Media, Media | None]:
    """Return the query and the document of a judgment; None for a document without words where words are needed.

    Raises:
        MediaError: If a file is gone, or is no longer what was judged.
    """
    query, document = judgment.asked.check_unchanged(judgment.query), judgment.document
    if documents == "text":
        return query, _words(document)
    return query, document.provenance.check_unchanged(document.media)


def _words(document: IndexedChunk) -> Text | None:
    return Text(document.text, source=document.provenance.source) if document.text.strip() else None
