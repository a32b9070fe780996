"""How surprising it is to find a score by chance."""

from __future__ import annotations

import math

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.base import FusionMethod


class Tail(FusionMethod):
    """Score by how surprising it is to find a similarity by chance among all documents of the collection.

    -log10(N * P(Z > z)), z the background's z-score, Z standard normal and N the number of documents; N * P is the
    number of such hits that chance alone gives, as the E-value of sequence search (Karlin and Altschul 1990).

    Above 0 lie similarities that fewer than one unrelated document is expected to reach. Not linear in the similarity:
    queries of several parts cannot be composed.
    """

    name = "tail"
    needs = ("mean", "std", "documents")
    cumulative = True

    def transform(self, scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
        """Compute -log10(N * P(Z > z))."""
        known = self.check(statistics)
        z = (scores - known.mean) / known.std
        expected = np.array([log10_normal_tail(float(value)) for value in z])
        return -(math.log10(max(known.documents, 1)) + expected)


def log10_normal_tail(z: float) -> float:
    """Return log10 P(Z > z) of a standard normal Z, without underflow.

    Beyond z = 30, where erfc is 0 in double precision, the leading terms of its asymptotic series
    phi(z) / z * (1 - 1/z^2) are used (Abramowitz and Stegun 26.2.12).
    """
    if z < 30:
        return math.log10(0.5 * math.erfc(z / math.sqrt(2)))
    log_density = -0.5 * z * z - 0.5 * math.log(2 * math.pi)
    return (log_density - math.log(z) + math.log1p(-1 / (z * z))) / math.log(10)
