"""What the retriever asks of a vector store: scored documents per modality, and a sample of vectors to calibrate by."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from langchain_senseweave.embeddings.base import MediaEmbeddings
from senseweave.interop import (
    MODALITIES,
    PROBES,
    Media,
    Modality,
    Sample,
    Statistics,
    StoreStatistics,
    Text,
    chroma_sample,
    read_metadata,
)
from senseweave.retrieval.stores.filters import both, compile_filter

Scored = tuple[Document, float]
"""A document and its cosine similarity."""

_WIDER = 4
"""Stores that cannot be asked for one modality are asked for so many times more, and sorted afterwards."""


class StoreView:
    """One vector store as the retriever sees it; see `view_of`."""

    def __init__(self, store: VectorStore) -> None:
        """Look at `store`."""
        self.store = store

    @property
    def embeddings(self) -> Any:
        """What the store embeds queries with."""
        return self.store.embeddings

    @property
    def space(self) -> str:
        """The name of the space whose vectors the store holds."""
        embeddings = self.embeddings
        return str(getattr(embeddings, "model", None) or type(embeddings).__name__)

    def find(
        self, query: Media, vector: list[float], k: int, modalities: Collection[Modality] | None, condition: Any
    ) -> dict[Modality, list[Scored]]:
        """Return the best documents of each modality, best first.

        Args:
            query: What is asked.
            vector: The query's vector in the store's space.
            k: How many of each modality.
            modalities: Only these; None for all.
            condition: Condition on metadata.
        """
        del vector
        if not isinstance(query, Text):
            msg = (
                f"{type(self.store).__name__} gives no scores for a vector, so it can be asked by text alone; "
                "Chroma and InMemoryVectorStore can be asked by media"
            )
            raise TypeError(msg)
        options = {} if condition is None else {"filter": condition}
        found = self.store.similarity_search_with_relevance_scores(query.decode(), k=k * _WIDER, **options)
        return by_modality(found, k, modalities)

    def statistics(self, modality: Modality, query_modality: Modality) -> Statistics | None:
        """Return what is known of queries of one modality against documents of another, or None."""
        del modality, query_modality
        return None


class InMemoryView(StoreView):
    """A view of `InMemoryVectorStore`."""

    store: InMemoryVectorStore

    def find(
        self, query: Media, vector: list[float], k: int, modalities: Collection[Modality] | None, condition: Any
    ) -> dict[Modality, list[Scored]]:
        """Return the best documents of each modality; `condition` is a function, or a dict of values to equal."""
        del query
        test = condition if callable(condition) or condition is None else _equality(condition)
        found: dict[Modality, list[Scored]] = {}
        for modality in modalities or MODALITIES:

            def wanted(document: Document, modality: Modality = modality) -> bool:
                return read_metadata(document.metadata).modality == modality and (test is None or bool(test(document)))

            found[modality] = self.store.similarity_search_with_score_by_vector(vector, k=k, filter=wanted)
        return found


class ChromaView(StoreView):
    """A view of LangChain's `Chroma` and its subclasses."""

    def __init__(self, store: VectorStore) -> None:
        """Look at `store`."""
        super().__init__(store)
        self._statistics = StoreStatistics[Modality](self._sample, self._probes, count=self._count)

    def find(
        self, query: Media, vector: list[float], k: int, modalities: Collection[Modality] | None, condition: Any
    ) -> dict[Modality, list[Scored]]:
        """Return the best documents of each modality; `condition` is a filter of senseweave or a `where` of Chroma."""
        del query
        store: Any = self.store
        similarity = self._similarity()
        where = compile_filter(condition)
        found = {}
        for modality in modalities or MODALITIES:
            rows = store.similarity_search_by_vector_with_relevance_scores(vector, k, both(_where(modality), where))
            found[modality] = [(document, similarity(distance)) for document, distance in rows]
        return found

    def statistics(self, modality: Modality, query_modality: Modality) -> Statistics | None:
        """Return statistics from general phrases (or the store's own media) against a sample of the store's vectors.

        They are kept until the store has doubled or halved. Without `MediaEmbeddings` there are none, since asking an
        API for a hundred phrases unasked would cost.
        """
        if not isinstance(self.embeddings, MediaEmbeddings):
            return None
        return self._statistics.of(modality, query_modality)

    def _probes(self, modality: Modality) -> np.ndarray:
        del modality  # one space holds them all
        return self._phrases

    @cached_property
    def _phrases(self) -> np.ndarray:
        texts = [Text(phrase) for phrase in PROBES]
        return np.asarray(self.embeddings.embed_media(texts, role="query"), dtype=np.float32)

    def _sample(self, modality: Modality) -> Sample:
        store: Any = self.store
        return chroma_sample(store._collection, _where(modality))

    def _count(self) -> int:
        store: Any = self.store
        return int(store._collection.count())

    def _similarity(self) -> Callable[[float], float]:
        """Return what turns a distance of the collection into the cosine similarity of unit vectors."""
        store: Any = self.store
        configuration = store._collection.configuration
        settings = configuration.get("hnsw") or configuration.get("spann") or {}
        if settings.get("space", "l2") == "l2":
            return lambda distance: 1.0 - distance / 2.0  # Chroma's l2 is squared: |a - b|^2 = 2 - 2 cos
        return lambda distance: 1.0 - distance


def view_of(store: VectorStore) -> StoreView:
    """Return the view that fits a store."""
    chroma = sys.modules.get("langchain_chroma")
    if chroma is not None and isinstance(store, chroma.Chroma):
        return ChromaView(store)
    return InMemoryView(store) if isinstance(store, InMemoryVectorStore) else StoreView(store)


def by_modality(
    found: Sequence[Scored], k: int, modalities: Collection[Modality] | None = None
) -> dict[Modality, list[Scored]]:
    """Part scored documents by their modality, at most `k` of each, in the order in which they are given."""
    parted: dict[Modality, list[Scored]] = {}
    for document, score in found:
        modality = read_metadata(document.metadata).modality
        listed = parted.setdefault(modality, [])
        if len(listed) < k and (modalities is None or modality in modalities):
            listed.append((document, score))
    return parted


def _where(modality: Modality) -> dict[str, Any]:
    """Return the condition for one modality; documents that name none that exists are text."""
    if modality != "text":
        return {"modality": modality}
    return {"modality": {"$nin": [other for other in MODALITIES if other != "text"]}}


def _equality(condition: Mapping[str, Any]) -> Callable[[Document], bool]:
    for name, value in condition.items():
        if name.startswith("$") or isinstance(value, Mapping):
            msg = f"InMemoryVectorStore takes a function or a dict of values as filter, not {dict(condition)!r}"
            raise ValueError(msg)

    def test(document: Document) -> bool:
        return all(
            document.metadata.get(name) in value
            if isinstance(value, (list, tuple, set, frozenset))
            else document.metadata.get(name) == value
            for name, value in condition.items()
        )

    return test
