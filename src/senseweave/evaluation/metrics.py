"""Measures of one ranking against what is relevant: recall, nDCG, reciprocal rank, precision, modality share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

Grades: TypeAlias = Mapping[str, float]
"""Relevance by document; documents that are not named, and grades of 0, are not relevant."""
Measure: TypeAlias = Callable[[Sequence[str], Grades, int], float]


def recall_at_k(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Share of the relevant documents that are among the first `k`; 0 where none is relevant."""
    relevant = {one for one, grade in grades.items() if grade > 0}
    if not relevant:
        return 0.0
    return len(relevant.intersection(ranked[:k])) / len(relevant)


def ndcg_at_k(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Normalised discounted cumulative gain: sum of grade / log2(rank + 1), divided by that of the ideal order.

    As trec_eval computes it, with the grade itself as gain (Jarvelin and Kekalainen 2002).
    """
    gains = [max(grades.get(one, 0.0), 0.0) for one in ranked[:k]]
    ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k]
    best = _discounted(ideal)
    return _discounted(gains) / best if best > 0 else 0.0


def reciprocal_rank(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """1 / rank of the first relevant document among the first `k`, or 0."""
    for rank, one in enumerate(ranked[:k], start=1):
        if grades.get(one, 0.0) > 0:
            return 1.0 / rank
    return 0.0


def average_precision(ranked: Sequence[str], grades: Grades, k: int) -> float:
    """Mean of the precision at each relevant document among the first `k`, over all relevant documents."""
    relevant = sum(1 for grade in grades.values() if grade > 0)
    if not relevant:
        return 0.0
    found, total = 0, 0.0
    for rank, one in enumerate(ranked[:k], start=1):
        if grades.get(one, 0.0) > 0:
            found += 1
            total += found / rank
    return total / relevant


def modality_share(modalities: Sequence[str], k: int) -> dict[str, float]:
    """Share of each modality among the first `k` results; they add up to 1 where there are results."""
    counted = Counter(modalities[:k])
    total = sum(counted.values())
    return {modality: count / total for modality, count in sorted(counted.items())} if total else {}


MEASURES: dict[str, Measure] = {
    "recall": recall_at_k,
    "ndcg": ndcg_at_k,
    "mrr": reciprocal_rank,
    "map": average_precision,
}
"""Every measure by name; all take a ranking without repeats, grades and the cut-off."""


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
