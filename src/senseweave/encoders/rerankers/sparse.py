"""Sparse encoders (SPLADE): a weight for each word of the vocabulary, most of them 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np

from senseweave.encoders.base import Role
from senseweave.encoders.rerankers.base import Kind
from senseweave.encoders.rerankers.vectors import VectorScorer
from senseweave.encoders.runtime.padding import Batching
from senseweave.extras import require

Weights = dict[int, float]
"""A sparse vector: the weights that are not 0, by their position."""
SLICE: Final = 256
"""Texts whose vectors are in memory with their zeros."""


@dataclass(frozen=True)
class SparseRows:
    """Sparse vectors of texts.

    Attributes:
        matrix: A `scipy.sparse.csr_array`, shape (n, dimension), float32; the rows of texts with an error are empty.
        errors: Why texts could not be computed, by position.
        dropped: Tokens of each text that the model did not read.
    """

    matrix: Any
    errors: dict[int, str]
    dropped: tuple[int, ...]


class SparseModel(VectorScorer):
    """A `sentence_transformers.SparseEncoder`: a space whose vectors are sparse."""

    kind: ClassVar[Kind] = "sparse"
    library_class: ClassVar[str] = "SparseEncoder"
    usual_similarity: ClassVar[str] = "dot"

    @cached_property
    def dimension(self) -> int:
        """The length of the vectors, most often the size of the vocabulary."""
        # SpladePooling knows it once it has computed a text, and says the width of the transformer before.
        (vector,) = self._embed_all(self._sample[:1], "document")
        return len(vector)

    def embed(self, texts: Sequence[str], role: Role = "document") -> list[Weights]:
        """Return the weights of texts that are not 0.

        Raises:
            ValueError: If a text cannot be computed; the message says which.
        """
        return [_weights(row) for row in self._embed_all(texts, role)]

    def embed_rows(self, texts: Sequence[str], role: Role = "document") -> SparseRows:
        """Return the vectors of texts as the rows of a sparse matrix, with an error for each that has none."""
        sparse = require("scipy.sparse", extra="text")
        parts = [sparse.csr_array((0, self.dimension), dtype=np.float32)]
        errors: dict[int, str] = {}
        dropped: tuple[int, ...] = ()
        for start in range(0, len(texts), SLICE):
            arrays, cut = self.embed_each(texts[start : start + SLICE], role)
            errors.update({start + at: array for at, array in enumerate(arrays) if isinstance(array, str)})
            empty = np.zeros(self.dimension, np.float32)
            parts.append(sparse.csr_array(np.stack([empty if isinstance(array, str) else array for array in arrays])))
            dropped += cut
        return SparseRows(sparse.vstack(parts, format="csr"), errors, dropped)

    def similarity(self, queries: Sequence[Weights], documents: Sequence[Weights]) -> np.ndarray:
        """Return the model's own similarity of all pairs, the dot product unless it was saved with another.

        Returns:
            Shape (queries, documents), float64.
        """
        return self._similarity(self._dense(queries), self._dense(documents))

    def _compare(self, query: np.ndarray, document: np.ndarray) -> float:
        return float(self._similarity(query[None], document[None])[0, 0])

    def _check(self, array: np.ndarray) -> np.ndarray | str:
        return array if np.isfinite(array).all() else "the model gave weights that are not finite"

    def _similarity(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        torch = require("torch", extra="text")
        similarity = self._loaded().similarity
        return np.asarray(similarity(torch.from_numpy(queries), torch.from_numpy(documents)), dtype=np.float64)

    def _dense(self, rows: Sequence[Weights]) -> np.ndarray:
        dense = np.zeros((len(rows), self.dimension), dtype=np.float32)
        for at, weights in enumerate(rows):
            dense[at, list(weights)] = list(weights.values())
        return dense

    def _encode(self, batch: Sequence[Any], role: Role) -> list[np.ndarray]:
        model = self._loaded()
        encode = model.encode_query if role == "query" else model.encode_document
        rows = encode(
            list(batch),
            batch_size=len(batch),
            show_progress_bar=False,
            convert_to_sparse_tensor=False,
            save_to_cpu=True,
        )
        return list(np.asarray(rows.float(), dtype=np.float32))

    def _find_batching(self) -> Batching:
        return self._prove(
            self._prepare(self._sample, "document", "any"), lambda batch: np.stack(self._encode(batch, "document"))
        )


def _weights(row: np.ndarray) -> Weights:
    return {int(at): float(row[at]) for at in np.flatnonzero(row)}
