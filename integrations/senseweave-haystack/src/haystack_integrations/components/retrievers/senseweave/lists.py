# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Wrapped retrievers with the embedders of their queries: warmed up, searched and ranked together."""

import asyncio
from collections.abc import Mapping
from typing import Any

from haystack import Document
from haystack.components.embedders.types import TextEmbedder
from haystack.components.retrievers.types import EmbeddingRetriever
from haystack_integrations.components.retrievers.senseweave.filters import Filters
from haystack_integrations.components.retrievers.senseweave.sampling import SampledStatistics
from haystack_integrations.components.retrievers.senseweave.sources import (
    RetrieverSource,
    embed_query,
    embed_query_async,
)

import senseweave as sw
from senseweave.interop import METHODS, EmbeddedPart, Modality, Plan, Ranking, Statistics, arank, rank


class RetrieverLists:
    """The lists that one query is ranked over: each retriever, or each modality of each retriever."""

    def __init__(
        self,
        retrievers: Mapping[str, EmbeddingRetriever],
        embedders: TextEmbedder | Mapping[str, TextEmbedder],
        modalities: list[Modality] | None,
        statistics: Mapping[str, dict[str, Any]],
        *,
        auto_calibrate: bool,
    ) -> None:
        """Take what `SenseweaveMultimodalRetriever` takes."""
        self._statistics = statistics
        self._auto_calibrate = auto_calibrate
        self._sources: dict[str, RetrieverSource] = {}
        self._sampled = SampledStatistics(self._sources)
        spaces: dict[int, str] = {}
        searched: list[Modality | None] = [*modalities] if modalities else [None]
        for name, retriever in retrievers.items():
            embedder = embedders[name] if isinstance(embedders, Mapping) else embedders
            space = spaces.setdefault(id(embedder), name)
            for modality in searched:
                listed = name if modality is None else f"{name}/{modality}"
                self._sources[listed] = RetrieverSource(listed, space, retriever, embedder, modality, self._known)
        self._embedders = {source.space: source.embedder for source in self._sources.values()}
        parts = [*self._embedders.values(), *retrievers.values()]
        self._parts: list[Any] = list({id(part): part for part in parts}.values())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the lists."""
        return tuple(self._sources)

    def warm_up(self) -> None:
        """Warm up retrievers and embedders."""
        for part in self._parts:
            if hasattr(part, "warm_up"):
                part.warm_up()

    async def warm_up_async(self) -> None:
        """Like `warm_up`; what has no asynchronous way of its own is warmed up in a thread."""
        for part in self._parts:
            if hasattr(part, "warm_up_async"):
                await part.warm_up_async()
            elif hasattr(part, "warm_up"):
                await asyncio.to_thread(part.warm_up)

    def close(self) -> None:
        """Close retrievers and embedders, and forget what was estimated of their lists."""
        self._sampled.clear()
        for part in self._parts:
            if hasattr(part, "close"):
                part.close()

    def calibrate(self, documents: dict[str, list[Document]], queries: list[str] | None) -> dict[str, dict[str, Any]]:
        """Return the statistics of lists, estimated from Documents with embeddings."""
        return {name: self._sampled.calibrate(name, sample, queries) for name, sample in documents.items()}

    def rank(self, question: str | sw.Media, plan: Plan, filters: Filters | None) -> list[Ranking]:
        """Return the ranking of all lists together, best first."""
        self.warm_up()
        embedded = {space: embed_query(embedder, question) for space, embedder in self._embedders.items()}
        return rank(*self._request(question, embedded, plan, filters))

    async def arank(self, question: str | sw.Media, plan: Plan, filters: Filters | None) -> list[Ranking]:
        """Like `rank`; embedders and retrievers work side by side and off the event loop."""
        await self.warm_up_async()
        parts = await asyncio.gather(*(embed_query_async(each, question) for each in self._embedders.values()))
        embedded = dict(zip(self._embedders, parts, strict=True))
        return await arank(*self._request(question, embedded, plan, filters))

    def _request(
        self, question: str | sw.Media, embedded: Mapping[str, EmbeddedPart], plan: Plan, filters: Filters | None
    ) -> tuple[sw.Query | None, list[RetrieverSource], dict[str, list[EmbeddedPart]], Plan]:
        """Return what the ranking engine takes."""
        # A method without statistics ranks alike whether or not it knows that a list is empty.
        calibrated = plan.method is None or METHODS[plan.method].needs_statistics
        sources = [
            source.for_call(filters, embedded[source.space].vector if calibrated else None)
            for source in self._sources.values()
        ]
        query = sw.Query([question]) if plan.reranker is not None else None
        return query, sources, {space: [part] for space, part in embedded.items()}, plan

    def _known(self, name: str, query_modality: Modality) -> Statistics | None:
        """Return the statistics of a list that were given, or else an estimate."""
        if query_modality == "text" and name in self._statistics:
            return Statistics.from_dict(self._statistics[name])
        return self._sampled.estimate(name, query_modality) if self._auto_calibrate else None
