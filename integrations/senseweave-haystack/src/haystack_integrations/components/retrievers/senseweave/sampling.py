# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""What a retriever can tell of the similarities in its list: a sample of its Documents, and general phrases."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from haystack import Document
from haystack_integrations.components.retrievers.senseweave.sources import NOT_TEXT, RetrieverSource

from senseweave.interop import PROBES, Modality, Sample, Statistics, StoreStatistics, background

SAMPLE = 1024
"""Largest number of Documents of a list that its statistics are estimated from."""


class SampledStatistics:
    """The statistics of lists, estimated when they are first needed.

    A retriever cannot say how many Documents it has, so that an estimate is kept until `clear`.
    """

    def __init__(self, sources: Mapping[str, RetrieverSource]) -> None:
        """Take the lists by name."""
        self._sources = sources
        self._estimated = StoreStatistics[str](self._sample, self._probes, documents_like=self._documents_like)
        self._documents: dict[str, list[Document]] = {}
        self._probed: dict[str, np.ndarray] = {}

    def estimate(self, name: str, query_modality: Modality) -> Statistics | None:
        """Return the statistics of a list for queries of a modality; None where it returns no embeddings."""
        return self._estimated.of(name, query_modality)

    def calibrate(self, name: str, documents: list[Document], queries: list[str] | None) -> dict[str, Any]:
        """Return the statistics of a list as plain numbers, estimated from Documents with embeddings.

        :param name: Of the list.
        :param documents: A sample of its Documents.
        :param queries: Questions that have nothing to do with most Documents; general phrases if None.
        :returns: The statistics.
        :raises ValueError: If there is no such list, or the Documents lack embeddings.
        """
        if name not in self._sources:
            msg = f"{name!r} is none of the lists {', '.join(self._sources)}"
            raise ValueError(msg)
        vectors = [document.embedding for document in documents if document.embedding is not None]
        if not vectors:
            msg = f"the Documents of {name!r} have no embeddings; put them through a document embedder first"
            raise ValueError(msg)
        embedded = _embed(self._sources[name], queries) if queries else self._probes(name)
        return background(embedded, np.asarray(vectors)).to_dict()

    def clear(self) -> None:
        """Forget every estimate and sample."""
        self._estimated.clear()
        self._documents.clear()

    def _sample(self, name: str) -> Sample:
        documents = self._nearest(name)
        return np.asarray([document.embedding for document in documents]), len(documents)

    def _documents_like(self, name: str, modality: Modality) -> np.ndarray:
        """Return embeddings of Documents of a modality, from all lists, that are as long as those of one list."""
        lengths = {len(document.embedding or []) for document in self._nearest(name)}
        alike = [
            document.embedding
            for other in self._sources
            for document in self._nearest(other)
            if modality == (document.meta["modality"] if document.meta.get("modality") in NOT_TEXT else "text")
        ]
        return np.asarray([embedding for embedding in alike if embedding is not None and len(embedding) in lengths])

    def _nearest(self, name: str) -> list[Document]:
        """Return Documents of a list that come with embeddings; asked for again while the list is empty."""
        if not self._documents.get(name):
            centre = self._probes(name).mean(axis=0)
            self._documents[name] = self._sources[name].documents(centre, SAMPLE, with_vectors=True)
        return [document for document in self._documents[name] if document.embedding is not None]

    def _probes(self, name: str) -> np.ndarray:
        source = self._sources[name]
        if source.space not in self._probed:
            self._probed[source.space] = _embed(source, list(PROBES))
        return self._probed[source.space]


def _embed(source: RetrieverSource, texts: list[str]) -> np.ndarray:
    return np.asarray([source.embedder.run(text=text)["embedding"] for text in texts])
