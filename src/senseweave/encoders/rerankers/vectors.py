"""What rerankers share that embed query and documents apart and compare the vectors afterwards."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from senseweave.encoders.base import Role
from senseweave.encoders.rerankers.base import Scorer, Scores, refuse


class VectorScorer(Scorer):
    """A model whose score is the similarity of what it makes of the query and of each document."""

    def score(self, query: Any, documents: Sequence[Any]) -> Scores:
        """Return the similarity of a query to each document."""
        (asked,), (query_dropped,) = self.embed_each([query], "query")
        if isinstance(asked, str):
            raise refuse(self.name, asked)
        vectors, dropped = self.embed_each(documents, "document")
        errors = {at: found for at, found in enumerate(vectors) if isinstance(found, str)}
        values = np.full(len(documents), np.nan)
        for at, found in enumerate(vectors):
            if not isinstance(found, str):
                values[at] = self._compare(asked, found)
        return Scores(values, errors, dropped, query_dropped)

    @abstractmethod
    def _encode(self, batch: Sequence[Any], role: Role) -> Sequence[np.ndarray]:
        """Compute the arrays of a batch."""

    @abstractmethod
    def _compare(self, query: np.ndarray, document: np.ndarray) -> float:
        """Return the similarity of the arrays of a query and of a document."""

    @abstractmethod
    def _check(self, array: np.ndarray) -> np.ndarray | str:
        """Return an array, or why nothing can be compared with it."""

    def embed_each(self, items: Sequence[Any], role: Role) -> tuple[list[np.ndarray | str], tuple[int, ...]]:
        """Return the array of each item, or why it has none, and how many of its tokens were not read."""
        prepared = self._prepare(items, role)
        results = self._run(prepared, lambda batch: self._encode(batch, role))
        checked = [result if isinstance(result, str) else self._check(result) for result in results]
        return checked, tuple(item.dropped for item in prepared)

    def _embed_all(self, items: Sequence[Any], role: Role) -> list[np.ndarray]:
        """Return the array of each item.

        Raises:
            ValueError: If an item cannot be computed; the message says which.
        """
        arrays, _ = self.embed_each(items, role)
        for at, array in enumerate(arrays):
            if isinstance(array, str):
                msg = f"{self.name}: item {at + 1} of {len(items)}: {array}"
                raise ValueError(msg)
        return [array for array in arrays if not isinstance(array, str)]
