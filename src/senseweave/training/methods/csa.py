"""Canonical similarity analysis: the directions in which both sides vary together, weighted by how much they do.

CSA, arXiv 2410.07610. Regularized canonical correlation (Hotelling 1936; ridge as in Vinod 1976): with each side
whitened by (C + r I)^-1/2, the singular vectors of the whitened cross-covariance are the directions, and its singular
values the correlations. The strength r is given in mean eigenvalues of the side's covariance. With widths it is kernel
canonical correlation (Hardoon, Szedmak and Shawe-Taylor 2004), which bends the map of each side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from senseweave.training.methods.base import Features, Heads, Method, PairVectors, Settings, kernel_features, powers

STRENGTHS: Final = (0.15, 0.5, 1.5, 5.0)
DIMENSIONS: Final = (60, 120, 240)
WIDTHS: Final = ((1.0, 2.0), (2.0, 4.0), (4.0, 4.0))
"""Widths of the kernels of source and target, beside the linear map, whose width is 0."""


@dataclass(frozen=True)
class Side:
    """Features of a side, decomposed as U S V'."""

    features: Features
    left: np.ndarray
    singular: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, features: Features) -> Side:
        """Decompose; media without a partner add to the covariance, and stand below the pairs in `left`."""
        rows = np.concatenate([features.rows, features.loose])
        left, singular, right = np.linalg.svd(rows, full_matrices=False)
        kept = singular > 1e-9 * singular[0]
        return cls(features, left[: len(features.rows), kept], singular[kept], right[kept])

    def shrink(self, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Return whitened rows, shape (n, rank), and the factors that whiten the coordinates of `right`."""
        factors = 1 / np.sqrt(self.singular**2 + strength * (self.singular**2).mean())
        return self.left * (self.singular * factors), factors


def settings(pairs: PairVectors) -> list[Settings]:
    """Return the settings to choose from."""
    most = min(len(pairs) - 1, pairs.source.shape[1], pairs.target.shape[1])
    dimensions = [count for count in DIMENSIONS if count < most] or [max(1, most)]
    tried = powers(pairs.source)
    kinds = [*((power, 0.0, 0.0) for power in tried), *((tried[-1], *widths) for widths in WIDTHS)]
    return [
        {"power": power, "width": width, "target_width": other, "strength": strength, "dimensions": count}
        for (power, width, other), strength, count in product(kinds, STRENGTHS, dimensions)
    ]


def fit(pairs: PairVectors, chosen: Sequence[Settings], seed: int) -> Iterator[Heads]:
    """Yield the heads for each of several settings: the weighted canonical directions of both sides."""
    sources: dict[tuple[float, float], Side] = {}
    targets: dict[float, Side] = {}
    last, found = None, None
    for entry in chosen:
        kind, other = (entry["power"], entry["width"]), entry["target_width"]
        if kind not in sources:
            sources[kind] = Side.of(kernel_features(pairs.source, *kind, pairs.loose_source, seed))
        if other not in targets:
            targets[other] = Side.of(kernel_features(pairs.target, 1.0, other, pairs.loose_target, seed))
        now = (kind, other, entry["strength"])
        if found is None or now != last:
            last, found = now, correlate(sources[kind], targets[other], float(entry["strength"]))
        directions, others, correlations = found
        count = int(entry["dimensions"])
        weights = np.maximum(correlations[:count], 1e-12)
        yield Heads(
            sources[kind].features.head(directions[:, :count] * weights),
            targets[other].features.head(others[:, :count] * weights),
        )


def correlate(source: Side, target: Side, strength: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the canonical directions of both sides, shapes (dimension, r), and their correlations, shape (r,)."""
    white_source, source_factors = source.shrink(strength)
    white_target, target_factors = target.shrink(strength)
    left, correlations, right = np.linalg.svd(white_source.T @ white_target, full_matrices=False)
    return (
        source.right.T @ (left * source_factors[:, None]),
        target.right.T @ (right.T * target_factors[:, None]),
        correlations,
    )


METHOD = Method("csa", "CSA, arXiv 2410.07610", settings, fit)
