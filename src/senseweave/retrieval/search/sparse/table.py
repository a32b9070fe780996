"""Sparse vectors in memory, by columns: the dot products of a query with all texts touch its terms alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from senseweave.extras import require
from senseweave.retrieval.search.sparse.vector_file import VectorFile


@dataclass(frozen=True)
class _Records:
    ids: tuple[str, ...]
    rows: np.ndarray


class SparseTable:
    """The vectors of a file as they were at one of its revisions."""

    def __init__(self, dimension: int) -> None:
        """Begin empty.

        Args:
            dimension: Of the vectors.
        """
        sparse = require("scipy.sparse", extra="text")
        self.revision = -1
        self._numbers = np.zeros(0, np.int64)
        self._rows = sparse.csr_array((0, dimension), dtype=np.float32)
        self._columns = self._rows.tocsc()
        self._records: dict[str, _Records] = {}

    def renewed(self, file: VectorFile) -> SparseTable:
        """Return the table of a file's vectors now: itself, or another that shares what has not changed."""
        with file.reading():
            if file.revision == self.revision:
                return self
            newest = int(self._numbers[-1]) if len(self._numbers) else 0
            table = SparseTable(self._rows.shape[1])
            table.revision = file.revision
            table._take(self, np.array(file.numbers(), np.int64), list(file.vectors(newest, self._rows.shape[1])))
            for name in file.collections():
                listed = file.records(name)
                rows = np.searchsorted(table._numbers, [number for _, number in listed])
                table._records[name] = _Records(tuple(identifier for identifier, _ in listed), rows)
        return table

    def _take(
        self, before: SparseTable, numbers: np.ndarray, new: Sequence[tuple[int, np.ndarray, np.ndarray]]
    ) -> None:
        """Take what is left of an earlier table, and new texts, each with its number, terms and weights."""
        sparse = require("scipy.sparse", extra="text")
        kept = np.isin(before._numbers, numbers)
        if not new and kept.all():
            self._numbers, self._rows, self._columns = before._numbers, before._rows, before._columns
            return
        ends = np.cumsum([0, *(len(terms) for _, terms, _ in new)])
        terms = np.concatenate([np.zeros(0, np.int32), *(terms for _, terms, _ in new)])
        weights = np.concatenate([np.zeros(0, np.float32), *(weights for _, _, weights in new)])
        added = sparse.csr_array((weights, terms, ends), shape=(len(new), before._rows.shape[1]))
        self._rows = sparse.vstack([before._rows[kept], added], format="csr")
        self._numbers = np.concatenate([before._numbers[kept], np.array([number for number, _, _ in new], np.int64)])
        self._columns = self._rows.tocsc()

    def count(self, collection: str) -> int:
        """Return the number of records of a collection that have a vector."""
        return len(self._records[collection].ids) if collection in self._records else 0

    def scores(self, query: np.ndarray) -> np.ndarray:
        """Return the dot product of a query and each text over that of the query with itself, shape (texts,), float64.

        A query finds itself with 1, and the order is that of the dot products.

        Args:
            query: Shape (dimension,).
        """
        terms = np.flatnonzero(query)
        weights = query[terms].astype(np.float64)
        if not len(terms) or not self._columns.shape[0]:
            return np.zeros(self._columns.shape[0])
        scores: np.ndarray = self._columns[:, terms] @ (weights / (weights @ weights))
        return scores

    def collection_scores(self, collection: str, scores: np.ndarray) -> np.ndarray:
        """Return the scores of the records of a collection, in the order of their ids."""
        records = self._records.get(collection)
        return scores[records.rows] if records is not None else np.zeros(0)

    def best(self, collection: str, scores: np.ndarray, k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` records of a collection with the highest scores, each with its score, best first.

        Records of score 0 share no term with the query and are left out; ties are in the order of ids.

        Args:
            collection: Its name.
            scores: Of all texts.
            k: How many.
        """
        found = self.collection_scores(collection, scores)
        at = np.flatnonzero(found > 0)
        if len(at) > k:
            least = np.partition(found[at], len(at) - k)[len(at) - k]
            at = at[found[at] >= least]
        at = at[np.argsort(-found[at], kind="stable")][:k]
        ids = self._records[collection].ids if len(at) else ()
        return [(ids[i], float(found[i])) for i in at]
