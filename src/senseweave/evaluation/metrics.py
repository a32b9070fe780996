"""Measures of a ranking against judgments: recall, nDCG, reciprocal rank, average precision, modality share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

Grades: TypeAlias = Mapping[str, float]
"""Grade of relevance by document; documents without a grade, or with grade 0, are not relevant."""
Measure: TypeAlias = Callable[[Sequence[str], Grades, int], float]


def recall_at_k(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Return the share of the relevant documents among the first `k`; 0 if no document is relevant."""
    relevant = {document for document, grade in grades.items() if grade > 0}
    if not relevant:
        return 0.0
    return len(relevant.intersection(ranked[:k])) / len(relevant)


def ndcg_at_k(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Return the normalized discounted cumulative gain: sum of grade / log2(rank + 1), over that of the ideal order.

    Computed as in trec_eval, with the grade itself as gain (Jarvelin and Kekalainen 2002).
    """
    gains = [max(grades.get(document, 0.0), 0.0) for document in ranked[:k]]
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    best = _discounted(ideal)
    return _discounted(gains) / best if best > 0 else 0.0


def reciprocal_rank(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Return 1 / rank of the first relevant document among the first `k`, or 0 if there is none."""
    for rank, document in enumerate(ranked[:k], start=1):
        if grades.get(document, 0.0) > 0:
            return 1.0 / rank
    return 0.0


def average_precision(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Return the sum of the precisions at the relevant documents among the first `k`, over the number relevant."""
    relevant = sum(1 for grade in grades.values() if grade > 0)
    if not relevant:
        return 0.0
    found, total = 0, 0.0
    for rank, document in enumerate(ranked[:k], start=1):
        if grades.get(document, 0.0) > 0:
            found += 1
            total += found / rank
    return total / relevant


def modality_share(modalities: Sequence[str], k: int) -> dict[str, float]:
    """Return the share of each modality among the first `k` results; the shares of any results add up to 1."""
    counted = Counter(modalities[:k])
    total = sum(counted.values())
    return {modality: count / total for modality, count in sorted(counted.items())} if total else {}


MEASURES: dict[str, Measure] = {
    "recall": recall_at_k,
    "ndcg": ndcg_at_k,
    "mrr": reciprocal_rank,
    "map": average_precision,
}
"""Every measure by name; each takes a ranking without repeats, grades and the cut-off."""


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
