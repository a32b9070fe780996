"""What held-out rows ask of a model before and after training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from senseweave.extras import require
from senseweave.media import Media, Text
from senseweave.training.finetuning import comparison
from senseweave.training.finetuning.comparison import Comparison, Embed, Retrieval, ScoredPairs, TeacherVectors
from senseweave.training.finetuning.losses import LABEL

Task = Retrieval | ScoredPairs | TeacherVectors
GENERAL: Final = 300
"""How many of ImageNet's 1,000 names with definitions are asked for: an interval of about 0.04, in seconds."""


def heldout_task(
    loss: str,
    heldout: Sequence[Mapping[str, Any]],
    trained: Sequence[Mapping[str, Any]],
    teacher: np.ndarray | None = None,
) -> Task:
    """Return what the held-out rows of a loss measure.

    Rows with a positive ask for it among all documents, those that were trained on included, which makes the task as
    hard as the collection. Scored pairs measure rank correlation. Texts alone measure whether the first half of a text
    finds its second half (the inverse cloze task, Lee et al. 2019, arXiv 1906.00300), or, with a teacher, the cosine to
    its vectors.

    Args:
        loss: Name of the loss.
        heldout: Rows that are not trained on.
        trained: Rows that are.
        teacher: Unit vectors of the held-out anchors, shape (rows, dimension); None without a teacher.
    """
    if loss == "cosine":
        scores = np.array([row[LABEL] for row in heldout])
        return ScoredPairs([row["anchor"] for row in heldout], [row["other"] for row in heldout], scores)
    if loss == "contrastive":
        wanted = [(row["anchor"], row["other"]) for row in heldout if row[LABEL] > 0.5]
        others = [row["other"] for row in (*heldout, *trained)]
        return retrieval(wanted, others)
    if "positive" in heldout[0] and loss != "simcse":
        negatives = [
            item for row in (*heldout, *trained) for name, item in row.items() if name not in ("anchor", LABEL)
        ]
        return retrieval([(row["anchor"], row["positive"]) for row in heldout], negatives)
    if teacher is not None:
        return TeacherVectors([row["anchor"] for row in heldout], teacher)
    halves = [pair for row in heldout if (pair := split_in_half(row["anchor"])) is not None]
    if not halves:
        msg = "no held-out text has two words, and without pairs there is nothing to measure; give evaluation="
        raise ValueError(msg)
    return retrieval(halves, [])


def measure_name(task: Task) -> str:
    """Return the name of the measure that decides."""
    if isinstance(task, Retrieval):
        return comparison.NDCG
    return comparison.SPEARMAN if isinstance(task, ScoredPairs) else comparison.TO_TEACHER


def score(task: Task, embed: Embed) -> float:
    """Return the measure that decides, of one model."""
    if isinstance(task, Retrieval):
        return float(task.measures(embed)[comparison.NDCG].mean())
    if isinstance(task, ScoredPairs):
        return comparison.spearman(task.cosines(embed), task.scores)
    return float((embed(task.items, "document") * task.vectors).sum(axis=1).mean())


def compare(task: Task, before: Embed, after: Embed, seed: int) -> Comparison:
    """Compare two models by the measures of a task."""
    if isinstance(task, Retrieval):
        return comparison.compare_retrieval(task, before, after, seed=seed)
    if isinstance(task, ScoredPairs):
        return comparison.compare_pairs(task, before, after, seed=seed)
    return comparison.compare_to_teacher(task, before, after, seed=seed)


def retrieval(pairs: Sequence[tuple[Media, Media]], others: Sequence[Media]) -> Retrieval:
    """Return the task to find the right answers of each distinct query among all answers and `others`."""
    corpus = list(dict.fromkeys([*(answer for _, answer in pairs), *others]))
    places = {media: at for at, media in enumerate(corpus)}
    answers: dict[Media, set[int]] = {}
    for query, answer in pairs:
        answers.setdefault(query, set()).add(places[answer])
    if not answers or len(corpus) < 2:
        msg = "held-out rows ask for nothing: at least one pair and two documents are needed"
        raise ValueError(msg)
    return Retrieval(list(answers), corpus, [frozenset(right) for right in answers.values()])


def split_in_half(media: Media) -> tuple[Media, Media] | None:
    """Return the two halves of a text, by words; None for a text of one word."""
    words = str(media.decode()).split()
    half = len(words) // 2
    return (Text(" ".join(words[:half])), Text(" ".join(words[half:]))) if half else None


def general_task(seed: int) -> Retrieval | None:
    """Return the task to find a thing's definition by its name: 300 of ImageNet's names and WordNet's definitions.

    General English, which a base model for sentences knows, and which comes with timm; None where timm is missing.
    """
    try:
        names = require("timm.data", extra="image").ImageNetInfo()
    except ImportError:
        return None
    chosen = np.random.default_rng(seed).permutation(1000)[:GENERAL]
    pairs = []
    for index in chosen:
        name = names.index_to_description(int(index))
        detailed = names.index_to_description(int(index), detailed=True)
        pairs.append((Text(name), Text(detailed.removeprefix(name).lstrip(": "))))
    return retrieval([pair for pair in pairs if str(pair[1].decode())], [])
