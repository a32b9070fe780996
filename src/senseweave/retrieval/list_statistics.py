"""Statistics of lists that can be asked but not read: given, or estimated from what they answer to general phrases."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Final

import numpy as np

from senseweave.media import MODALITIES, Modality, Text
from senseweave.retrieval.calibration.probes import embed_probes
from senseweave.retrieval.calibration.statistics import Statistics, background
from senseweave.retrieval.calibration.store_statistics import Sample, StoreStatistics
from senseweave.retrieval.records.schema import read_metadata
from senseweave.retrieval.store_ranking import StoreView, list_name

SAMPLE: Final = 1024
"""Largest number of records of a list that its statistics are estimated from."""


class ListStatistics:
    """What is known of similarities in each list of some stores: every store is a list, or every modality of it.

    A search may ask for other modalities than those; their lists are known as soon as they are asked for. Nothing says
    when such a store has changed, so that estimates are kept until `clear`.
    """

    def __init__(
        self,
        views: Sequence[StoreView],
        modalities: Collection[Modality] | None,
        given: MutableMapping[str, dict[str, Any]],
        *,
        estimate: bool = True,
    ) -> None:
        """Tell views what is known of their lists.

        Args:
            views: The stores.
            modalities: Each is a list of its own; None where every store is a single list.
            given: Statistics as plain numbers by the name of the list; `learn` adds to them.
            estimate: Whether what is not given is estimated when it is first needed.
        """
        lists = [(view, modality) for view in views for modality in modalities or (None,)]
        self._lists = {list_name(view.name, modality): (view, modality) for view, modality in lists}
        modes = (None, *MODALITIES)
        every = {list_name(view.name, modality): (view, modality) for view in views for modality in modes}
        self._every = every | self._lists
        self._given = given
        self._estimate = estimate
        self._estimates = StoreStatistics[str](self._sample, self._phrases, documents_like=self._documents_like)
        self._records: dict[str, list[tuple[Modality, np.ndarray]]] = {}
        self._embedded: dict[str, np.ndarray] = {}
        for view in views:
            view.known = self.statistics

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the lists."""
        return tuple(self._lists)

    def statistics(self, name: str, query_modality: Modality) -> Statistics | None:
        """Return the statistics of a list that were given, or else an estimate; None where it gives no vectors."""
        if query_modality == "text" and name in self._given:
            return Statistics.from_dict(self._given[name])
        return self._estimates.find(name, query_modality) if self._estimate else None

    def learn(self, samples: Mapping[str, Sequence[Any]], queries: Collection[str] | None = None) -> None:
        """Estimate the statistics of lists from samples of their vectors, and keep them with those that were given.

        Args:
            samples: Vectors by the name of the list.
            queries: Questions that have nothing to do with most records; general phrases if None.

        Raises:
            ValueError: If there is no such list, or no vector; nothing is kept then.
        """
        learned = {}
        for name, vectors in samples.items():
            if name not in self._lists:
                msg = f"{name!r} is none of the lists {', '.join(self._lists)}"
                raise ValueError(msg)
            if not len(vectors):
                msg = f"none of the records of {name!r} has an embedding; put them through an embedder first"
                raise ValueError(msg)
            view, _ = self._lists[name]
            embedded = _embed(view, queries) if queries else self._phrases(name)
            learned[name] = background(embedded, np.asarray(vectors)).to_dict()
        self._given.update(learned)

    def clear(self) -> None:
        """Forget what was estimated."""
        self._estimates.clear()
        self._records.clear()

    def _sample(self, name: str) -> Sample:
        vectors = [vector for _, vector in self._nearest(name)]
        return np.asarray(vectors), len(vectors)

    def _documents_like(self, name: str, modality: Modality) -> np.ndarray:
        """Return vectors of records of a modality, from all lists, that are as long as those of one list."""
        lengths = {vector.size for _, vector in self._nearest(name)}
        vectors = [vector for other in self._lists for found, vector in self._nearest(other) if found == modality]
        return np.asarray([vector for vector in vectors if vector.size in lengths])

    def _nearest(self, name: str) -> list[tuple[Modality, np.ndarray]]:
        """Return the modalities of records of a list, with their vectors; asked for again while the list is empty."""
        if name in self._records:
            return self._records[name]
        view, modality = self._every[name]
        phrases = self._phrases(name)
        if not len(phrases):
            return []
        found = view.find_with_vectors(phrases.mean(axis=0), SAMPLE, modality)
        nearest = [(read_metadata(each.metadata).modality, each.vector) for each in found if each.vector is not None]
        if found:
            self._records[name] = nearest
        return nearest

    def _phrases(self, name: str) -> np.ndarray:
        view, _ = self._every[name]
        if view.space not in self._embedded:
            self._embedded[view.space] = embed_probes(view.embed_phrases)
        return self._embedded[view.space]


def _embed(view: StoreView, texts: Iterable[str]) -> np.ndarray:
    return np.asarray(view.embed_phrases([Text(text) for text in texts]), np.float32)
