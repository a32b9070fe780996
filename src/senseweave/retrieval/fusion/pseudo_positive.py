"""Standardize by the best match of each unlabeled query."""

from __future__ import annotations

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.base import LinearMethod


class PseudoPositive(LinearMethod):
    """Score by z = (s - top1_mean) / top1_std (arXiv 2511.22141).

    0 is what the best match of a sample query gets on average.
    """

    name = "pseudo_positive"
    needs = ("top1_mean", "top1_std")
    cumulative = True
    remedy = "calibrate with sample queries first"

    def location_scale(self, statistics: Statistics | None) -> tuple[float, float]:
        """Return the mean and the standard deviation of the best matches."""
        known = self.check(statistics)
        assert known.top1_mean is not None
        assert known.top1_std is not None
        return known.top1_mean, known.top1_std
