"""LangChain's vector stores as the ranking engine asks them: scored documents of a modality."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from langchain_senseweave.embeddings.base import MediaEmbeddings
from senseweave.interop import (
    Candidate,
    ChromaView,
    Media,
    Modality,
    Sample,
    SampledView,
    Statistics,
    StoreCall,
    StoreView,
    Text,
    compile_filter,
    evenly_spaced,
    metadata_test,
    modality_filter,
    read_metadata,
)

WIDER: Final = 4
"""Stores that cannot be asked for a modality are asked for this many times more documents, and sorted afterwards."""
MOST_ASKED: Final = 10_000
"""Documents after which such a store is asked for no more."""


class LangChainView(StoreView):
    """A vector store of which only the interface of all stores is known; it is asked by text."""

    def __init__(self, store: VectorStore, number: int) -> None:
        """View the store of a number in its retriever."""
        self.store = store
        self.name = str(number)

    @property
    def label(self) -> str:
        """What errors call the store: its class."""
        return type(self.store).__name__

    @property
    def embeddings(self) -> Any:
        """Embeddings of the store, which embed queries too."""
        return self.store.embeddings

    @property
    def space(self) -> str:
        """Name of the space of the store's vectors."""
        return f"{self.model_name} {id(self.embeddings)}"

    @property
    def model_name(self) -> str:
        """What results call the space of the store."""
        return str(getattr(self.embeddings, "model", None) or type(self.embeddings).__name__)

    @property
    def query_modalities(self) -> tuple[Modality, ...]:
        """Modalities of queries that the store's embeddings embed."""
        return self.embeddings.modalities if isinstance(self.embeddings, MediaEmbeddings) else ("text",)

    def embed(self, media: Sequence[Media]) -> list[list[float]]:
        """Return the vectors of parts of a query."""
        if isinstance(self.embeddings, MediaEmbeddings):
            return self.embeddings.embed_called(media, role="query")
        return [self.embeddings.embed_query(text.decode()) for text in media]

    async def aembed(self, media: Sequence[Media]) -> list[list[float]]:
        """Run `embed` off the event loop; queries that wait together are embedded as one batch."""
        if isinstance(self.embeddings, MediaEmbeddings):
            return await self.embeddings.aembed_called(media, role="query")
        return [await self.embeddings.aembed_query(text.decode()) for text in media]

    def find(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the `k` best documents of a modality, best first.

        Raises:
            TypeError: If the query is not text.
            ValueError: If the store cannot join the filters.
        """
        del vector
        media = call.query.parts[0][0] if call.query is not None and len(call.query.parts) == 1 else None
        if not isinstance(media, Text):
            msg = (
                f"{type(self.store).__name__} gives no scores for a vector (it has no method "
                "`similarity_search_with_score_by_vector`), so it can be asked by text alone"
            )
            raise TypeError(msg)
        options = {"filter": self._join(call.filters)} if call.filters else {}
        asked = k * WIDER
        while True:
            with call.lock:
                if asked not in call.answers:
                    call.answers[asked] = self.store.similarity_search_with_relevance_scores(
                        media.decode(), k=asked, **options
                    )
            answer = call.answers[asked]
            found = [pair for pair in answer if document_modality(pair[0]) == modality]
            if len(found) >= k or len(answer) < asked or asked >= MOST_ASKED:
                return self._candidates(found[:k], modality)
            asked *= WIDER

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the stored vectors of what was found.

        Raises:
            ValueError: If the store does not give them.
        """
        msg = f"{type(self.store).__name__} does not give the vectors of documents, which `diversity` compares"
        raise ValueError(msg)

    def _candidates(self, scored: Iterable[tuple[Document, float]], modality: Modality | None) -> list[Candidate]:
        """Return documents and their similarities as the engine takes them; stores may leave out ids."""
        return [
            Candidate(
                document.id if document.id is not None else f"{self.name}/{modality}:{position}",
                document.metadata,
                document.page_content,
                similarity,
                item=document,
            )
            for position, (document, similarity) in enumerate(scored)
        ]

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


class CalibratedView(SampledView, LangChainView):
    """A view of a store that gives out its vectors, so that what similarities mean there can be estimated."""

    def statistics(self, modality: Modality | None, query_modality: Modality) -> Statistics | None:
        """Return what is known of similarities; nothing of embeddings of text alone.

        A hundred phrases that nobody asked to embed would cost money at an API.
        """
        return super().statistics(modality, query_modality) if isinstance(self.embeddings, MediaEmbeddings) else None


class InMemoryView(CalibratedView):
    """A view of `InMemoryVectorStore`, whose filters are functions or dicts of values."""

    store: InMemoryVectorStore

    def find(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the `k` best documents of a modality, best first."""
        tests = [part if callable(part) else _equality(part) for part in call.filters]
        fits = _all_hold([lambda document: document_modality(document) == modality, *tests])
        scored = self.store.similarity_search_with_score_by_vector(stretch(vector, call), k=k, filter=fits)
        return self._candidates(scored, modality)

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the stored vectors of what was found."""
        return [np.asarray(self.store.store[candidate.id]["vector"], np.float32) for candidate in found]

    def count(self) -> int:
        """Return how many vectors the store holds."""
        return len(self.store.store)

    def sample(self, modality: Modality) -> Sample:
        """Return vectors of a modality, shape (n, dimension), and how many there are."""
        kept = list(self.store.store.values())
        vectors = [entry["vector"] for entry in kept if read_metadata(entry["metadata"]).modality == modality]
        return np.asarray(evenly_spaced(vectors), np.float32), len(vectors)


class ChromaStoreView(ChromaView, CalibratedView):
    """A view of LangChain's `Chroma` and its subclasses; filters are senseweave's or a `where` of Chroma."""

    store: Any

    @property
    def collection(self) -> Any:
        """The store's collection."""
        return self.store._collection

    def replace_collection(self, collection: Any, client: Any) -> None:
        """Give the store the collection of another client."""
        self.store._chroma_collection, self.store._client = collection, client

    def find(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the `k` best documents of a modality, best first."""
        conditions = [modality_filter(modality)] if modality is not None else []
        where = compile_filter({"and": [*conditions, *call.filters]})
        asked = stretch(vector, call)
        found = self.read(lambda: self.store.similarity_search_by_vector_with_relevance_scores(asked, k, where))
        return self._candidates([(document, self.similarity(distance)) for document, distance in found], modality)

    def look_up(self, call: StoreCall, ids: Sequence[str]) -> list[Candidate]:
        """Return those of some documents that exist and meet the filters of a call."""
        fits = metadata_test({"and": list(call.filters)} if call.filters else None)
        found = self.read(lambda: self.collection.get(ids=list(ids), include=["documents", "metadatas"]))
        stored = zip(found["ids"], found["documents"], found["metadatas"], strict=True)
        documents = [Document(text or "", id=key, metadata=metadata or {}) for key, text, metadata in stored]
        return self._candidates([(document, 0.0) for document in documents if fits(document.metadata)], None)


def view_store(store: VectorStore, number: int = 0) -> LangChainView:
    """Return the view that fits the store of a number in its retriever."""
    chroma = sys.modules.get("langchain_chroma")
    if chroma is not None and isinstance(store, chroma.Chroma):
        return ChromaStoreView(store, number)
    if isinstance(store, InMemoryVectorStore):
        return InMemoryView(store, number)
    from langchain_senseweave.retrieval.other_stores import other_view

    return other_view(store)(store, number)


def stretch(vector: np.ndarray, call: StoreCall) -> list[float]:
    """Return a unit vector of a query, as long as the store's embeddings made it."""
    stretched: list[float] = (vector * (call.parts[0].length if len(call.parts) == 1 else 1.0)).tolist()
    return stretched


def document_modality(document: Document) -> Modality:
    """Return the modality that a document's metadata name; text where they name none."""
    return read_metadata(document.metadata).modality


def _all_hold(tests: Sequence[Callable[[Document], Any]]) -> Callable[[Document], bool]:
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
