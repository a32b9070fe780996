"""Sparse vectors in Qdrant: collections of points with one sparse vector each, which the server compares exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from senseweave.retrieval.stores.base import SparseRow
from senseweave.retrieval.stores.qdrant_points import MOST_BYTES, NUMBER_BYTES, point_id, read_point, stored_name

TERMS: Final = "terms"
"""The name of the vector of a point."""
PAGE: Final = 500
"""Rows of one request."""
ROW_BYTES: Final = 1000
"""Bytes of a row in a request besides its vector, at most."""


class QdrantSparse:
    """The collections of sparse vectors of a store."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        """Keep them by means of a store.

        Args:
            ask: Calls a method of the client.
        """
        self._ask = ask

    def save(self, name: str, rows: Sequence[SparseRow]) -> None:
        """Write rows; each replaces one of the same id."""
        part: list[SparseRow] = []
        size = 0
        for row in rows:
            weight = 2 * NUMBER_BYTES * len(row.terms) + ROW_BYTES
            if part and (len(part) == PAGE or size + weight > MOST_BYTES):
                self._write(name, part)
                part, size = [], 0
            part.append(row)
            size += weight
        if part:
            self._write(name, part)

    def find(self, name: str, terms: np.ndarray, weights: np.ndarray, k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` rows with the greatest dot product with a query, each with it, greatest first."""
        from qdrant_client import models

        request = models.QueryRequest(query=_vector(terms, weights), using=TERMS, limit=max(k, 1), with_payload=["id"])
        (answer,) = self._ask("query_batch_points", collection_name=name, requests=[request])
        return [(read_point(point).id, float(point.score)) for point in answer.points]

    def sample(self, name: str, limit: int) -> list[SparseRow]:
        """Return rows in the order of the ids of points, which are hashes of theirs and say nothing of the vectors."""
        found: list[SparseRow] = []
        start = None
        while len(found) < limit:
            points, start = self._ask(
                "scroll",
                collection_name=name,
                limit=min(PAGE, limit - len(found)),
                offset=start,
                with_payload=True,
                with_vectors=True,
            )
            found += map(_read_row, points)
            if start is None:
                break
        return found

    def _write(self, name: str, rows: Sequence[SparseRow]) -> None:
        self._ask("upsert", collection_name=name, points=list(map(_write_row, rows)), wait=True)


def sparse_config() -> dict[str, Any]:
    """Return how Qdrant is to keep the sparse vectors of a collection."""
    from qdrant_client import models

    return {TERMS: models.SparseVectorParams()}


def _vector(terms: np.ndarray, weights: np.ndarray) -> Any:
    from qdrant_client import models

    return models.SparseVector(
        indices=np.asarray(terms, np.int64).tolist(), values=np.asarray(weights, np.float32).tolist()
    )


def _write_row(row: SparseRow) -> Any:
    from qdrant_client import models

    metadata = {stored_name(name): value for name, value in row.metadata.items() if value is not None}
    vector = {TERMS: _vector(row.terms, row.weights)} if len(row.terms) else {}
    return models.PointStruct(id=point_id(row.id), vector=vector, payload={"id": row.id, "metadata": metadata})


def _read_row(point: Any) -> SparseRow:
    kept = (point.vector or {}).get(TERMS)
    record = read_point(point, with_vector=False)
    positions = np.array(kept.indices if kept is not None else [], np.int64)
    terms = np.minimum(positions, np.iinfo(np.int32).max).astype(np.int32)  # Qdrant takes 32 bits without a sign
    weights = np.array(kept.values if kept is not None else [], np.float32)
    order = np.argsort(terms, kind="stable")
    return SparseRow(record.id, terms[order], weights[order], record.metadata)
