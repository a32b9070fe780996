"""Ways to make the scores of several result lists comparable: pure functions `(scores, statistics) -> scores`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.per_list import dbsf, minmax, none
from senseweave.retrieval.fusion.quota import quota
from senseweave.retrieval.fusion.ranks import RRF_K, rrf, weighted_rrf
from senseweave.retrieval.fusion.standardised import above_chance, platt, pseudo_positive, tail, zscore

Method = Callable[[np.ndarray, Statistics | None], np.ndarray]

METHODS: Final[dict[str, Method]] = {
    "none": none,
    "rrf": rrf,
    "weighted_rrf": rrf,
    "minmax": minmax,
    "dbsf": dbsf,
    "above_chance": above_chance,
    "zscore": zscore,
    "pseudo_positive": pseudo_positive,
    "tail": tail,
    "platt": platt,
}
"""Every method by name; `weighted_rrf` differs from `rrf` in the weights that `merge` multiplies with."""
CALIBRATED: Final[frozenset[str]] = frozenset({"above_chance", "zscore", "pseudo_positive", "tail", "platt"})
"""Methods that need statistics of the cell; the others see nothing but the list itself."""

__all__ = [
    "CALIBRATED",
    "METHODS",
    "RRF_K",
    "Method",
    "above_chance",
    "dbsf",
    "minmax",
    "none",
    "platt",
    "pseudo_positive",
    "quota",
    "rrf",
    "tail",
    "weighted_rrf",
    "zscore",
]
