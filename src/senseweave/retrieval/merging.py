"""Merge several result lists into one ranking: for the index, and for vectors kept in another store."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion import find_method

T = TypeVar("T")

DEFAULT_METHOD = "above_chance"
"""The method where every list has statistics; chosen by benchmarks/mixed_retrieval, see docs/retrieval.md."""
UNCALIBRATED_METHOD = "dbsf"
"""The method where a list has none."""
UNCALIBRATED_WITH_WORDS = "rrf"
"""The method where a list has none and words are searched too, so that lists have records in common."""


@dataclass(frozen=True)
class Ranked(Generic[T]):
    """A result of `merge`.

    Attributes:
        item: The item from the list, unchanged.
        score: Comparable with the score of every other result of the same call; larger is better.
        raw_score: Its similarity in the list.
        list_name: The list it came from.
        method: The name of the method that made `score`.
    """

    item: T
    score: float
    raw_score: float
    list_name: str
    method: str


def merge(
    lists: Mapping[str, Sequence[tuple[T, float]]],
    k: int = 10,
    *,
    method: str | None = None,
    statistics: Mapping[str, Statistics] | None = None,
    weights: Mapping[str, float] | None = None,
    key: Callable[[T], Hashable] | None = None,
) -> list[Ranked[T]]:
    """Merge result lists of several modalities, spaces or stores into one ranking.

    Args:
        lists: By name (of the modality or the store), pairs of an item and its cosine similarity. Similarities, not
            distances: for a cosine distance d, pass 1 - d.
        k: How many results to return.
        method: A name in `METHODS`. None takes `above_chance` where every list that is not empty has statistics,
            and `dbsf` otherwise.
        statistics: By the same names, made by `background`, then by `Statistics.for_query` for this query.
        weights: By the same names, for `weighted_rrf`; lists that are not named weigh 1.
        key: Returns equal values for items that are the same in different lists; by default none are. The better
            score is kept (for the rank methods: the sum).

    Returns:
        At most `k` results, best first; equal scores by raw similarity, then by the order of the lists.

    Raises:
        ValueError: If the method is unknown, lacks the statistics it needs, or is given weights that it does not take.
    """
    statistics = statistics or {}
    method = resolve_method(method, [name for name, items in lists.items() if items], statistics)
    fusion = find_method(method)
    if weights and not fusion.weighted:
        msg = f"weights belong to the method weighted_rrf, not to {method}"
        raise ValueError(msg)
    results: list[Ranked[T]] = []
    for name, items in lists.items():
        if not items:
            continue
        raw = np.array([score for _, score in items], dtype=np.float64)
        if not np.isfinite(raw).all():
            msg = f"list {name!r} holds a similarity that is not finite"
            raise ValueError(msg)
        scores = fusion.score(raw, statistics.get(name), weight=(weights or {}).get(name, 1.0))
        results += [
            Ranked(item, float(score), float(value), name, method)
            for (item, _), score, value in zip(items, scores, raw, strict=True)
        ]
    if key is not None:
        results = _joined(results, key, add=fusion.additive)
    results.sort(key=lambda result: (-result.score, -result.raw_score))
    return results[: max(k, 0)]


def resolve_method(method: str | None, names: Sequence[str], statistics: Mapping[str, Statistics]) -> str:
    """Return the method to use for lists of these names, after checking that its statistics are there.

    Raises:
        ValueError: If it is unknown, or a list lacks the statistics that it needs.
    """
    if method is None:
        return DEFAULT_METHOD if all(name in statistics for name in names) else UNCALIBRATED_METHOD
    needs_statistics = find_method(method).needs_statistics
    missing = [name for name in names if name not in statistics]
    if needs_statistics and missing:
        msg = f"{method} needs statistics for {', '.join(missing)}"
        raise ValueError(msg)
    return method


def _joined(results: Sequence[Ranked[T]], key: Callable[[T], Hashable], *, add: bool) -> list[Ranked[T]]:
    best: dict[Hashable, Ranked[T]] = {}
    for result in results:
        identity = key(result.item)
        known = best.get(identity)
        if known is None:
            best[identity] = result
            continue
        better = result if result.score > known.score else known
        if add:
            total = result.score + known.score
            better = Ranked(better.item, total, better.raw_score, better.list_name, better.method)
        best[identity] = better
    return list(best.values())
