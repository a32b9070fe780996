# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Wrapped retrievers as the ranking engine asks them, and their queries as embedders embed them."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from haystack import Document
from haystack.components.retrievers.types import EmbeddingRetriever
from haystack_integrations.common.senseweave.components import call_async
from haystack_integrations.common.senseweave.embeddings import SpaceComponent
from haystack_integrations.common.senseweave.items import fingerprints, hit_to_document, result_meta
from haystack_integrations.components.retrievers.senseweave.filters import (
    join_filters,
    matches,
    modality_filter,
)

import senseweave as sw
from senseweave.interop import (
    METHODS,
    MODALITIES,
    Candidate,
    DocumentWords,
    Modality,
    Ranking,
    StoreCall,
    StoreView,
    check_fingerprints,
    check_recorded,
    chroma_words,
    close_replaced,
    read_anew,
    remember,
    unit,
    with_result,
)


class RetrieverView(StoreView):
    """A retriever, whose scores are similarities, with the embedder of its queries. Its own filters always hold."""

    query_modalities = MODALITIES

    def __init__(self, name: str, retriever: EmbeddingRetriever, embedder: Any = None) -> None:
        """View the retriever of a name; without an embedder it is asked by embeddings alone."""
        self.name = name
        self.retriever = retriever
        self.embedder = embedder

    @property
    def label(self) -> str:
        """What errors call the retriever."""
        return f"the store of retriever {self.name!r} ({type(self.retriever).__name__})"

    @cached_property
    def words(self) -> Mapping[bool, DocumentWords] | None:
        """The words of the Documents of a `ChromaDocumentStore`, by whether each modality is a list of its own."""
        return chroma_words(self._ask) if self._is_chroma else None

    @property
    def space(self) -> str:
        """Name of the space of its vectors, one for each embedder."""
        return f"{type(self.embedder).__name__} {id(self.embedder)}"

    def embed(self, media: Sequence[sw.Media]) -> list[list[float]]:
        """Return the embeddings of questions, and of media where the embedder is of this package.

        :raises TypeError: If there are media and the embedder embeds text alone.
        """
        return [
            self.embedder.run(text=part.decode())["embedding"]
            if isinstance(part, sw.Text)
            else _space_component(self.embedder).embed_media(part)
            for part in media
        ]

    async def aembed(self, media: Sequence[sw.Media]) -> list[list[float]]:
        """Like `embed`, without blocking the event loop."""
        return [
            (await call_async(self.embedder, "run", text=part.decode()))["embedding"]
            if isinstance(part, sw.Text)
            else await _space_component(self.embedder).embed_media_async(part)
            for part in media
        ]

    def find(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the `k` Documents nearest to a vector, nearest first."""
        return self._find(vector, k, modality, call.filters, with_vectors=_with_vectors(call))

    async def afind(self, call: StoreCall, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Like `find`, by the retriever's own `run_async` where it has one."""
        with_vectors = _with_vectors(call)
        inputs = self._inputs(vector, k, modality, call.filters, with_vectors)
        found = (await call_async(self.retriever, "run", **inputs))["documents"]
        return self._candidates(found, self._similarities(found, vector), with_vectors)

    def find_with_vectors(self, vector: np.ndarray, k: int, modality: Modality | None) -> list[Candidate]:
        """Return the `k` Documents nearest to a vector, with embeddings where the retriever can return them."""
        return self._find(vector, k, modality, None, with_vectors=True)

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the unit vectors that the retriever returned.

        :raises ValueError: If it returns none.
        """
        vectors = [candidate.vector for candidate in found if candidate.vector is not None]
        if len(vectors) < len(found):
            msg = f"diversity compares the embeddings of Documents, which retriever {self.name!r} does not return"
            raise ValueError(msg)
        return vectors

    def look_up(self, call: StoreCall, ids: Sequence[str]) -> list[Candidate]:
        """Return those of some Documents that exist and meet the retriever's own filters and those of a call."""
        filters = join_filters(getattr(self.retriever, "filters", None) or None, call.filters)
        # Of a condition Chroma looks at every record before it looks at the ids.
        asked = self._store._prepare_get_kwargs() | {"ids": list(ids)}
        found = self._ask(lambda collection: collection.get(**asked))
        documents = self._store._get_result_to_documents(found)
        if filters:
            documents = [document for document in documents if matches(filters, document)]
        return self._candidates(documents, [0.0] * len(documents), with_vectors=True)

    def is_empty(self, call: StoreCall, modality: Modality | None) -> bool:
        """Return whether nothing is found in this call, so that no statistics are needed."""
        # A method without statistics ranks alike whether or not it knows that a list is empty.
        if call.plan.method is not None and not METHODS[call.plan.method].needs_statistics:
            return False
        return not self._find(call.parts[0].vector, 1, modality, call.filters, with_vectors=False)

    @property
    def _store(self) -> Any:
        return getattr(self.retriever, "document_store", None) or getattr(self.retriever, "_document_store", None)

    @property
    def _is_chroma(self) -> bool:
        return _is_a(self._store, "ChromaDocumentStore")

    @cached_property
    def _gives_distances(self) -> bool:
        """Whether the scores of the retriever are known to be distances, of which smaller is nearer."""
        function = getattr(self.retriever, "vector_function", None)  # of PostgreSQL
        similarity = getattr(self._store, "similarity", None)  # of Qdrant
        return _is_a(self.retriever, "ChromaEmbeddingRetriever") or function == "l2_distance" or similarity == "l2"

    @cached_property
    def _accepted(self) -> Collection[str]:
        """Names of the arguments of the retriever's `run`."""
        return inspect.signature(self.retriever.run).parameters

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        """Return the answer of the store's collection."""
        self._store.count_documents()  # which opens it
        return read_anew(
            lambda: question(self._store._collection), lambda: self._store._collection, self._replace_collection
        )

    def _replace_collection(self, collection: Any, client: Any) -> None:
        replace_collection(self._store, collection, client)

    def _find(
        self, vector: np.ndarray, k: int, modality: Modality | None, filters: Any, *, with_vectors: bool
    ) -> list[Candidate]:
        inputs = self._inputs(vector, k, modality, filters, with_vectors)
        found = self.retriever.run(**inputs)["documents"]
        return self._candidates(found, self._similarities(found, vector), with_vectors)

    def _inputs(
        self, vector: np.ndarray, k: int, modality: Modality | None, filters: Any, with_vectors: bool
    ) -> dict[str, Any]:
        own = getattr(self.retriever, "filters", None) or None
        given = join_filters(modality_filter(modality) if modality is not None else None, filters)
        if own is not None and given and not isinstance(own, dict):
            msg = (
                f"filters of type {type(own).__name__} of retriever {self.name!r} cannot be joined with others; give "
                "it Haystack's filters (a dict), or search it without filters and modalities"
            )
            raise TypeError(msg)
        # A retriever replaces its own filters with those of the call, so these hold both.
        joined = join_filters(own, given) if given else None
        inputs: dict[str, Any] = {"query_embedding": vector.tolist(), "filters": joined, "top_k": k}
        if self._asks_for_embeddings(with_vectors):
            inputs["return_embedding"] = True
        if "scale_score" in self._accepted:
            inputs["scale_score"] = False
        return inputs

    def _asks_for_embeddings(self, with_vectors: bool) -> bool:
        return (with_vectors or self._gives_distances) and "return_embedding" in self._accepted

    def _similarities(self, documents: list[Document], vector: np.ndarray) -> list[float]:
        """Return the scores of Documents, nearest first; those that rise are distances, for which the cosines stand."""
        scores = [float(document.score or 0.0) for document in documents]
        rises = len(scores) > 1 and scores[0] < scores[-1]
        if not self._gives_distances and not rises:
            return scores
        if any(document.embedding is None for document in documents):
            return [1.0 - score for score in scores]
        return [float(unit(np.asarray(document.embedding)) @ vector) for document in documents]

    def _candidates(self, documents: list[Document], similarities: list[float], with_vectors: bool) -> list[Candidate]:
        fingerprint = self.embedder.fingerprint if isinstance(self.embedder, SpaceComponent) else None
        check_fingerprints(fingerprints(documents), self.name, fingerprint)
        asked = with_vectors or self._asks_for_embeddings(with_vectors)
        drops_embeddings = asked and not getattr(self.retriever, "return_embedding", False)
        candidates = [
            Candidate(
                document.id,
                document.meta,
                document.content,
                similarity,
                unit(np.asarray(document.embedding)) if document.embedding is not None else None,
                replace(document, embedding=None) if drops_embeddings else document,
            )
            for document, similarity in zip(documents, similarities, strict=True)
        ]
        return sorted(candidates, key=lambda candidate: -candidate.similarity)


def replace_collection(store: Any, collection: Any, client: Any) -> None:
    """Give a `ChromaDocumentStore` its collection of another client, with the store's own embedding function.

    :param store: The store.
    :param collection: Its collection of the client that it had.
    :param client: The client that it is to use from now on.
    """
    previous, store._client = store._client, client
    store._collection = client.get_collection(collection.name, embedding_function=store._embedding_func)
    close_replaced(previous)


def plan_options(component: Any, options: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return the options of a call over those of a component's constructor.

    :param component: The component, whose attributes are called as the options.
    :param options: Those of the call.
    :param names: What options there are.
    :returns: Every option by its name.
    :raises ValueError: If one is unknown.
    """
    if unknown := set(options) - set(names):
        msg = f"unknown option {', '.join(sorted(map(repr, unknown)))}; there are {', '.join(names)}"
        raise ValueError(msg)
    return {name: getattr(component, name) for name in names} | options


def check_reranker_name(reranker: Any) -> None:
    """Check that a reranker can be serialized, by its name, and remember that this user has named it.

    :param reranker: The parameter `rerank` of a component.
    :raises ValueError: If it is an object.
    """
    if reranker is not None and not isinstance(reranker, str):
        msg = f"{type(reranker).__name__} cannot be serialized as rerank; give the name of a reranking model"
        raise ValueError(msg)
    if reranker is not None:
        remember(reranker, {})


def check_serialized_reranker(kind: type, parameters: dict[str, Any]) -> None:
    """Check that the reranker of a serialized component asks for nothing that only the caller can allow.

    :param kind: The class of the component.
    :param parameters: Those of its constructor, as a dictionary or a YAML file holds them.
    :raises senseweave.TrustError: If its model would be downloaded, or lies at a path that this user has never named.
    """
    if parameters.get("rerank") is not None:
        check_recorded(f"the component {kind.__name__}", parameters["rerank"], {})


def ranked_document(place: Ranking) -> Document:
    """Return the Document of a result with its scores."""
    if place.item is None:
        return hit_to_document(place.hit)
    document: Document = place.item
    return replace(document, score=place.hit.score, meta=with_result(document.meta, result_meta(place.hit)))


def _is_a(value: Any, name: str) -> bool:
    """Return whether a value is of a class of a name, whose package may be missing, or of a subclass."""
    return any(base.__name__ == name for base in type(value).__mro__)


def _with_vectors(call: StoreCall) -> bool:
    return call.plan.diversity is not None


def _space_component(embedder: Any) -> SpaceComponent:
    if not isinstance(embedder, SpaceComponent):
        msg = f"{type(embedder).__name__} embeds text alone; to search with media, use a SenseweaveTextEmbedder"
        raise TypeError(msg)
    return embedder
