"""What is known of the scores in one cell (space, query modality, document modality), and how it is estimated."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

import numpy as np

LEAST_STD: Final = 1e-4
"""Standard deviations of similarities are kept above this, so that equal scores do not divide by nothing."""
SAME: Final = 0.9995
"""Similarities above this are those of a content with itself, and say nothing about unrelated content."""
CENTRE_SHRINKAGE: Final = 10.0
"""The centre of n documents counts n / (n + 10): the mean of very few documents is mostly those documents."""


@dataclass(frozen=True)
class Statistics:
    """The distribution of similarities in one cell, from which scores of different cells become comparable.

    Attributes:
        mean: Mean similarity of a query and a document that have nothing to do with each other.
        std: Standard deviation of that background, greater than 0.
        documents: Number of documents in the collection.
        queries: Number of queries the figures rest on.
        spread: Standard deviation that is left of the background when each query's own mean is taken off.
        best: How far above its own mean an unrelated query finds its best document, on average.
        top1_mean: Mean of each sample query's best similarity, or None where it is not known.
        top1_std: Its standard deviation.
        slope: Of the probability of relevance over the score of `above_chance`; None without labels.
        intercept: Of the same.
        origin: What the queries were: `probes` (general phrases), `documents`, `queries` (the user's own), `composed`.
        centre: What a query's own mean is told from: mean(q) = offset + q . centre; shape (dimension,).
        offset: Of the same.
        expected: One query's own mean, once the query is known: see `for_query`.
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
        values = asdict(replace(self, centre=None, expected=None))
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
    queries: np.ndarray, documents: np.ndarray, *, size: int | None = None, origin: str = "probes"
) -> Statistics:
    """Estimate a cell from queries that were not asked of these documents.

    Args:
        queries: Vectors of sample queries, shape (q, dimension).
        documents: Vectors of stored documents or a sample of them, shape (n, dimension).
        size: Number of documents in the collection, if `documents` is a sample.
        origin: What the queries are, kept in the result.

    Returns:
        Figures over all q * n similarities but those of a content with itself, and over each query's best one.

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
    if np.isnan(table).all():
        table = np.zeros_like(table)
    centre = stored.mean(axis=0, dtype=np.float64) * (count / (count + CENTRE_SHRINKAGE))
    own = asked @ centre
    mean = float(np.nanmean(table))
    offset = mean - float(own.mean())
    left = table - (offset + own)[:, None]
    usable = ~np.isnan(table).all(axis=1)
    top = np.nanmax(table[usable], axis=1)
    return Statistics(
        mean=mean,
        std=max(float(np.nanstd(table)), LEAST_STD),
        documents=count,
        queries=len(asked),
        spread=max(float(np.nanstd(left)), LEAST_STD),
        best=float(np.nanmax(left[usable], axis=1).mean()),
        top1_mean=float(top.mean()),
        top1_std=max(float(top.std()), LEAST_STD),
        origin=origin,
        centre=centre,
        offset=offset,
    )


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1, float32."""
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float32))
    unit: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def pack(values: np.ndarray, kind: str) -> str:
    """Numbers as a string: their NumPy type, such as `<f4`, a colon and base64."""
    return f"{kind}:" + base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def unpack(packed: str) -> np.ndarray:
    """The inverse of `pack`, one row of float64."""
    kind, _, data = packed.partition(":")
    return np.frombuffer(base64.b64decode(data), dtype=kind).astype(np.float64)
