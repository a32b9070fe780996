# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Wrapped retrievers as sources of senseweave's ranking engine, and their queries as embedded parts."""

import asyncio
import inspect
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from haystack import Document
from haystack.components.embedders.types import TextEmbedder
from haystack.components.retrievers.types import EmbeddingRetriever
from haystack_integrations.common.senseweave.embeddings import SpaceComponent
from haystack_integrations.common.senseweave.retrieval import check_fingerprints
from haystack_integrations.components.retrievers.senseweave.filters import Filters, join_filters

import senseweave as sw
from senseweave.interop import MODALITIES, Candidate, EmbeddedPart, Modality, RankingSource, Statistics, unit

NOT_TEXT = [modality for modality in MODALITIES if modality != "text"]
"""Every other Document is text: Haystack's own converters write no modality."""


class RetrieverSource(RankingSource):
    """One list: what a retriever finds, or what it finds of one modality. Its own filters always hold."""

    def __init__(
        self,
        name: str,
        space: str,
        retriever: EmbeddingRetriever,
        embedder: TextEmbedder,
        modality: Modality | None,
        estimate: Callable[[str, Modality], Statistics | None],
    ) -> None:
        """Take a retriever with the embedder of its queries.

        :param name: Name of the list.
        :param space: Name under which the engine finds the vectors of a query that the embedder made.
        :param retriever: The retriever; its scores are similarities.
        :param embedder: The embedder of its queries.
        :param modality: The modality of the list; None for all that the retriever finds.
        :param estimate: Returns what is known of the list, by its name, for queries of a modality.
        """
        self.name = name
        self.space = space
        self.modality = modality or "text"
        self.retriever = retriever
        self.embedder = embedder
        self._conditions = modality_filter(modality) if modality is not None else None
        self._estimate = estimate
        self._probe: np.ndarray | None = None

    def for_call(self, filters: Filters | None, probe: np.ndarray | None) -> "RetrieverSource":
        """Return the list under further filters.

        :param filters: Haystack filters that must hold too.
        :param probe: A vector with which `is_empty` looks for Documents; None to take the list as filled.
        :returns: Another source of the same list.
        """
        source = copy(self)
        source._conditions, source._probe = join_filters(self._conditions, filters), probe
        return source

    def query(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Return the `k` Documents nearest to a vector, nearest first."""
        return self._candidates(self.documents(vector, k, with_vectors=with_vectors), with_vectors=with_vectors)

    def documents(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> list[Document]:
        """Return the retriever's answer, with embeddings where they are asked for and it can return them."""
        documents: list[Document] = self.retriever.run(**self._inputs(vector, k, with_vectors=with_vectors))[
            "documents"
        ]
        return documents

    async def aquery(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Like `query`, by the retriever's own `run_async` where it has one."""
        answer = await run_component(self.retriever, **self._inputs(vector, k, with_vectors=with_vectors))
        return self._candidates(answer["documents"], with_vectors=with_vectors)

    def statistics(self, query_modality: Modality) -> Statistics | None:
        """Return what is known of queries of a modality against the list, or None."""
        return self._estimate(self.name, query_modality)

    def is_empty(self) -> bool:
        """Return whether the list holds nothing for this call, and so needs no statistics."""
        return self._probe is not None and not self.documents(self._probe, 1, with_vectors=False)

    def _inputs(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> dict[str, Any]:
        own = getattr(self.retriever, "filters", None) or None
        if own is not None and self._conditions and not isinstance(own, dict):
            msg = (
                f"filters of type {type(own).__name__} of retriever {self.name!r} cannot be joined with others; give "
                "it Haystack's filters (a dict), or search it without filters and modalities"
            )
            raise TypeError(msg)
        # A retriever replaces its own filters with those of the call, so these hold both.
        filters = join_filters(own, self._conditions) if self._conditions else None
        inputs: dict[str, Any] = {"query_embedding": vector.tolist(), "filters": filters, "top_k": k}
        if with_vectors and "return_embedding" in inspect.signature(self.retriever.run).parameters:
            inputs["return_embedding"] = True
        return inputs

    def _candidates(self, documents: Sequence[Document], *, with_vectors: bool) -> list[Candidate]:
        fingerprint = self.embedder.fingerprint if isinstance(self.embedder, SpaceComponent) else None
        check_fingerprints(documents, self.name, fingerprint)
        if with_vectors and any(document.embedding is None for document in documents):
            msg = f"diversity compares the embeddings of Documents, which retriever {self.name!r} does not return"
            raise ValueError(msg)
        keeps_embeddings = getattr(self.retriever, "return_embedding", False)
        candidates = [
            Candidate(
                document.id,
                document.meta,
                document.content,
                float(document.score or 0.0),
                unit(np.asarray(document.embedding)) if with_vectors else None,
                replace(document, embedding=None) if with_vectors and not keeps_embeddings else document,
            )
            for document in documents
        ]
        return sorted(candidates, key=lambda candidate: -candidate.similarity)


def modality_filter(modality: Modality) -> Filters:
    """Return the filter that Documents of a modality pass."""
    if modality == "text":
        return {"field": "meta.modality", "operator": "not in", "value": NOT_TEXT}
    return {"field": "meta.modality", "operator": "==", "value": modality}


def embed_query(embedder: Any, query: str | sw.Media) -> EmbeddedPart:
    """Return a query as an embedder embeds it.

    :param embedder: A text embedder; for media, one of this package.
    :param query: The question or the media.
    :returns: The part of the query for lists that use this embedder.
    :raises TypeError: If the query is media and the embedder embeds text alone.
    """
    if isinstance(query, str):
        return _part(embedder.run(text=query)["embedding"], "text")
    return _part(_space_component(embedder).embed_media(query), query.modality)


async def embed_query_async(embedder: Any, query: str | sw.Media) -> EmbeddedPart:
    """Like `embed_query`, without blocking the event loop."""
    if isinstance(query, str):
        return _part((await run_component(embedder, text=query))["embedding"], "text")
    return _part(await _space_component(embedder).embed_media_async(query), query.modality)


async def run_component(component: Any, **inputs: Any) -> dict[str, Any]:
    """Return the outputs of a component, run in a thread where it has no asynchronous way of its own."""
    result: dict[str, Any]
    if callable(getattr(component, "run_async", None)):
        result = await component.run_async(**inputs)
    else:
        result = await asyncio.to_thread(component.run, **inputs)
    return result


def _part(embedding: list[float], modality: Modality) -> EmbeddedPart:
    return EmbeddedPart(unit(np.asarray(embedding)), modality, 1.0)


def _space_component(embedder: Any) -> SpaceComponent:
    if not isinstance(embedder, SpaceComponent):
        msg = f"{type(embedder).__name__} embeds text alone; to search with media, use a SenseweaveTextEmbedder"
        raise TypeError(msg)
    return embedder
