"""How far a score lies above what chance offers at best: the default method."""

from __future__ import annotations

from typing import Final

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.base import LinearMethod

LIFT: Final = 0.8
"""How much of an unrelated query's best score is taken off; chosen on benchmarks/mixed_retrieval."""


class AboveChance(LinearMethod):
    """Score by how far a similarity lies above what an unrelated document would get by chance for this very query.

    a = (s - e(q) - 0.8 b) / sd. e(q) is the query's own mean over the collection, estimated from the collection's
    center (mean-centering per modality, as GR-CLIP does for one shared space, arXiv 2507.19054); b is how far above
    their own mean unrelated queries find their best document, which grows with the collection as the best of many
    draws does; sd is the spread of the background around each query's own mean.

    Around 0 lies the best that chance offers, 3 and more are clear answers.
    """

    name = "above_chance"
    needs = ("spread", "best")
    cumulative = True

    def location_scale(self, statistics: Statistics | None) -> tuple[float, float]:
        """Return e(q) + 0.8 b, with the background's mean for e(q) where the query is not known, and sd."""
        known = self.check(statistics)
        assert known.best is not None
        assert known.spread is not None
        expected = known.expected if known.expected is not None else known.mean
        return expected + LIFT * known.best, known.spread
