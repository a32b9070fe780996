"""How sure a difference is: bootstrap over queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A mean with the range in which it lies with the given confidence."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Interval):
    """The mean of `first - second` over queries.

    Attributes:
        p_value: Two-sided: how often a bootstrap sample, centred on no difference, is at least as far from 0.
    """

    p_value: float


def bootstrap(values: Sequence[float], *, samples: int = 2000, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Mean of per-query values with a percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13).

    Raises:
        ValueError: If there are no values.
    """
    data = np.asarray(values, dtype=np.float64)
    means = _means(data, samples, seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(data.mean()), float(low), float(high))


def paired_bootstrap(
    first: Sequence[float], second: Sequence[float], *, samples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Difference:
    """Compare two systems on the same queries (paired bootstrap; Smucker, Allan and Carterette, CIKM 2007).

    Args:
        first: One value per query.
        second: The other system's values, in the same order.
        samples: Bootstrap samples.
        confidence: Of the interval.
        seed: Of the sampling.

    Raises:
        ValueError: If the lengths differ or there are no values.
    """
    if len(first) != len(second):
        msg = f"paired values must be of the same queries, but there are {len(first)} and {len(second)}"
        raise ValueError(msg)
    data = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    means = _means(data, samples, seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    observed = float(data.mean())
    further = np.abs(means - observed) >= abs(observed) - 1e-12
    return Difference(observed, float(low), float(high), float((further.sum() + 1) / (samples + 1)))


def _means(data: np.ndarray, samples: int, seed: int) -> np.ndarray:
    if not data.size:
        msg = "a bootstrap needs at least one value"
        raise ValueError(msg)
    rng = np.random.default_rng(seed)
    means = np.empty(samples)
    for index in range(samples):
        means[index] = data[rng.integers(0, len(data), len(data))].mean()
    return means
