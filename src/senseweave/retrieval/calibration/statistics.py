"""What is known of the scores in one cell (space, query modality, document modality), and how it is estimated."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from statistics import NormalDist
from typing import Any, Final

import numpy as np

SAME: Final = 0.9995
"""Similarities above this are those of a content with itself, and say nothing about unrelated content."""
CENTRE_SHRINKAGE: Final = 3.0
"""The centre of n documents counts n / (n + 3): the mean of very few documents is mostly those documents."""
LEAST_CHANCE: Final = 100
"""`best` is at least what chance offers among so many documents. The best of ten unrelated pictures is less like a
query than the best of a thousand unrelated texts, but that is no reason to take one of the ten for an answer as
readily: few documents hold few answers. Chosen, as the shrinkage is, on benchmarks/mixed_retrieval; 60 to 200 do as
well."""


@dataclass(frozen=True)
class Statistics:
    """The distribution of similarities in one cell, from which scores of different cells become comparable.

    Attributes:
        mean: Mean similarity of a query and a document that have nothing to do with each other.
        std: Standard deviation of that background, greater than 0.
        documents: Number of documents in the collection.
        queries: Number of queries the figures rest on.
        spread: Standard deviation that is left of the background when each query's own mean is taken off.
        best: How far above its own mean an unrelated query finds its best document, on average; in a collection of
            fewer than `LEAST_CHANCE` documents, as if there were so many.
        top1_mean: Mean of each sample query's best similarity, or None where it is not known.
        top1_std: Its standard deviation.
        slope: Of the probability of relevance over the score of `above_chance`; None without labels.
        intercept: Of the same.
        origin: What the queries were: `probes` (general phrases), `documents`, `queries` (the user's own), `composed`.
        centre: What a query's own mean is told from: mean(q) = offset + q . centre; shape (dimension,).
        offset: Of the same.
        expected: One query's own mean, once the query is known: see `for_query`.
        composed_for: The name of the fusion method that a query of several parts was composed for, whose scores are
            (similarity - mean) / std; None for the statistics of a cell.
    """

    mean: float
    std: float
    documents: int = 0
    queries: int = 0
    spread: float | None = None
    best: float | None = None
    top1_mean: float | None = None
    top1_std: float | None = None
    slope: float | None = None
    intercept: float | None = None
    origin: str = "probes"
    centre: np.ndarray | None = field(default=None, compare=False, repr=False)
    offset: float = 0.0
    expected: float | None = None
    composed_for: str | None = None

    def __post_init__(self) -> None:
        if not all(value is None or value > 0 for value in (self.std, self.top1_std, self.spread)):
            msg = f"standard deviations must be positive: {self}"
            raise ValueError(msg)

    def for_query(self, vector: np.ndarray | Sequence[float]) -> Statistics:
        """These statistics with the mean that this query has over the collection, told from the centre."""
        if self.centre is None:
            return self
        unit = np.asarray(vector, dtype=np.float64)
        return replace(self, expected=self.offset + float(unit @ self.centre / max(float(np.linalg.norm(unit)), 1e-12)))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without what is not known; the centre is packed into a string."""
        values = asdict(replace(self, centre=None, expected=None, composed_for=None))
        if self.centre is not None:
            values["centre"] = pack(self.centre, "<f4")
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Statistics:
        """The inverse of `to_dict`; names that a later version may have added are ignored."""
        known = {one.name for one in fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        if "centre" in given:
            given["centre"] = unpack(given["centre"])
        return cls(**given)


def background(
    queries: np.ndarray,
    documents: np.ndarray,
    *,
    size: int | None = None,
    best: np.ndarray | None = None,
    origin: str = "probes",
) -> Statistics:
    """Estimate a cell from queries that were not asked of these documents.

    Args:
        queries: Vectors of sample queries, shape (q, dimension).
        documents: Vectors of stored documents or a sample of them, shape (n, dimension).
        size: Number of documents in the collection, if `documents` is a sample.
        best: Similarity of each query and its best document in the whole collection, shape (q,), nan where it is not
            known. None: from the sample, told for the whole by how the best of n normal draws grows with n.
        origin: What the queries are, kept in the result.

    Returns:
        Figures over all q * n similarities but those of a content with itself, and over each query's best one. The
        variances are shrunk towards 1 / dimension, that of the cosine of two random directions, which counts as much
        as one document: of a single document, or of a content and itself alone, little or nothing is known.

    Raises:
        ValueError: If either is empty.
    """
    asked, stored = unit_rows(queries), unit_rows(documents)
    if not asked.size or not stored.size:
        msg = "statistics need at least one query and one document"
        raise ValueError(msg)
    count = size if size is not None else len(stored)
    table = (asked @ stored.T).astype(np.float64)
    table[table > SAME] = np.nan
    told = int((~np.isnan(table)).any(axis=0).sum())
    if not told:
        table = np.zeros_like(table)
    centre = stored.mean(axis=0, dtype=np.float64) * (count / (count + CENTRE_SHRINKAGE))
    own = asked @ centre
    mean = float(np.nanmean(table))
    offset = mean - float(own.mean())
    left = table - (offset + own)[:, None]
    spread = _shrunk(float(np.nanvar(left)), told, stored.shape[1])
    if best is None:
        usable = ~np.isnan(table).all(axis=1)
        top, above = np.nanmax(table[usable], axis=1), float(np.nanmax(left[usable], axis=1).mean())
        grown = above * expected_best(count) / expected_best(len(stored)) if count > len(stored) > 1 else above
        top, above = top + (grown - above), grown
    else:
        usable = ~np.isnan(best)
        top = best[usable] if usable.any() else np.array([mean])
        above = float((best - offset - own)[usable].mean()) if usable.any() else 0.0
    return Statistics(
        mean=mean,
        std=_shrunk(float(np.nanvar(table)), told, stored.shape[1]),
        documents=count,
        queries=len(asked),
        spread=spread,
        best=above + spread * max(expected_best(LEAST_CHANCE) - expected_best(count), 0.0),
        top1_mean=float(top.mean()),
        top1_std=_shrunk(float(top.var()), len(top), stored.shape[1]),
        origin=origin,
        centre=centre,
        offset=offset,
    )


def expected_best(count: int) -> float:
    """Largest of so many standard normal draws, on average: Phi^-1((n - 0.375) / (n + 0.25)) (Blom 1958)."""
    return NormalDist().inv_cdf((count - 0.375) / (count + 0.25)) if count > 1 else 0.0


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, float32."""
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
    unit: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _shrunk(variance: float, count: int, dimension: int) -> float:
    """Standard deviation of `count` observations and one of two random directions, whose variance is 1 / dimension."""
    return math.sqrt((count * variance + 1.0 / dimension) / (count + 1))


def pack(values: np.ndarray, kind: str) -> str:
    """Numbers as a string: their NumPy type, such as `<f4`, a colon and base64."""
    return f"{kind}:" + base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def unpack(packed: str) -> np.ndarray:
    """The inverse of `pack`, one row of float64."""
    kind, _, data = packed.partition(":")
    return np.frombuffer(base64.b64decode(data), dtype=kind).astype(np.float64)
