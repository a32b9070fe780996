"""How well matching vectors find each other: recall, nDCG and ranks over rows of similarities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from senseweave.encoders.parts.heads import unit

CUTOFF = 10


@dataclass(frozen=True)
class Ranking:
    """The measures of one direction, by query.

    Attributes:
        recall: Share of the right answers among the first k, by k.
        ndcg: nDCG@10.
        ranks: Rank of the first right answer, from 1.
    """

    recall: dict[int, np.ndarray]
    ndcg: np.ndarray
    ranks: np.ndarray


def rank(similarities: np.ndarray, right: np.ndarray, cutoffs: tuple[int, ...] = (1, 5, CUTOFF)) -> Ranking:
    """Measure a ranking of all answers for every query.

    Args:
        similarities: Shape (queries, answers).
        right: Which answers are right, of the same shape; every query has at least one.
        cutoffs: Values of k.

    Returns:
        The measures; of equal similarities a right answer comes last, so that vectors that are all the same find
        nothing.
    """
    order = np.lexsort((right, -similarities), axis=1)
    found = np.take_along_axis(right, order, axis=1)
    count = right.sum(axis=1)
    discounts = 1 / np.log2(np.arange(2, CUTOFF + 2))
    gains = found[:, :CUTOFF] @ discounts[: found.shape[1]]
    ideal = np.concatenate([[0], np.cumsum(discounts)])[np.minimum(count, CUTOFF)]
    return Ranking(
        recall={k: found[:, :k].sum(axis=1) / count for k in cutoffs},
        ndcg=gains / ideal,
        ranks=found.argmax(axis=1) + 1,
    )


def distinct(vectors: np.ndarray) -> np.ndarray:
    """Return a number for each row that is equal for equal rows, counted from 0 in the order of the rows."""
    _, first, inverse = np.unique(
        np.ascontiguousarray(vectors, np.float32).view(np.uint8).reshape(len(vectors), -1),
        axis=0,
        return_index=True,
        return_inverse=True,
    )
    _, numbers = np.unique(first[inverse.ravel()], return_inverse=True)
    return numbers


def both_ways(
    source: np.ndarray, target: np.ndarray, source_keys: np.ndarray, target_keys: np.ndarray
) -> tuple[Ranking, Ranking]:
    """Rank targets for each distinct source, and sources for each distinct target.

    Args:
        source: Vectors of the sources of pairs, shape (n, dimension).
        target: Vectors of their targets, shape (n, dimension).
        source_keys: A number for each source, from 0; equal for equal sources, which are asked and found once.
        target_keys: The same of targets.

    Returns:
        The ranking of targets for sources, and that of sources for targets.
    """
    right = np.zeros((source_keys.max() + 1, target_keys.max() + 1), bool)
    right[source_keys, target_keys] = True
    sources = source[np.unique(source_keys, return_index=True)[1]]
    targets = target[np.unique(target_keys, return_index=True)[1]]
    similarities = unit(sources) @ unit(targets).T
    return rank(similarities, right), rank(similarities.T, right.T)


def mean_gain(source: np.ndarray, target: np.ndarray, target_keys: np.ndarray) -> float:
    """Return the mean of 1 / log2(1 + rank of the first right answer) both ways, without sorting.

    Args:
        source: Vectors of the sources of pairs, shape (n, dimension).
        target: Vectors of their targets, shape (n, dimension).
        target_keys: A number for each target; what is equal is right for each other's source.
    """
    similarities = unit(source) @ unit(target).T
    right = target_keys[:, None] == target_keys
    gains = []
    for scores in (similarities, similarities.T):
        best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
        ranks = 1 + ((scores >= best) & ~right).sum(axis=1)
        gains.append(float((1 / np.log2(1 + ranks)).mean()))
    return sum(gains) / 2


def chance(source_keys: np.ndarray, target_keys: np.ndarray) -> tuple[Ranking, Ranking]:
    """Return what is expected of a random order of the answers, both ways; arguments as for `both_ways`."""
    right = np.zeros((source_keys.max() + 1, target_keys.max() + 1), bool)
    right[source_keys, target_keys] = True
    return _expected(right), _expected(right.T)


def _expected(right: np.ndarray, cutoffs: tuple[int, ...] = (1, 5, CUTOFF)) -> Ranking:
    queries, answers = right.shape
    count = right.sum(axis=1)
    discounts = 1 / np.log2(np.arange(2, min(CUTOFF, answers) + 2))
    ideal = np.concatenate([[0], np.cumsum(1 / np.log2(np.arange(2, CUTOFF + 2)))])[np.minimum(count, CUTOFF)]
    return Ranking(
        recall={k: np.full(queries, min(k / answers, 1.0)) for k in cutoffs},
        ndcg=discounts.sum() * count / answers / ideal,
        ranks=(answers + 1) / (count + 1),
    )
