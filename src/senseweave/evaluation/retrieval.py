"""Evaluation of an index by questions whose answers are known, over all modalities and for each."""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from senseweave.display import printable
from senseweave.evaluation.metrics import MEASURES, modality_share
from senseweave.evaluation.significance import Interval, bootstrap
from senseweave.media import MEDIA_CLASSES, MODALITIES, Media, Modality
from senseweave.retrieval import Hit, Index, Query
from senseweave.retrieval.calibration.labels import is_called
from senseweave.retrieval.search.plan import chosen_modalities

MIX = "all"
"""The document modality under which results over the whole mixed corpus are reported."""


@dataclass(frozen=True)
class Question:
    """A query with the documents that answer it.

    Attributes:
        query: The query.
        relevant: Grade by document, which is named by its source, the end of its source (`photos/dog.jpg`) or a record
            id.
    """

    query: str | Media | Query
    relevant: Mapping[str, float]


@dataclass
class Evaluation:
    """The result of `evaluate`.

    Attributes:
        k: The cut-off.
        scores: Mean and 95% interval by (query modality, document modality), then by measure; the document modality
            `all` stands for searches over everything, the others for searches restricted to that modality.
        per_query: Values by query behind the means, in the order of the questions, for `paired_bootstrap`.
        shares: By query modality, the mean share of each document modality among the first `k` hits over everything.
        questions: Number of questions by (query modality, document modality).
        missing: Answers that the index does not hold, by the number of their question (from 0). They count as not
            found.
    """

    k: int
    scores: dict[tuple[str, str], dict[str, Interval]] = field(default_factory=dict)
    per_query: dict[tuple[str, str], dict[str, list[float]]] = field(default_factory=dict)
    shares: dict[str, dict[str, float]] = field(default_factory=dict)
    questions: dict[tuple[str, str], int] = field(default_factory=dict)
    missing: dict[int, list[str]] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat dict per (query modality, document modality), for a table or JSON."""
        return [
            {
                "query": query,
                "documents": documents,
                "questions": self.questions[query, documents],
                **{f"{name}@{self.k}": round(interval.mean, 4) for name, interval in measured.items()},
            }
            for (query, documents), measured in self.scores.items()
        ]


def read_questions(path: str | Path, *, base: str | Path | None = None) -> list[Question]:
    """Read questions from a JSON list, or from JSON lines.

    Each question is an object with `query` (a text) or `image`, `audio` or `video` (a path relative to the file), and
    with `relevant`: a list of sources or record ids, or an object with their grades. The names `question` and `answers`
    are accepted for `query` and `relevant`.

    Args:
        path: The file.
        base: Folder that relative media paths start from; None takes the file's folder.

    Raises:
        ValueError: If the file is not in this form; the message names the entry.
    """
    file = Path(path)
    folder = Path(base) if base is not None else file.parent
    named = printable(str(file))
    try:
        text = file.read_text(encoding="utf-8-sig")  # some editors begin files with a byte order mark
        entries = (
            json.loads(text)
            if text.lstrip().startswith("[")
            else [json.loads(line) for line in text.split("\n") if line.strip()]
        )
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested too deeply
        msg = f"{named}: expected a JSON list or JSON lines of questions ({error})"
        raise ValueError(msg) from error
    return [_question(entry, number, file, folder) for number, entry in enumerate(entries, start=1)]


def evaluate(
    index: Index,
    questions: Sequence[Question] | Mapping[str, str | Collection[str] | Mapping[str, float]],
    *,
    k: int = 10,
    fusion: str | None = None,
    modalities: Collection[Modality] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Search the whole index and each modality of it for every question, and measure the hits.

    Documents are sources: windows of a recording or passages of a text count as one document, at the rank of the best.
    Where a question names record ids, each record counts by itself. Content with several sources answers for each of
    them. Questions without a relevant document of a modality are left out of that modality's figures.

    Args:
        index: The index.
        questions: Questions, or for text queries a dict from query to its relevant sources or ids.
        k: The cut-off.
        fusion: Name of the fusion method, as in `Index.search`.
        modalities: Document modalities to report besides the mix; None takes all that the index holds.
        seed: Seed of the bootstrap.

    Returns:
        The measures with their intervals, and the answers that the index does not hold.

    Raises:
        ValueError: If there are no questions, a question names no answer, or the index holds none of the answers.
        UnsupportedModalityError: If the index does not hold a modality that is to be reported.

    Warns:
        UserWarning: If answers are not in the index; they count as not found, and `Evaluation.missing` lists them.
    """
    listed = _as_questions(questions)
    if not listed:
        msg = "there are no questions to evaluate"
        raise ValueError(msg)
    for question in listed:
        if not question.relevant:
            msg = f"the question {question.query!r} names no answer; give it at least one relevant document"
            raise ValueError(msg)
    reported = chosen_modalities(modalities, index.modalities)
    result = Evaluation(k)
    values: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    shares: dict[str, list[dict[str, float]]] = defaultdict(list)
    known = index.sources()
    unknown = {name for question in listed for name in question.relevant if not _matches(name, known)}
    ids = index.record_modalities(unknown)
    known |= {name: {modality} for name, modality in ids.items()}
    result.missing = {n: lost for n, question in enumerate(listed) if (lost := _missing(question, known))}
    _report_missing(result.missing, listed)
    for question in listed:
        kind = _modality(question.query)
        grades, modalities_by_name = _resolve(question, known)
        by_source = ids.keys().isdisjoint(grades)
        for documents in (None, *(modality for modality in index.modalities if modality in reported)):
            relevant = grades
            if documents is not None:
                relevant = {name: grade for name, grade in grades.items() if documents in modalities_by_name[name]}
                if not relevant:
                    continue
            hits = index.search(
                question.query,
                k=k,
                modalities=None if documents is None else [documents],
                fusion=fusion,
                group=by_source,
            )
            ranked = list(dict.fromkeys(name for hit in hits for name in _documents(hit, grades, by_source)))
            for name, measure in MEASURES.items():
                values[kind, documents or MIX][name].append(measure(ranked, relevant, k))
            if documents is None:
                shares[kind].append(modality_share([hit.modality for hit in hits], k))
    for cell, measured in values.items():
        result.per_query[cell] = dict(measured)
        result.scores[cell] = {name: bootstrap(found, seed=seed) for name, found in measured.items()}
        result.questions[cell] = len(next(iter(measured.values())))
    for kind, found in shares.items():
        result.shares[kind] = {
            modality: sum(share.get(modality, 0.0) for share in found) / len(found) for modality in index.modalities
        }
    return result


def _as_questions(given: Any) -> list[Question]:
    if not isinstance(given, Mapping):
        return list(given)
    return [
        Question(query, relevant if isinstance(relevant, Mapping) else dict.fromkeys(_listed(relevant), 1.0))
        for query, relevant in given.items()
    ]


def _listed(relevant: str | Collection[str]) -> Collection[str]:
    return [relevant] if isinstance(relevant, str) else relevant


def _question(entry: Any, number: int, file: Path, folder: Path) -> Question:
    where = f"{printable(str(file))}, entry {number}"
    if not isinstance(entry, dict):
        msg = f"{where}: expected an object with 'query' and 'relevant', not {type(entry).__name__}"
        raise ValueError(msg)
    query: Any = entry.get("query", entry.get("question"))
    for modality in MODALITIES[1:]:
        if query is None and isinstance(entry.get(modality), str):
            query = MEDIA_CLASSES[modality](folder / entry[modality])
    relevant = entry.get("relevant", entry.get("answers"))
    is_query = isinstance(query, (str, Media))
    if not is_query or not isinstance(relevant, (list, dict)) or not relevant or not _are_names(relevant):
        msg = f"{where}: needs 'query' (or 'image', 'audio', 'video') and 'relevant', a list or an object with grades"
        raise ValueError(msg)
    grades = relevant if isinstance(relevant, dict) else dict.fromkeys(relevant, 1.0)
    if not all(isinstance(grade, (int, float)) for grade in grades.values()):
        msg = f"{where}: the grades of 'relevant' must be numbers"
        raise ValueError(msg)
    return Question(query, {str(name): float(grade) for name, grade in grades.items()})


def _are_names(relevant: Collection[Any]) -> bool:
    return all(isinstance(name, (str, int)) for name in relevant)


def _modality(query: str | Media | Query) -> str:
    if isinstance(query, Query):
        return "composed" if len(query.parts) > 1 else query.parts[0][0].modality
    return "text" if isinstance(query, str) else query.modality


def _resolve(
    question: Question, known: Mapping[str, set[Modality]]
) -> tuple[dict[str, float], dict[str, set[Modality]]]:
    """Return the grades by the names that hits have, and the modalities of each name.

    Names that are not in the index are kept, so that they count as not found.
    """
    grades, modalities = {}, {}
    for name, grade in question.relevant.items():
        for match in _matches(name, known) or [name]:
            grades[match] = grade
            modalities[match] = known.get(match, set())
    return grades, modalities


def _matches(name: str, known: Collection[str]) -> list[str]:
    return [name] if name in known else [source for source in known if is_called(source, name)]


def _missing(question: Question, known: Collection[str]) -> list[str]:
    return [name for name in question.relevant if not _matches(name, known)]


def _report_missing(missing: Mapping[int, Sequence[str]], listed: Sequence[Question]) -> None:
    """Warn of answers that are not in the index.

    Raises:
        ValueError: If none of the answers is in the index.
    """
    if not missing:
        return
    lost = [name for names in missing.values() for name in names]
    shown = printable(", ".join(lost[:5])) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
    if len(lost) == sum(len(question.relevant) for question in listed):
        msg = f"none of the answers is in the index; name them by source, end of a source or record id: {shown}"
        raise ValueError(msg)
    msg = f"{len(lost)} answers of {len(missing)} questions are not in the index and count as not found: {shown}"
    warnings.warn(msg, stacklevel=3)


def _documents(hit: Hit, grades: Mapping[str, float], by_source: bool) -> list[str]:
    if hit.id in grades:
        return [hit.id]
    return [source for source in hit.sources if source in grades] or [hit.source if by_source else hit.id]
