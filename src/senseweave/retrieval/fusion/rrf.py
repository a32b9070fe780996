"""Rank fusion: only the order within each list counts."""

from __future__ import annotations

from typing import Final

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.base import ListMethod

RRF_K: Final = 60
"""The constant of Cormack, Clarke and Buettcher, SIGIR 2009."""


class ReciprocalRank(ListMethod):
    """Score by 1 / (60 + r), r the rank from 1 (Cormack et al., SIGIR 2009).

    Over lists without common documents this is a fixed round-robin. Equal scores share the better rank.
    """

    name = "rrf"
    additive = True

    def transform(self, scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
        """Compute 1 / (60 + r)."""
        del statistics
        ranks = 1 + (scores[None, :] > scores[:, None]).sum(axis=1)
        result: np.ndarray = 1.0 / (RRF_K + ranks)
        return result


class WeightedReciprocalRank(ReciprocalRank):
    """Reciprocal rank fusion with a weight per list: w / (60 + r)."""

    name = "weighted_rrf"
    weighted = True
