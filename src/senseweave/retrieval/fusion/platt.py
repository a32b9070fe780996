"""The probability that a hit is relevant."""

from __future__ import annotations

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.above_chance import AboveChance
from senseweave.retrieval.fusion.base import FusionMethod


class Platt(FusionMethod):
    """Score by the probability of relevance, fitted to labeled examples (Platt 1999).

    1 / (1 + exp(-(slope * a + intercept))). a is the score of `above_chance`, so that slope and intercept hold for
    every query and as the index grows. Not linear in the similarity: queries of several parts cannot be composed.
    """

    name = "platt"
    needs = ("slope", "intercept", "spread", "best")
    remedy = "calibrate with labels first"

    def transform(self, scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
        """Compute 1 / (1 + exp(-(slope * a + intercept)))."""
        known = self.check(statistics)
        assert known.slope is not None
        assert known.intercept is not None
        logits = known.slope * AboveChance().score(scores, known) + known.intercept
        result: np.ndarray = 1.0 / (1.0 + np.exp(-np.clip(logits, -700, 700)))
        return result
