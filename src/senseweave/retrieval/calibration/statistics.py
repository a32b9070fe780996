"""Statistics of the similarities in a cell (space, query modality, document modality), and how they are estimated."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from senseweave.spaces.batch import unit_rows

SAME: Final = 0.9995
"""A higher similarity is that of content with itself, and says nothing about unrelated content."""
CENTER_SHRINKAGE: Final = 3.0
"""The center of n documents counts n / (n + 3): the mean of very few documents is mostly those documents."""
LEAST_CHANCE: Final = 100
"""`best` is at least what chance offers among this many documents. The best of ten unrelated pictures is less like a
query than the best of a thousand unrelated texts, but that is no reason to accept a picture as an answer more readily:
few documents hold few answers. Chosen, as the shrinkage is, on benchmarks/mixed_retrieval; 60 to 200 do as well."""

_CENTER_KEY: Final = "centre"
"""The name of `Statistics.center` in JSON; the spelling of version 0.1 is kept, so that both versions read either."""


@dataclass(frozen=True)
class Statistics:
    """The distribution of similarities in a cell, which makes scores of different cells comparable.

    Attributes:
        mean: Mean similarity of a query and a document that have nothing to do with each other.
        std: Standard deviation of that background, greater than 0.
        documents: Number of documents in the collection.
        queries: Number of queries that the figures are estimated from.
        spread: Standard deviation of the background after each query's own mean is subtracted.
        best: How far above its own mean an unrelated query finds its best document, on average; a collection of fewer
            than `LEAST_CHANCE` documents is treated as if it had that many.
        top1_mean: Mean of each sample query's best similarity, or None if it is not known.
        top1_std: Standard deviation of each sample query's best similarity, or None if it is not known.
        slope: Slope of the logit of relevance over the score of `above_chance`; None without labels.
        intercept: Intercept of the logit of relevance; None without labels.
        origin: What the queries were: `probes` (general phrases), `documents`, `queries` (the user's own), `composed`.
        center: Shrunken mean of the documents, shape (dimension,); a query's own mean is offset + q . center.
        offset: Constant term of a query's own mean.
        expected: The mean of the query that is being scored, set by `for_query`.
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
    center: np.ndarray | None = field(default=None, compare=False, repr=False)
    offset: float = 0.0
    expected: float | None = None
    composed_for: str | None = None

    def __post_init__(self) -> None:
        if not all(value is None or value > 0 for value in (self.std, self.top1_std, self.spread)):
            msg = f"standard deviations must be positive: {self}"
            raise ValueError(msg)

    def for_query(self, vector: np.ndarray | Sequence[float]) -> Statistics:
        """Return these statistics with the mean that this query has over the collection, estimated from the center."""
        if self.center is None:
            return self
        unit = np.asarray(vector, dtype=np.float64)
        length = max(math.sqrt(unit @ unit), 1e-12)
        # Every search does this for every list, where `replace` would check again what was checked.
        known: Statistics = object.__new__(type(self))
        known.__dict__.update(self.__dict__, expected=self.offset + float(unit @ self.center) / length)
        return known

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without those that are not known; the center is packed into a string."""
        values = asdict(replace(self, center=None, expected=None, composed_for=None))
        if self.center is not None:
            values[_CENTER_KEY] = pack(self.center, "<f4")
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Statistics:
        """Return the statistics that `to_dict` wrote; names that a later version may have added are ignored."""
        known = {attribute.name for attribute in fields(cls)}
        given = {name: value for name, value in values.items() if name in known}
        if _CENTER_KEY in values:
            given["center"] = unpack(values[_CENTER_KEY])
        return cls(**given)


def background(
    queries: np.ndarray,
    documents: np.ndarray,
    *,
    size: int | None = None,
    best: np.ndarray | None = None,
    origin: str = "probes",
) -> Statistics:
    """Estimate a cell from queries that have nothing to do with these documents.

    Args:
        queries: Vectors of sample queries, shape (q, dimension).
        documents: Vectors of stored documents or a sample of them, shape (n, dimension).
        size: Number of documents in the collection, if `documents` is a sample.
        best: Similarity of each query and its best document in the whole collection, shape (q,), nan where it is not
            known. None estimates it from the sample, extrapolated by how the best of n normal draws grows with n.
        origin: What the queries are; kept in the result.

    Returns:
        Figures over all q * n similarities except those of content with itself, and over each query's best similarity.
        The variances are shrunk towards 1 / dimension, that of the cosine of two random directions, which counts as
        much as one document: a single document, or content that meets only itself, says little or nothing.

    Raises:
        ValueError: If either is empty or holds what is not finite, or their dimensions differ.
    """
    for name, vectors in (("queries", queries), ("documents", documents)):
        if not np.isfinite(vectors).all():
            msg = f"vectors of {name} must be finite numbers"
            raise ValueError(msg)
    probes, stored = (unit_rows(vectors, allow_zero=True) for vectors in (queries, documents))
    if not probes.size or not stored.size:
        msg = "statistics need at least one query and one document"
        raise ValueError(msg)
    if probes.shape[1] != stored.shape[1]:
        msg = f"queries have {probes.shape[1]} dimensions, and documents {stored.shape[1]}; embed both by one space"
        raise ValueError(msg)
    count = size if size is not None else len(stored)
    table = (probes @ stored.T).astype(np.float64)
    table[table > SAME] = np.nan
    informative = int((~np.isnan(table)).any(axis=0).sum())
    if not informative:
        table = np.zeros_like(table)
    center = stored.mean(axis=0, dtype=np.float64) * (count / (count + CENTER_SHRINKAGE))
    own = probes @ center
    mean = float(np.nanmean(table))
    offset = mean - float(own.mean())
    left = table - (offset + own)[:, None]
    spread = _shrunk(float(np.nanvar(left)), informative, stored.shape[1])
    if best is None:
        known = ~np.isnan(table).all(axis=1)
        top, above = np.nanmax(table[known], axis=1), float(np.nanmax(left[known], axis=1).mean())
        grown = above * expected_best(count) / expected_best(len(stored)) if count > len(stored) > 1 else above
        top, above = top + (grown - above), grown
    else:
        known = ~np.isnan(best)
        top = best[known] if known.any() else np.array([mean])
        above = float((best - offset - own)[known].mean()) if known.any() else 0.0
    return Statistics(
        mean=mean,
        std=_shrunk(float(np.nanvar(table)), informative, stored.shape[1]),
        documents=count,
        queries=len(probes),
        spread=spread,
        best=above + spread * max(expected_best(LEAST_CHANCE) - expected_best(count), 0.0),
        top1_mean=float(top.mean()),
        top1_std=_shrunk(float(top.var()), len(top), stored.shape[1]),
        origin=origin,
        center=center,
        offset=offset,
    )


def expected_best(count: int) -> float:
    """Return the mean of the largest of n standard normal draws: Phi^-1((n - 0.375) / (n + 0.25)) (Blom 1958)."""
    return NormalDist().inv_cdf((count - 0.375) / (count + 0.25)) if count > 1 else 0.0


def _shrunk(variance: float, count: int, dimension: int) -> float:
    """Return the standard deviation of `count` observations and of one more whose variance is 1 / dimension."""
    return math.sqrt((count * variance + 1.0 / dimension) / (count + 1))


def pack(values: np.ndarray, kind: str) -> str:
    """Return numbers as a string: their NumPy type, such as `<f4`, a colon and base64."""
    return f"{kind}:" + base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def unpack(packed: str) -> np.ndarray:
    """Return the numbers that `pack` wrote, as one row of float64."""
    kind, _, data = packed.partition(":")
    return np.frombuffer(base64.b64decode(data), dtype=kind).astype(np.float64)
