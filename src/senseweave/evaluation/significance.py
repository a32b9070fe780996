"""Confidence intervals of means and differences, by bootstrap over queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Verdict = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Attributes:
        mean: The mean of the values.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Interval):
    """The mean of `first - second` over queries.

    Attributes:
        p_value: Two-sided p-value: the share of bootstrap samples, centered on 0, that lie at least as far from 0 as
            the observed mean.
    """

    p_value: float

    @property
    def verdict(self) -> Verdict:
        """Whether the first is better or worse than the second: the interval lies above 0, below it, or around it."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "cannot tell"


def bootstrap(values: Sequence[float], *, samples: int = 2000, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Return the mean of per-query values with its percentile bootstrap interval (Efron and Tibshirani 1993, ch. 13).

    Args:
        values: Values of a measure, a number per query.
        samples: Number of bootstrap samples.
        confidence: Confidence level of the interval, between 0 and 1.
        seed: Seed of the random sampling.

    Raises:
        ValueError: If there are no values, or one is not finite.
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
        first: Values of the first system, a number per query.
        second: Values of the second system, in the same order of queries.
        samples: Number of bootstrap samples.
        confidence: Confidence level of the interval, between 0 and 1.
        seed: Seed of the random sampling.

    Returns:
        The mean of `first - second` with its interval and p-value.

    Raises:
        ValueError: If the lengths differ, there are no values, or one is not finite.
    """
    if len(first) != len(second):
        msg = f"paired values must be of the same queries, but there are {len(first)} and {len(second)} values"
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
    if not np.isfinite(data).all():
        at = int(np.flatnonzero(~np.isfinite(data))[0])
        msg = f"values must be finite numbers; that of query {at} is not: {data[at]}"
        raise ValueError(msg)
    rng = np.random.default_rng(seed)
    means = np.empty(samples)
    for index in range(samples):
        means[index] = data[rng.integers(0, len(data), len(data))].mean()
    return means
