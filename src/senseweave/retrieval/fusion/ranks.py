"""Rank fusion: only the order within each list counts."""

from __future__ import annotations

from typing import Final

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics

RRF_K: Final = 60
"""The constant of Cormack, Clarke and Buettcher, SIGIR 2009."""


def rrf(scores: np.ndarray, statistics: Statistics | None = None) -> np.ndarray:
    """Reciprocal rank fusion: 1 / (60 + r), r the rank from 1 (Cormack et al., SIGIR 2009).

    Over lists without common documents this is a fixed round-robin. Equal scores share the better rank.
    """
    del statistics
    values = np.asarray(scores, dtype=np.float64)
    ranks = 1 + (values[None, :] > values[:, None]).sum(axis=1)
    result: np.ndarray = 1.0 / (RRF_K + ranks)
    return result


def weighted_rrf(scores: np.ndarray, weight: float) -> np.ndarray:
    """Reciprocal rank fusion with a weight per list: w / (60 + r).

    Raises:
        ValueError: If `weight` is negative.
    """
    if weight < 0:
        msg = f"the weight of a list cannot be negative: {weight}"
        raise ValueError(msg)
    return weight * rrf(scores)
