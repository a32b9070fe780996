"""No fusion: similarities as they are."""

from __future__ import annotations

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.base import ListMethod


class RawSimilarity(ListMethod):
    """Leave similarities as they are; in CLIP-like spaces text then outranks images whatever the query."""

    name = "none"

    def transform(self, scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
        """Return the similarities."""
        del statistics
        return scores
