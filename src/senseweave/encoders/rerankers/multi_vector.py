"""Multi-vector models (ColBERT, ColPali): a vector for each token or patch, compared by MaxSim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Role
from senseweave.encoders.rerankers.base import Kind
from senseweave.encoders.rerankers.vectors import VectorScorer
from senseweave.encoders.runtime.padding import Batching
from senseweave.media import Modality

NOTHING = "nothing of it is compared: the model leaves out all of its tokens"


def maxsim(query: np.ndarray, document: np.ndarray, *, mean: bool = False) -> float:
    """Return the late interaction of two sets of vectors: each query vector's best match, summed (arXiv 2004.12832).

    Args:
        query: Shape (m, dimension).
        document: Shape (n, dimension).
        mean: Whether to divide by the number of query vectors, as models with `meanmaxsim` do.
    """
    best = (query.astype(np.float32) @ document.astype(np.float32).T).max(axis=1)
    return float(best.mean() if mean else best.sum())


class MultiVectorModel(VectorScorer):
    """A `sentence_transformers.MultiVectorEncoder`: a space whose similarity is MaxSim."""

    kind: ClassVar[Kind] = "multi-vector"
    library_class: ClassVar[str] = "MultiVectorEncoder"
    usual_similarity: ClassVar[str] = "maxsim"

    @property
    def averages(self) -> bool:
        """Whether a score is the mean over the vectors of the query, rather than their sum."""
        return bool(self._loaded().similarity_fn_name == "meanmaxsim")

    def reads(self, role: Role) -> frozenset[Modality]:
        """Return what the model reads; ColPali and its kin of transformers take every text for a query."""
        modalities = super().reads(role)
        renders_queries = getattr(self._taker(role), "transformer_task", None) == "retrieval"
        return modalities - {"text"} if renders_queries and role == "document" else modalities

    def embed(self, items: Sequence[Any], role: Role = "document") -> list[np.ndarray]:
        """Return the vectors of strings and images.

        Returns:
            One array per item, shape (vectors of the item, dimension), float32.

        Raises:
            ValueError: If an item cannot be computed; the message says which.
        """
        return self._embed_all(items, role)

    def similarity(self, queries: Sequence[np.ndarray], documents: Sequence[np.ndarray]) -> np.ndarray:
        """Return MaxSim of all pairs, or its mean over the query if the model was saved so.

        Args:
            queries: Vectors of each query, as `embed` gives them.
            documents: Vectors of each document.

        Returns:
            Shape (queries, documents), float64.
        """
        rows = [[maxsim(query, document, mean=self.averages) for document in documents] for query in queries]
        return np.array(rows, dtype=np.float64).reshape(len(queries), len(documents))

    def _compare(self, query: np.ndarray, document: np.ndarray) -> float:
        return float(self.similarity([query], [document])[0, 0])

    def _check(self, array: np.ndarray) -> np.ndarray | str:
        if not len(array):
            return NOTHING
        return array if np.isfinite(array).all() else "the model gave vectors that are not finite"

    def _encode(self, batch: Sequence[Any], role: Role) -> list[np.ndarray]:
        model = self._loaded()
        encode = model.encode_query if role == "query" else model.encode_document
        vectors = encode(list(batch), batch_size=len(batch), show_progress_bar=False, convert_to_numpy=True)
        return [np.asarray(vector, dtype=np.float32) for vector in vectors]

    def _limit(self, role: Role) -> int | None:
        expansion = getattr(self._taker(role), "query_expansion", None)
        if role == "query" and expansion is not None and expansion["strategy"] == "fixed":
            return int(expansion["length"])
        return super()._limit(role)

    def _find_batching(self) -> Batching:
        """Compare mean and maximum of each text's vectors, which have one length."""
        if "text" not in self.reads("document"):
            return "alone"

        def forward(batch: Sequence[Any]) -> np.ndarray:
            found = self._encode(batch, "document")
            return np.stack([np.concatenate([vectors.mean(axis=0), vectors.max(axis=0)]) for vectors in found])

        return self._prove(self._prepare(self._sample, "document", "any"), forward)
