"""Vector stores that can be asked by a vector, as the ranking engine asks them: FAISS, Qdrant, LanceDB and the like."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from langchain_senseweave.retrieval.sources import (
    MOST_ASKED,
    WIDER,
    CalibratedView,
    LangChainView,
    document_modality,
    stretch,
)
from senseweave.interop import MODALITIES, Candidate, Modality, Sample, Statistics, StoreCall, evenly_spaced

_METHODS: Final = (
    "similarity_search_with_score_by_vector",
    "similarity_search_by_vector_with_score",
    "similarity_search_by_vector_with_relevance_scores",
)
"""Names under which stores answer to a vector with documents and scores; LangChain has none of its own."""
Scored = Sequence[tuple[Document, float]]


class VectorView(LangChainView):
    """A view of a store that answers to a vector, and of whose filters and scores nothing else is known.

    It is asked for more documents until there are enough of a modality.
    """

    def find(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the `k` best documents of a modality, best first."""
        asked, found = k, list[tuple[Document, float]]()
        while True:
            scored = self.ask(stretch(vector, call), asked, call.filters, modality)
            found = [pair for pair in self.similarities(scored) if modality in (None, document_modality(pair[0]))]
            if len(found) >= k or len(scored) < asked:
                return self._candidates(found[:k], modality)
            if asked >= MOST_ASKED:
                msg = f"of the {asked} documents of {type(self.store).__name__} nearest to a query, {len(found)} are"
                warnings.warn(f"{msg} {modality}; others are not found without a filter", UserWarning, stacklevel=2)
                return self._candidates(found, modality)
            asked = min(WIDER * asked, MOST_ASKED)

    def ask(self, vector: list[float], k: int, filters: Sequence[Any], modality: Modality | None) -> Scored:
        """Return the `k` documents nearest to a vector with the store's scores, of any modality or of one.

        Args:
            vector: The query.
            k: Number of documents.
            filters: Conditions in the store's language, which hold for every document.
            modality: What is looked for, for stores that can be asked for it.
        """
        del modality
        options = {"filter": self._join(filters)} if filters else {}
        scored: Scored = getattr(self.store, search_method(self.store) or "")(vector, k=k, **options)
        return scored

    def similarities(self, scored: Scored) -> list[tuple[Document, float]]:
        """Return scores as similarities: the nearest document comes first, so scores that rise are distances."""
        rises = len(scored) > 1 and scored[0][1] < scored[-1][1]
        return [(document, 1.0 - score if rises else score) for document, score in scored]


class FaissView(CalibratedView, VectorView):
    """A view of FAISS of langchain-community, whose filters are dicts or functions of the metadata."""

    store: Any

    def ask(self, vector: list[float], k: int, filters: Sequence[Any], modality: Modality | None) -> Scored:
        """Return the `k` documents of a modality that are nearest to a vector."""
        tests = [self.store._create_filter_func(part) for part in filters]

        def fits(metadata: dict[str, Any]) -> bool:
            wanted = modality in (None, document_modality(Document("", metadata=metadata)))
            return wanted and all(test(metadata) for test in tests)

        every = max(self.count(), k)
        scored: Scored = self.store.similarity_search_with_score_by_vector(vector, k=k, filter=fits, fetch_k=every)
        return scored

    def similarities(self, scored: Scored) -> list[tuple[Document, float]]:
        """Return inner products as they are, and squared distances of unit vectors as their cosine."""
        is_product = self.store.index.metric_type == 0
        return [(document, float(score if is_product else 1.0 - score / 2.0)) for document, score in scored]

    def statistics(self, modality: Modality | None, query_modality: Modality) -> Statistics | None:
        """Return what is known of similarities; nothing of a metric that tells no cosine, such as L1."""
        known = super().statistics(modality, query_modality)
        return known if self.store.index.metric_type in (0, 1) else None  # METRIC_INNER_PRODUCT, METRIC_L2

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the stored vectors of what was found.

        Raises:
            ValueError: If the index does not give them.
        """
        rows = {identifier: row for row, identifier in self.store.index_to_docstore_id.items()}
        try:
            return [self.store.index.reconstruct(rows[candidate.id]) for candidate in found]
        except RuntimeError as error:
            kind = type(self.store.index).__name__
            msg = f"{kind} does not give the vectors of documents, which `diversity` compares; an IVF index gives them"
            raise ValueError(f"{msg} after store.index.make_direct_map()") from error

    def count(self) -> int:
        """Return how many vectors the store holds."""
        return int(self.store.index.ntotal)

    def sample(self, modality: Modality) -> Sample:
        """Return vectors of a modality, shape (n, dimension), and how many there are."""
        kept = self.store.index_to_docstore_id.items()
        rows = [row for row, key in kept if document_modality(self.store.docstore.search(key)) == modality]
        try:
            return as_matrix([self.store.index.reconstruct(row) for row in evenly_spaced(rows)]), len(rows)
        except RuntimeError:  # an index of inverted lists without a direct map
            return as_matrix([]), len(rows)


class QdrantView(CalibratedView, VectorView):
    """A view of `QdrantVectorStore`, whose filters are those of qdrant-client."""

    store: Any

    def ask(self, vector: list[float], k: int, filters: Sequence[Any], modality: Modality | None) -> Scored:
        """Return the `k` documents of a modality that are nearest to a vector."""
        conditions = self._filter(filters, modality)
        scored: Scored = self.store.similarity_search_with_score_by_vector(vector, k=k, filter=conditions)
        return scored

    def similarities(self, scored: Scored) -> list[tuple[Document, float]]:
        """Return products as they are, and distances of unit vectors as their cosine, or at least in its order."""
        if self.store.distance.value == "Euclid":
            return [(document, 1.0 - score**2 / 2.0) for document, score in scored]
        if self.store.distance.value == "Manhattan":
            return [(document, 1.0 - score) for document, score in scored]
        return list(scored)

    def statistics(self, modality: Modality | None, query_modality: Modality) -> Statistics | None:
        """Return what is known of similarities; nothing of Manhattan distances, which tell no cosine."""
        known = super().statistics(modality, query_modality)
        return known if self.store.distance.value != "Manhattan" else None

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the stored vectors of what was found."""
        ids = [candidate.item.metadata["_id"] for candidate in found]
        points = self.store.client.retrieve(self.store.collection_name, ids, with_payload=False, with_vectors=True)
        vectors = {point.id: self._vector(point) for point in points}
        return [vectors[identifier] for identifier in ids]

    def count(self) -> int:
        """Return how many vectors the store holds."""
        return int(self.store.client.count(self.store.collection_name).count)

    def sample(self, modality: Modality) -> Sample:
        """Return vectors of a modality, shape (n, dimension), and how many there are."""
        name, condition = self.store.collection_name, self._filter([], modality)
        size = self.store.client.count(name, count_filter=condition).count
        points, _ = self.store.client.scroll(name, condition, limit=512, with_payload=False, with_vectors=True)
        return as_matrix([self._vector(point) for point in points]), size

    def _filter(self, filters: Sequence[Any], modality: Modality | None) -> Any:
        """Return a filter that holds where all do; what names no other modality is text."""
        from qdrant_client import models

        key = f"{self.store.metadata_payload_key}.modality"
        named: list[str] = [name for name in MODALITIES if (name != "text" if modality == "text" else name == modality)]
        condition = models.FieldCondition(key=key, match=models.MatchAny(any=named))
        if modality is None:
            return models.Filter(must=list(filters)) if filters else None
        if modality == "text":
            return models.Filter(must=list(filters), must_not=[condition])
        return models.Filter(must=[*filters, condition])

    def _vector(self, point: Any) -> np.ndarray:
        given = point.vector
        return np.asarray(given[self.store.vector_name] if isinstance(given, Mapping) else given, np.float32)


class LanceView(VectorView):
    """A view of LanceDB of langchain-community, whose method for scores drops the filter."""

    store: Any

    def ask(self, vector: list[float], k: int, filters: Sequence[Any], modality: Modality | None) -> Scored:
        """Return the `k` documents nearest to a vector, of those that the filters leave."""
        del modality
        where = {"filter": self._join(filters), "prefilter": True} if filters else {}
        scored: Scored = self.store.similarity_search_by_vector(vector, k=k, score=True, **where)
        return scored

    def similarities(self, scored: Scored) -> list[tuple[Document, float]]:
        """Return squared distances of unit vectors, by which Lance searches a table without an index, as cosines."""
        return [(document, 1.0 - score / 2.0) for document, score in scored]


def search_method(store: VectorStore) -> str | None:
    """Return the name of the store's method that answers to a vector with scores; None where it has none."""
    return next((name for name in _METHODS if callable(getattr(store, name, None))), None)


def other_view(store: VectorStore) -> type[LangChainView]:
    """Return the class of views that fits a store, which is told by its class's name: its package may be missing."""
    from langchain_senseweave.retrieval.postgres import PostgresCollectionView, PostgresView

    known = {
        "FAISS": FaissView,
        "LanceDB": LanceView,
        "PGVector": PostgresCollectionView,
        "PGVectorStore": PostgresView,
        "QdrantVectorStore": QdrantView,
    }
    for name in _class_names(store):
        if name in known:
            return known[name]
    return VectorView if search_method(store) is not None else LangChainView


def _class_names(store: VectorStore) -> Iterator[str]:
    return (kind.__name__ for kind in type(store).__mro__)


def as_matrix(vectors: Sequence[Any]) -> np.ndarray:
    """Return vectors as an array of shape (n, dimension), also where there are none."""
    return np.asarray(vectors, np.float32) if vectors else np.zeros((0, 1), np.float32)
