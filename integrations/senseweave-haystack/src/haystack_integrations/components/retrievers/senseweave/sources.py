# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Wrapped retrievers as the ranking engine asks them, and their queries as embedders embed them."""

import inspect
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from haystack import Document
from haystack.components.retrievers.types import EmbeddingRetriever
from haystack_integrations.common.senseweave.components import call_async
from haystack_integrations.common.senseweave.embeddings import SpaceComponent
from haystack_integrations.common.senseweave.items import fingerprints, hit_to_document, result_meta
from haystack_integrations.components.retrievers.senseweave.filters import join_filters, modality_filter

import senseweave as sw
from senseweave.interop import (
    METHODS,
    MODALITIES,
    Candidate,
    Modality,
    Ranking,
    StoreCall,
    StoreView,
    check_fingerprints,
    check_recorded,
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
        return self._candidates((await call_async(self.retriever, "run", **inputs))["documents"], with_vectors)

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

    def is_empty(self, call: StoreCall, modality: Modality | None) -> bool:
        """Return whether nothing is found in this call, so that no statistics are needed."""
        # A method without statistics ranks alike whether or not it knows that a list is empty.
        if call.plan.method is not None and not METHODS[call.plan.method].needs_statistics:
            return False
        return not self._find(call.parts[0].vector, 1, modality, call.filters, with_vectors=False)

    def _find(
        self, vector: np.ndarray, k: int, modality: Modality | None, filters: Any, *, with_vectors: bool
    ) -> list[Candidate]:
        inputs = self._inputs(vector, k, modality, filters, with_vectors)
        return self._candidates(self.retriever.run(**inputs)["documents"], with_vectors)

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
        if with_vectors and "return_embedding" in inspect.signature(self.retriever.run).parameters:
            inputs["return_embedding"] = True
        return inputs

    def _candidates(self, documents: list[Document], with_vectors: bool) -> list[Candidate]:
        fingerprint = self.embedder.fingerprint if isinstance(self.embedder, SpaceComponent) else None
        check_fingerprints(fingerprints(documents), self.name, fingerprint)
        drops_embeddings = with_vectors and not getattr(self.retriever, "return_embedding", False)
        candidates = [
            Candidate(
                document.id,
                document.meta,
                document.content,
                float(document.score or 0.0),
                unit(np.asarray(document.embedding)) if document.embedding is not None else None,
                replace(document, embedding=None) if drops_embeddings else document,
            )
            for document in documents
        ]
        return sorted(candidates, key=lambda candidate: -candidate.similarity)


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


def _with_vectors(call: StoreCall) -> bool:
    return call.plan.diversity is not None


def _space_component(embedder: Any) -> SpaceComponent:
    if not isinstance(embedder, SpaceComponent):
        msg = f"{type(embedder).__name__} embeds text alone; to search with media, use a SenseweaveTextEmbedder"
        raise TypeError(msg)
    return embedder
