"""The words of a collection as a source of a ranking: found by words, looked up in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

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

SCORED: Final = 200
"""Matches whose scores are added to those of vectors; what words match less is below chance."""
GROWTH: Final = 4
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
        self.pair = description.name
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
        self._found: list[tuple[str, float]] = []
        self._asked = 0

    def query(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Return the `k` records whose words match best, best first, with their cosine similarities to the vector."""
        # Under a filter many are looked up for few, and the vectors would be most of the work.
        at_once = self._condition is None
        matching: list[tuple[str, float]] = []
        records: dict[str, StoredRecord] = {}
        looked_up, size = 0, k
        while True:
            found = self._best(size)
            records |= self._look_up([identifier for identifier, _ in found[looked_up:]], vectors=at_once)
            matching = [(identifier, score) for identifier, score in found if identifier in records]
            looked_up = len(found)
            if len(matching) >= k or len(found) < size:
                break
            size *= GROWTH
        if not at_once:
            records = self._look_up([identifier for identifier, _ in matching[:k]], vectors=True)
        return [
            _candidate(records[identifier], score, vector, with_vector=with_vectors)
            for identifier, score in matching[:k]
            if identifier in records
        ]

    def word_scores(self) -> Mapping[str, float]:
        """Return the scores of the records that the words match best, by id, whether they match the filter or not."""
        return dict(self._best(SCORED))

    def statistics(self, query_modality: Modality) -> Statistics | None:
        """Return what unrelated queries find by words, with what users' labels say of calibrated scores."""
        if self._known is None:
            return None
        cell = self._calibration.statistics(self._description, query_modality)
        return replace(self._known, slope=cell.slope, intercept=cell.intercept) if cell is not None else self._known

    def is_empty(self) -> bool:
        """Return whether no record of the collection has words."""
        return self._known is None

    def _best(self, count: int) -> list[tuple[str, float]]:
        """Return the ids and scores of the best matches, which are searched for once."""
        if count > self._asked:
            self._asked = max(count, SCORED)
            self._found = self._words.search(self._description.name, self._terms, self._asked)
        return self._found[:count]

    def _look_up(self, ids: Sequence[str], *, vectors: bool) -> dict[str, StoredRecord]:
        found = self._collections.get(self._description, ids=ids, condition=self._condition, vectors=vectors)
        return {record.id: record for record in found}


def _candidate(record: StoredRecord, score: float, query: np.ndarray, *, with_vector: bool) -> Candidate:
    kept = record.vector if with_vector else None
    cosine = _cosine(query, record.vector)
    return Candidate(record.id, record.metadata, record.text, score, kept, cosine=cosine)


def _cosine(query: np.ndarray, vector: np.ndarray | None) -> float | None:
    """Return the cosine similarity of a unit vector and the vector of a record; None where there is none of either."""
    if vector is None or vector.size != query.size:
        return None
    return float(query @ vector / max(float(np.linalg.norm(vector)), 1e-12))


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


def query_words(query: Query | None) -> tuple[list[Term], float]:
    """Return the terms of the texts in a query, without those that it counts against, and their weight.

    A query that is known by its vectors alone has no words.
    """
    if query is None:
        return [], 0.0
    texts = [(media, weight) for media, weight in query.parts if media.modality == "text" and weight > 0]
    terms = [term for media, _ in texts for term in parse_words(str(media.decode()))]
    return list(dict.fromkeys(terms)), sum(weight for _, weight in texts)
