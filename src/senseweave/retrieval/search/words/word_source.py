"""The words of a collection as a source of a ranking: found by words, looked up in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from senseweave.media import Modality
from senseweave.retrieval.calibration.cells import Calibration
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.query import Query
from senseweave.retrieval.search.request import SearchRequest
from senseweave.retrieval.search.source import Candidate, RankingSource
from senseweave.retrieval.search.words.keeping import KeptWords
from senseweave.retrieval.search.words.tokens import Term, parse_words
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import Condition
from senseweave.retrieval.stores.description import Description

GROWTH = 4
"""Factor by which more is read where the store has only some of what the words found, under the filter."""


class WordSource(RankingSource):
    """One collection of an index, searched by the words of a query under a filter.

    The store decides: what has gone from it, or does not match the filter, is no candidate.
    """

    by_words = True

    def __init__(
        self,
        words: KeptWords,
        collections: Collections,
        calibration: Calibration,
        description: Description,
        condition: Condition | None,
        terms: Sequence[Term],
        weight: float,
        known: Statistics | None,
    ) -> None:
        """Search the words of a collection.

        Args:
            words: Of the index.
            collections: Of the index.
            calibration: Of the index, for what users' labels say of scores.
            description: Of the collection.
            condition: That records must match; None for all.
            terms: Of the query.
            weight: Of the query's words, among its parts.
            known: The statistics of the collection's words; None if it has none.
        """
        self.name = f"{description.name} (words)"
        self.space = description.space
        self.modality = description.modality
        self.weight = weight
        self._words = words
        self._collections = collections
        self._calibration = calibration
        self._description = description
        self._condition = condition
        self._terms = terms
        self._known = known

    def query(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Return the `k` records whose words match best, best first; the vector is not used."""
        del vector
        candidates: list[Candidate] = []
        looked_up = 0
        size = k
        while True:
            found = self._words.search(self._description.name, self._terms, size)
            new = found[looked_up:]
            records = self._look_up([identifier for identifier, _ in new], with_vectors=with_vectors)
            for identifier, score in new:
                if (record := records.get(identifier)) is not None:
                    candidates.append(Candidate(identifier, record.metadata, record.text, score, record.vector))
            looked_up = len(found)
            if len(candidates) >= k or len(found) < size:
                return candidates[:k]
            size *= GROWTH

    def statistics(self, query_modality: Modality) -> Statistics | None:
        """Return what unrelated queries find by words, with what users' labels say of calibrated scores."""
        if self._known is None:
            return None
        cell = self._calibration.statistics(self._description, query_modality)
        return replace(self._known, slope=cell.slope, intercept=cell.intercept) if cell is not None else self._known

    def is_empty(self) -> bool:
        """Return whether no record of the collection has words."""
        return self._known is None

    def _look_up(self, ids: Sequence[str], *, with_vectors: bool) -> dict[str, StoredRecord]:
        found = self._collections.get(self._description, ids=ids, condition=self._condition, vectors=with_vectors)
        return {record.id: record for record in found}


def word_sources(
    words: KeptWords, collections: Collections, calibration: Calibration, request: SearchRequest
) -> list[WordSource]:
    """Return the words of the collections that a search is about; none if its query has no words.

    Raises:
        StoreError: If the index of words cannot be made.
    """
    terms, weight = query_words(request.query)
    if not terms:
        return []
    index = words.current()
    return [
        WordSource(
            words,
            collections,
            calibration,
            description,
            request.condition,
            terms,
            weight,
            index.statistics(description.name),
        )
        for description in collections.descriptions.values()
        if description.modality in request.modalities
    ]


def query_words(query: Query) -> tuple[list[Term], float]:
    """Return the terms of the texts in a query, without those that it counts against, and their weight."""
    texts = [(media, weight) for media, weight in query.parts if media.modality == "text" and weight > 0]
    terms = [term for media, _ in texts for term in parse_words(str(media.decode()))]
    return list(dict.fromkeys(terms)), sum(weight for _, weight in texts)
