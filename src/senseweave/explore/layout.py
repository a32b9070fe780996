"""Place points in few dimensions so that what is near stays near (UMAP)."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np

from senseweave.extras import require

LEAST: Final = 32
"""Fewer points are placed by their principal components: UMAP needs neighborhoods."""
NEIGHBORS: Final = 15
"""Neighbors of a point that are kept near, UMAP's default."""
SEED: Final = 0
"""So that a map of the same contents looks the same."""


def place_points(vectors: np.ndarray, dimensions: int = 2) -> np.ndarray:
    """Return places for unit vectors, shape (n, dimensions), float32, the same for the same vectors.

    Two dimensions are for the eye, with room between points; more are for finding clusters, and dense.

    Args:
        vectors: Shape (n, dimension).
        dimensions: How many.

    Raises:
        ImportError: If umap-learn is not installed; the message has the line that installs it.
    """
    if len(vectors) < LEAST:
        return principal_components(vectors, dimensions)
    library = require("umap", extra="explore", feature="a map or clusters of an index")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="umap|sklearn|numba|pynndescent")
        warnings.filterwarnings("ignore", message="n_jobs value|Spectral initialisation|Graph is not fully connected")
        model = library.UMAP(
            n_components=dimensions,
            n_neighbors=min(NEIGHBORS, len(vectors) - 1),
            min_dist=0.1 if dimensions == 2 else 0.0,
            metric="cosine",
            init=principal_components(vectors, dimensions, scale=10.0),
            random_state=SEED,
        )
        # UMAP's cosine has no answer for a vector of length 0.
        noise = np.random.default_rng(SEED).normal(scale=1e-6, size=vectors.shape)
        placed: np.ndarray = model.fit_transform((vectors + noise).astype(np.float32))
    return placed.astype(np.float32)


def principal_components(vectors: np.ndarray, dimensions: int, scale: float = 1.0) -> np.ndarray:
    """Return the coordinates along the directions of most variance, zero where there are fewer, float32.

    Args:
        vectors: Shape (n, dimension).
        dimensions: How many.
        scale: Largest coordinate.
    """
    centered = vectors - vectors.mean(axis=0) if len(vectors) else vectors
    covariance = centered.T.astype(np.float64) @ centered
    _, directions = np.linalg.eigh(covariance)
    chosen = directions[:, ::-1][:, :dimensions]
    chosen = chosen * np.where(chosen[np.abs(chosen).argmax(axis=0), np.arange(chosen.shape[1])] < 0, -1, 1)
    placed = np.zeros((len(vectors), dimensions), np.float32)
    placed[:, : chosen.shape[1]] = centered @ chosen
    largest = float(np.abs(placed).max(initial=0.0))
    return placed * np.float32(scale / largest) if largest > 0 else placed
