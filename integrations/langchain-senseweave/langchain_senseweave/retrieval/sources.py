"""Vector stores as sources of a ranking: scored documents of a modality, and statistics to calibrate them by."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from langchain_senseweave.embeddings.base import MediaEmbeddings
from senseweave.interop import (
    MODALITIES,
    PROBES,
    Candidate,
    Media,
    Modality,
    RankingSource,
    Sample,
    Statistics,
    StoreStatistics,
    Text,
    chroma_sample,
    compile_filter,
    fresh_client,
    read_metadata,
)

T = TypeVar("T")
Scored = tuple[Document, float]
"""A document and its cosine similarity."""

_WIDER = 4
"""Stores that cannot be asked for a modality are asked for this many times more documents, and sorted afterwards."""


@dataclass
class StoreQuery:
    """What a search asks of a store, besides a vector and a modality.

    Attributes:
        media: The query.
        length: Length of its vector as the store's embeddings made it, which the store expects.
        filters: Conditions on metadata in the store's language, all of which must hold.
        answers: What stores that take text alone have answered, by number of documents.
        lock: Held while such a store is asked, so that sources of several modalities ask once.
    """

    media: Media
    length: float = 1.0
    filters: Sequence[Any] = ()
    answers: dict[int, list[Scored]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)


class StoreView:
    """A vector store of which only the interface of all stores is known; it is asked by text."""

    def __init__(self, store: VectorStore) -> None:
        """Wrap a store."""
        self.store = store

    @property
    def embeddings(self) -> Any:
        """Embeddings of the store, which embed queries too."""
        return self.store.embeddings

    @property
    def space(self) -> str:
        """Name of the space of the store's vectors."""
        embeddings = self.embeddings
        return str(getattr(embeddings, "model", None) or type(embeddings).__name__)

    @property
    def query_modalities(self) -> tuple[Modality, ...]:
        """Modalities of queries that the store's embeddings embed."""
        return self.embeddings.modalities if isinstance(self.embeddings, MediaEmbeddings) else ("text",)

    def find(self, query: StoreQuery, vector: np.ndarray, k: int, modality: Modality) -> list[Scored]:
        """Return the `k` best documents of a modality, best first.

        Raises:
            TypeError: If the query is not text.
            ValueError: If the store cannot join the filters.
        """
        del vector
        if not isinstance(query.media, Text):
            msg = (
                f"{type(self.store).__name__} gives no scores for a vector, so it can be asked by text alone; "
                "Chroma and InMemoryVectorStore can be asked by media"
            )
            raise TypeError(msg)
        options = {"filter": self._join(query.filters)} if query.filters else {}
        with query.lock:
            if k not in query.answers:
                query.answers[k] = self.store.similarity_search_with_relevance_scores(
                    query.media.decode(), k=k * _WIDER, **options
                )
            answer = query.answers[k]
        return [(document, score) for document, score in answer if _modality(document) == modality][:k]

    def vectors(self, documents: Sequence[Document]) -> list[np.ndarray]:
        """Return the stored vectors of documents.

        Raises:
            ValueError: If the store does not give them.
        """
        msg = f"{type(self.store).__name__} does not give the vectors of documents, which `diversity` compares"
        raise ValueError(msg)

    def statistics(self, modality: Modality, query_modality: Modality) -> Statistics | None:
        """Return what is known of queries of a modality against documents of another, or None."""
        del modality, query_modality
        return None

    def is_empty(self, modality: Modality) -> bool:
        """Return whether there are no documents of a modality; False where that is not known."""
        del modality
        return False

    def _join(self, filters: Sequence[Any]) -> Any:
        """Return a filter that holds where all do, in a language that is not known."""
        first, *others = filters
        if not others:
            return first
        if all(map(callable, filters)):
            return _all_hold(filters)
        names = [name for part in filters if isinstance(part, Mapping) for name in part]
        if all(isinstance(part, Mapping) for part in filters) and len(names) == len(set(names)):
            return {name: value for part in filters for name, value in part.items()}
        msg = (
            f"the filter of the retriever, {first!r}, and that of the call, {others[0]!r}, cannot be joined for "
            f"{type(self.store).__name__}; pass a single filter that says both"
        )
        raise ValueError(msg)


class InMemoryView(StoreView):
    """A view of `InMemoryVectorStore`, whose filters are functions or dicts of values."""

    store: InMemoryVectorStore

    def find(self, query: StoreQuery, vector: np.ndarray, k: int, modality: Modality) -> list[Scored]:
        """Return the `k` best documents of a modality, best first."""
        tests = [_modality_test(modality), *(part if callable(part) else _equality(part) for part in query.filters)]
        return self.store.similarity_search_with_score_by_vector(
            (vector * query.length).tolist(), k=k, filter=_all_hold(tests)
        )

    def vectors(self, documents: Sequence[Document]) -> list[np.ndarray]:
        """Return the stored vectors of documents."""
        return [np.asarray(self.store.store[str(document.id)]["vector"], np.float32) for document in documents]


class ChromaView(StoreView):
    """A view of LangChain's `Chroma` and its subclasses; filters are senseweave's or a `where` of Chroma."""

    def __init__(self, store: VectorStore) -> None:
        """Wrap a store."""
        super().__init__(store)
        self._statistics = StoreStatistics[Modality](self._sample, self._probes, count=self._count)

    def find(self, query: StoreQuery, vector: np.ndarray, k: int, modality: Modality) -> list[Scored]:
        """Return the `k` best documents of a modality, best first."""
        store: Any = self.store
        where = compile_filter({"and": [_condition(modality), *query.filters]})
        asked = (vector * query.length).tolist()
        found = self._read(lambda: store.similarity_search_by_vector_with_relevance_scores(asked, k, where))
        similarity = self._similarity()
        return [(document, similarity(distance)) for document, distance in found]

    def vectors(self, documents: Sequence[Document]) -> list[np.ndarray]:
        """Return the stored vectors of documents."""
        store: Any = self.store
        ids = [document.id for document in documents]
        stored = self._read(lambda: store.get(ids=ids, include=["embeddings"]))
        vectors = dict(zip(stored["ids"], stored["embeddings"], strict=True))
        return [np.asarray(vectors[document.id], np.float32) for document in documents]

    def statistics(self, modality: Modality, query_modality: Modality) -> Statistics | None:
        """Return statistics from general phrases (or the store's own media) against a sample of the store's vectors.

        They are kept until the store has doubled or halved. Without `MediaEmbeddings` there are none, since a hundred
        phrases that nobody asked to embed would cost money at an API.
        """
        return self._statistics.of(modality, query_modality) if isinstance(self.embeddings, MediaEmbeddings) else None

    def is_empty(self, modality: Modality) -> bool:
        """Return whether there were no documents of a modality when statistics were last estimated."""
        return self._statistics.is_empty(modality)

    def _probes(self, modality: Modality) -> np.ndarray:
        del modality  # all are in the same space
        return self._phrases

    @cached_property
    def _phrases(self) -> np.ndarray:
        texts = [Text(phrase) for phrase in PROBES]
        return np.asarray(self.embeddings.embed_media(texts, role="query"), dtype=np.float32)

    def _sample(self, modality: Modality) -> Sample:
        store: Any = self.store
        where = compile_filter(_condition(modality)) or {}
        return self._read(lambda: chroma_sample(store._collection, where))

    def _read(self, ask: Callable[[], T]) -> T:
        """Return what a question to the store returns; open its folder anew if another process has written to it."""
        from chromadb.errors import InternalError

        store: Any = self.store
        try:
            return ask()
        except InternalError:
            client = fresh_client(store._client)
            if client is None:
                raise
            store._client = client
            store._chroma_collection = client.get_collection(store._collection_name, embedding_function=None)
            return ask()

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


class StoreSource(RankingSource):
    """The documents of a modality in a store, as a ranking asks for them."""

    def __init__(self, view: StoreView, number: int, modality: Modality, query: StoreQuery) -> None:
        """Ask a view, which is the store of a number in its retriever."""
        self.name = f"{number}:{modality}"
        self.space = str(number)
        self.modality = modality
        self.view = view
        self._query = query

    def query(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Return the `k` documents nearest to a unit vector, nearest first."""
        found = self.view.find(self._query, vector, k, self.modality)
        vectors: Iterable[Any] = [None] * len(found)
        if with_vectors and found:
            vectors = self.view.vectors([document for document, _ in found])
        return [
            Candidate(
                document.id if document.id is not None else f"{self.name}:{position}",
                document.metadata,
                document.page_content,
                similarity,
                vector,
                document,
            )
            for position, ((document, similarity), vector) in enumerate(zip(found, vectors, strict=True))
        ]

    def statistics(self, query_modality: Modality) -> Statistics | None:
        """Return what is known of queries of a modality against these documents, or None."""
        return self.view.statistics(self.modality, query_modality)

    def is_empty(self) -> bool:
        """Return whether there are no documents; False where that is not known."""
        return self.view.is_empty(self.modality)


def view_store(store: VectorStore) -> StoreView:
    """Return the view that fits a store."""
    chroma = sys.modules.get("langchain_chroma")
    if chroma is not None and isinstance(store, chroma.Chroma):
        return ChromaView(store)
    return InMemoryView(store) if isinstance(store, InMemoryVectorStore) else StoreView(store)


def _modality(document: Document) -> Modality:
    return read_metadata(document.metadata).modality


def _modality_test(modality: Modality) -> Callable[[Document], bool]:
    return lambda document: _modality(document) == modality


def _condition(modality: Modality) -> dict[str, Any]:
    """Return the condition for a modality; documents that name no modality that exists are text."""
    if modality != "text":
        return {"modality": modality}
    return {"modality": {"nin": [other for other in MODALITIES if other != "text"]}}


def _all_hold(tests: Collection[Callable[[Document], Any]]) -> Callable[[Document], bool]:
    return lambda document: all(test(document) for test in tests)


def _equality(condition: Mapping[str, Any]) -> Callable[[Document], bool]:
    """Return a test whether a document has the values of a dict; a list stands for any of its values."""
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
