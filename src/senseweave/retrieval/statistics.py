"""What is known of the scores in one cell (space, query modality, document modality), and how it is estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

LEAST_STD = 1e-4
"""Standard deviations of similarities are kept above this, so that equal scores do not divide by nothing."""


@dataclass(frozen=True)
class Statistics:
    """The distribution of similarities in one cell, from which scores of different cells become comparable.

    Attributes:
        mean: Mean similarity of a query and a document that have nothing to do with each other.
        std: Standard deviation of that background, greater than 0.
        documents: Number of documents that were in the collection.
        queries: Number of queries the figures rest on.
        top1_mean: Mean of each sample query's best similarity, or None where it is not known.
        top1_std: Its standard deviation.
        slope: Of the fitted probability of relevance, 1 / (1 + exp(-(slope * s + intercept))); None without labels.
        intercept: Of the same.
        origin: What the queries were: `probes` (general phrases), `documents`, `queries` (the user's own), `labels`.
    """

    mean: float
    std: float
    documents: int = 0
    queries: int = 0
    top1_mean: float | None = None
    top1_std: float | None = None
    slope: float | None = None
    intercept: float | None = None
    origin: str = "probes"

    def __post_init__(self) -> None:
        if not self.std > 0 or (self.top1_std is not None and not self.top1_std > 0):
            msg = f"standard deviations must be positive: {self}"
            raise ValueError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without those that are not known."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Statistics:
        """The inverse of `to_dict`; names that a later version may have added are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


def background(
    queries: np.ndarray, documents: np.ndarray, *, size: int | None = None, origin: str = "probes"
) -> Statistics:
    """Estimate a cell from queries that were not asked of these documents.

    Args:
        queries: Vectors of sample queries, shape (q, dimension).
        documents: Vectors of stored documents or a sample of them, shape (n, dimension).
        size: Number of documents in the collection, if `documents` is a sample.
        origin: What the queries are, kept in the result.

    Returns:
        Mean and standard deviation over all q * n similarities, and of each query's best similarity.

    Raises:
        ValueError: If either is empty.
    """
    return of_similarities(cosines(queries, documents), size=size, origin=origin)


def of_similarities(similarities: np.ndarray, *, size: int | None = None, origin: str = "probes") -> Statistics:
    """Estimate a cell from a table of similarities, shape (queries, documents)."""
    table = np.atleast_2d(np.asarray(similarities, dtype=np.float64))
    if not table.size:
        msg = "statistics need at least one query and one document"
        raise ValueError(msg)
    best = table.max(axis=1)
    return Statistics(
        mean=float(table.mean()),
        std=max(float(table.std()), LEAST_STD),
        documents=size if size is not None else table.shape[1],
        queries=len(table),
        top1_mean=float(best.mean()),
        top1_std=max(float(best.std()), LEAST_STD),
        origin=origin,
    )


def cosines(queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
    """Cosine similarity of every query with every document, shape (q, n), float32."""
    left, right = (_unit(np.atleast_2d(np.asarray(x, dtype=np.float32))) for x in (queries, documents))
    table: np.ndarray = left @ right.T
    return table


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
