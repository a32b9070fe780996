"""Scores of sparse vectors that can be compared between queries, and what chance offers of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from senseweave.retrieval.calibration.statistics import LEAST_CHANCE, Statistics, expected_best

PRIOR: Final = 32
"""Queries that the best score among the phrases themselves counts for: in a few records they may find nothing."""
LEAST_BEST: Final = 1e-3
"""Least that chance is assumed to offer, of a model whose phrases share no term."""


def best_among(queries: Any, documents: Any) -> float:
    """Return how far above their mean unrelated texts find their best, from as many queries as documents of a kind.

    Args:
        queries: Sparse, shape (n, dimension).
        documents: The vectors of the same texts as documents.
    """
    own = np.asarray(queries.multiply(queries).sum(axis=1), np.float64).reshape(-1, 1)
    table = (queries @ documents.T).toarray().astype(np.float64) / np.maximum(own, 1e-12)
    others = table[~np.eye(len(table), dtype=bool)].reshape(len(table), -1)
    return max(float((others.max(axis=1) - others.mean(axis=1)).mean()), LEAST_BEST)


def chance(averages: Sequence[float], best_scores: Sequence[float], records: int, prior: float) -> Statistics:
    """Estimate what unrelated queries find among records.

    Args:
        averages: Of each query the mean of its scores with all records.
        best_scores: Of each query its highest score.
        records: Their number.
        prior: What `best_among` says of the model.

    Returns:
        `best` is how far above the mean unrelated queries find their best record, `spread` that of a normal
        distribution whose best of so many draws is there: most scores are near 0, and their own deviation says little.
    """
    means, tops = np.array(averages), np.array(best_scores)
    best = (float((tops - means).sum()) + PRIOR * prior) / (len(tops) + PRIOR)
    spread = best / expected_best(max(records, LEAST_CHANCE))
    return Statistics(
        mean=float(means.mean()),
        std=spread,
        documents=records,
        queries=len(tops),
        spread=spread,
        best=best,
        top1_mean=float(tops.mean()),
        top1_std=max(float(tops.std()), spread),
        origin="probes",
    )


def for_query(statistics: Statistics, average: float, records: int) -> Statistics:
    """Return statistics with the mean that a query has over a collection: common words find a little everywhere.

    Args:
        statistics: Of unrelated queries.
        average: The mean of the query's scores with all records.
        records: Their number; few of them say little, for most of their mean may be the answers.
    """
    share = records / (records + LEAST_CHANCE)
    return replace(statistics, expected=statistics.mean + share * (average - statistics.mean))
