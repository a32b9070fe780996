# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""What similarities mean in each list of Documents, estimated from a sample that the list's retriever returns."""

from collections.abc import Callable, Mapping, Sequence
from threading import Lock

import numpy as np
from haystack import Document

from senseweave.media import Modality
from senseweave.retrieval import Statistics, background

SAMPLE = 1024
"""Most Documents of a list that are looked at."""


class Backgrounds:
    """Statistics by list and modality of the query, estimated when they are first needed and then kept."""

    def __init__(
        self, sample: Callable[[str, list[float]], list[Document]], probes: Callable[[str], np.ndarray]
    ) -> None:
        """Create the collection.

        :param sample: From the name of a list and an embedding to the `SAMPLE` Documents that are nearest to it.
        :param probes: From the name of a list to embeddings of questions, shape (q, dimension), that have nothing to do
            with most Documents.
        """
        self._sample = sample
        self._probes = probes
        self._samples: dict[str, list[Document]] = {}
        self._known: dict[tuple[str, Modality], Statistics] = {}
        self._lock = Lock()

    def clear(self) -> None:
        """Forget everything; the next query estimates anew."""
        with self._lock:
            self._samples.clear()
            self._known.clear()

    def of(self, names: Sequence[str], modality: Modality) -> Mapping[str, Statistics]:
        """Return what is known of queries of one modality.

        :param names: The lists.
        :param modality: What the query is.
        :returns: Statistics by list, without the lists that are empty or whose retriever returns no embeddings.
        """
        with self._lock:
            for name in names:
                if (name, modality) not in self._known:
                    self._estimate(name, names, modality)
            return {name: self._known[name, modality] for name in names if (name, modality) in self._known}

    def _estimate(self, name: str, names: Sequence[str], modality: Modality) -> None:
        documents = self._documents(name)
        if not documents:
            return
        if modality == "text":
            queries = self._probes(name)
        else:
            # Documents of the query's modality stand for queries, as far as they have the same length.
            length = len(documents[0].embedding or [])
            alike = [one for other in names for one in self._documents(other) if one.meta.get("modality") == modality]
            vectors = [one.embedding for one in alike if one.embedding is not None and len(one.embedding) == length]
            if not vectors:
                return
            queries = np.asarray(vectors)
        self._known[name, modality] = background(queries, np.asarray([one.embedding for one in documents]))

    def _documents(self, name: str) -> list[Document]:
        """Return Documents of a list that have embeddings; asked for again as long as there are none."""
        if not self._samples.get(name):
            centre = self._probes(name).mean(axis=0)
            self._samples[name] = [one for one in self._sample(name, centre.tolist()) if one.embedding is not None]
        return self._samples[name]
