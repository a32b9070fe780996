"""Standard deviations above an unrelated document."""

from __future__ import annotations

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.base import LinearMethod


class ZScore(LinearMethod):
    """Score by z = (s - mean) / std of the background; 0 is what an unrelated document gets on average."""

    name = "zscore"
    needs = ("mean", "std")
    cumulative = True

    def location_scale(self, statistics: Statistics | None) -> tuple[float, float]:
        """Return the mean and the standard deviation of the background."""
        known = self.check(statistics)
        return known.mean, known.std
