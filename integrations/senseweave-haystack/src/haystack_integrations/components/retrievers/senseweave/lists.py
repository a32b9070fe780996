# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Wrapped retrievers with the embedders of their queries: warmed up, and what can be told of their similarities."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from haystack import Document
from haystack.components.embedders.types import TextEmbedder
from haystack.components.retrievers.types import EmbeddingRetriever
from haystack_integrations.components.retrievers.senseweave.sources import RetrieverView

import senseweave as sw
from senseweave.interop import (
    PROBES,
    Modality,
    Sample,
    Statistics,
    StoreRanking,
    StoreStatistics,
    background,
    in_thread,
    list_name,
    read_metadata,
)

SAMPLE = 1024
"""Largest number of Documents of a list that its statistics are estimated from."""


class RetrieverLists:
    """The lists that one query is ranked over: each retriever, or each modality of each retriever.

    A retriever cannot say how many Documents it has, so that an estimate of a list's statistics is kept until `close`.
    """

    def __init__(
        self,
        retrievers: Mapping[str, EmbeddingRetriever],
        embedders: TextEmbedder | Mapping[str, TextEmbedder],
        modalities: Collection[Modality] | None,
        statistics: Mapping[str, dict[str, Any]],
        *,
        auto_calibrate: bool,
    ) -> None:
        """Take what `SenseweaveMultimodalRetriever` takes."""
        self._statistics = statistics
        self._auto_calibrate = auto_calibrate
        views = [
            RetrieverView(
                name, retriever, embedders[name] if isinstance(embedders, Mapping) else embedders, self._estimate
            )
            for name, retriever in retrievers.items()
        ]
        self.ranking = StoreRanking(views, modalities or None)
        self._lists: dict[str, tuple[RetrieverView, Modality | None]] = {
            list_name(view.name, modality): (view, modality) for view in views for modality in modalities or (None,)
        }
        parts = [*(view.embedder for view in views), *retrievers.values()]
        self._parts: list[Any] = list({id(part): part for part in parts}.values())
        self._estimates = StoreStatistics[str](self._sample, self._probes, documents_like=self._documents_like)
        self._documents: dict[str, list[Document]] = {}
        self._probed: dict[str, np.ndarray] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the lists."""
        return tuple(self._lists)

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
                await in_thread(part.warm_up)

    def close(self) -> None:
        """Close retrievers and embedders, and forget what was estimated of their lists."""
        self._estimates.clear()
        self._documents.clear()
        for part in self._parts:
            if hasattr(part, "close"):
                part.close()

    def calibrate(self, name: str, documents: list[Document], queries: list[str] | None) -> dict[str, Any]:
        """Return the statistics of a list as plain numbers, estimated from Documents with embeddings.

        :param name: Of the list.
        :param documents: A sample of its Documents.
        :param queries: Questions that have nothing to do with most Documents; general phrases if None.
        :returns: The statistics.
        :raises ValueError: If there is no such list, or the Documents lack embeddings.
        """
        if name not in self._lists:
            msg = f"{name!r} is none of the lists {', '.join(self._lists)}"
            raise ValueError(msg)
        vectors = [document.embedding for document in documents if document.embedding is not None]
        if not vectors:
            msg = f"the Documents of {name!r} have no embeddings; put them through a document embedder first"
            raise ValueError(msg)
        embedded = _embed(self._lists[name][0], queries) if queries else self._probes(name)
        return background(embedded, np.asarray(vectors)).to_dict()

    def _estimate(self, store: str, modality: Modality | None, query_modality: Modality) -> Statistics | None:
        """Return the statistics of a list that were given, or else an estimate; None where it gives no embeddings."""
        name = list_name(store, modality)
        if query_modality == "text" and name in self._statistics:
            return Statistics.from_dict(self._statistics[name])
        return self._estimates.of(name, query_modality) if self._auto_calibrate else None

    def _sample(self, name: str) -> Sample:
        documents = self._nearest(name)
        return np.asarray([document.embedding for document in documents]), len(documents)

    def _documents_like(self, name: str, modality: Modality) -> np.ndarray:
        """Return embeddings of Documents of a modality, from all lists, that are as long as those of one list."""
        lengths = {len(document.embedding or []) for document in self._nearest(name)}
        documents = [document for other in self._lists for document in self._nearest(other)]
        alike = [entry.embedding for entry in documents if read_metadata(entry.meta).modality == modality]
        return np.asarray([embedding for embedding in alike if embedding is not None and len(embedding) in lengths])

    def _nearest(self, name: str) -> list[Document]:
        """Return Documents of a list that come with embeddings; asked for again while the list is empty."""
        if not self._documents.get(name):
            view, modality = self._lists[name]
            centre = self._probes(name).mean(axis=0)
            self._documents[name] = view.documents(centre, SAMPLE, modality, None, with_vectors=True)
        return [document for document in self._documents[name] if document.embedding is not None]

    def _probes(self, name: str) -> np.ndarray:
        view, _ = self._lists[name]
        if view.space not in self._probed:
            self._probed[view.space] = _embed(view, PROBES)
        return self._probed[view.space]


def _embed(view: RetrieverView, texts: Collection[str]) -> np.ndarray:
    return np.asarray(view.embed([sw.Text(text) for text in texts]))
