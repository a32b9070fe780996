"""No training: the similarities to the pairs themselves are the coordinates that both sides share.

ASIF, arXiv 2210.01738 (the largest similarities alone, raised to a power); relative representations, arXiv 2209.15430
(all of them). Each coordinate is a pair, so that a match explains itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

import numpy as np

from senseweave.encoders.parts.heads import Anchors, Head, unit
from senseweave.training.methods.base import Heads, Method, PairVectors, Settings, center, powers

MOST_ANCHORS: Final = 4096
"""The dimension of the space; of more pairs, so many are drawn by the seed."""
SHARES: Final = (0.1, 0.3, 1.0)
"""Shares of the similarities that are kept."""
EXPONENTS: Final = (1.0, 4.0, 8.0)
"""ASIF takes 8 with 1.6 million pairs (arXiv 2210.01738, section 3)."""


def settings(pairs: PairVectors) -> list[Settings]:
    """Return the settings to choose from."""
    count = min(len(pairs), MOST_ANCHORS)
    kept = sorted({max(1, round(share * count)) for share in SHARES})
    choices = product(powers(pairs.source), kept, EXPONENTS)
    return [{"power": power, "kept": number, "exponent": exponent} for power, number, exponent in choices]


def fit(pairs: PairVectors, chosen: Sequence[Settings], seed: int) -> Iterator[Heads]:
    """Yield the heads for each of several settings: the anchors of both sides."""
    rows = np.arange(len(pairs))
    if len(rows) > MOST_ANCHORS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ANCHORS, replace=False))
    for entry in chosen:
        kept = min(int(entry["kept"]), len(rows))
        yield Heads(
            _bank(pairs.source, pairs.loose_source, rows, kept, entry["power"], entry["exponent"]),
            _bank(pairs.target, pairs.loose_target, rows, kept, 1.0, entry["exponent"]),
        )


def _bank(vectors: np.ndarray, loose: np.ndarray, rows: np.ndarray, kept: int, power: float, exponent: float) -> Head:
    centered = center(vectors, power, loose)
    bank = unit(centered.rows[rows]).astype(np.float32)
    mean = centered.inputs.astype(np.float32)
    return Head((Anchors(mean=mean, bank=bank, kept=kept, exponent=exponent, power=power),))


METHOD = Method("anchors", "ASIF, arXiv 2210.01738; relative representations, arXiv 2209.15430", settings, fit)
