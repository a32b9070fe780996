"""Orthogonal Procrustes: the rotation of the source that comes nearest to the target.

Schoenemann 1966, "A generalized solution of the orthogonal Procrustes problem": with X'Y = U S V', R = U V'. Where the
dimensions differ, or there are fewer pairs than dimensions, R is the partial isometry between the subspaces that the
pairs span.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from senseweave.training.methods.base import Heads, Method, PairVectors, Settings, center, powers

RANK_TOLERANCE = 1e-9
"""Directions whose singular value is below this share of the largest are noise of rounding."""


def settings(pairs: PairVectors) -> list[Settings]:
    """Return the settings to choose from."""
    return [{"power": power} for power in powers(pairs.source)]


def fit(pairs: PairVectors, chosen: Sequence[Settings], seed: int) -> Iterator[Heads]:
    """Yield the heads for each of several settings: the rotation, and the centered target as it is."""
    target = center(pairs.target, loose=pairs.loose_target)
    identity = target.head(np.eye(target.rows.shape[1]))
    for entry in chosen:
        source = center(pairs.source, entry["power"], pairs.loose_source)
        left, strengths, right = np.linalg.svd(source.rows.T @ target.rows, full_matrices=False)
        kept = strengths > RANK_TOLERANCE * strengths[0]
        yield Heads(source.head(left[:, kept] @ right[kept]), identity)


METHOD = Method("procrustes", "Schoenemann 1966", settings, fit)
