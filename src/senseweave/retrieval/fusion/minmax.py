"""Min-max fusion: each list is stretched to [0, 1]."""

from __future__ import annotations

from typing import Final

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.base import ListMethod

EQUAL: Final = 1e-8
"""Scores that differ by less are taken for equal, so that nothing is divided by rounding."""


class MinMax(ListMethod):
    """Stretch the list to [0, 1]: (s - min) / (max - min); all 1 where scores are equal.

    Known as relative score fusion (the default of Weaviate since 1.24); gives every list's best hit 1, relevant or not.
    """

    name = "minmax"

    def transform(self, scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
        """Compute (s - min) / (max - min)."""
        del statistics
        if not scores.size:
            return scores
        low, high = scores.min(), scores.max()
        if high - low < EQUAL:
            return np.ones_like(scores)
        result: np.ndarray = (scores - low) / (high - low)
        return result
