"""Methods that see one result list and nothing else: they cannot tell a list of good hits from a list of bad ones."""

from __future__ import annotations

from typing import Final

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics

EQUAL: Final = 1e-8
"""Scores that differ by less are taken for equal, so that nothing is divided by rounding."""


def none(scores: np.ndarray, statistics: Statistics | None = None) -> np.ndarray:
    """Leave similarities as they are, shape (n,); in CLIP-like spaces text then outranks images whatever is asked."""
    del statistics
    return np.asarray(scores, dtype=np.float64)


def minmax(scores: np.ndarray, statistics: Statistics | None = None) -> np.ndarray:
    """Stretch the list to [0, 1]: (s - min) / (max - min); all 1 where scores are equal.

    Known as relative score fusion (the default of Weaviate since 1.24); gives every list's best hit 1, relevant or not.
    """
    del statistics
    values = np.asarray(scores, dtype=np.float64)
    if not values.size:
        return values
    low, high = values.min(), values.max()
    if high - low < EQUAL:
        return np.ones_like(values)
    result: np.ndarray = (values - low) / (high - low)
    return result


def dbsf(scores: np.ndarray, statistics: Statistics | None = None) -> np.ndarray:
    """Distribution-based score fusion: (s - (m - 3 sd)) / (6 sd), m and sd those of this list; 0.5 where all are equal.

    As Qdrant and Haystack do it; a list of irrelevant hits still has one that stands out.
    """
    del statistics
    values = np.asarray(scores, dtype=np.float64)
    if not values.size:
        return values
    mean, std = values.mean(), values.std()
    if std < EQUAL:
        return np.full_like(values, 0.5)
    result: np.ndarray = (values - (mean - 3 * std)) / (6 * std)
    return result
