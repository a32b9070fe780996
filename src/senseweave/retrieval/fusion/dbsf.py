"""Distribution-based score fusion: each list is standardized by its own mean and deviation."""

from __future__ import annotations

from typing import Final

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.base import ListMethod

EQUAL: Final = 1e-8
"""A list whose scores deviate by less counts as a list of equal scores, so that nothing is divided by rounding."""


class DistributionBased(ListMethod):
    """Score by (s - (m - 3 sd)) / (6 sd), m and sd those of this list; 0.5 where all scores are equal.

    Qdrant and Haystack compute it so. In a list of irrelevant hits some hit still stands out.
    """

    name = "dbsf"

    def transform(self, scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
        """Compute (s - (m - 3 sd)) / (6 sd)."""
        del statistics
        if not scores.size:
            return scores
        mean, std = scores.mean(), scores.std()
        if std < EQUAL:
            return np.full_like(scores, 0.5)
        result: np.ndarray = (scores - (mean - 3 * std)) / (6 * std)
        return result
