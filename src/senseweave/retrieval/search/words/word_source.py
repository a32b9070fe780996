"""The words of a collection as a source of a ranking: found by words, looked up in the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

from senseweave.media import Modality
from senseweave.retrieval.calibration.cells import Calibration
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.search.request import SearchRequest
from senseweave.retrieval.search.source import Candidate
from senseweave.retrieval.search.words.base import IndexWords
from senseweave.retrieval.search.words.found_by_words import FoundByWords, query_words
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import Condition
from senseweave.retrieval.stores.description import Description


class WordSource(FoundByWords):
    """One collection of an index, searched by the words of a query under a filter."""

    def __init__(
        self,
        name: str,
        search: Callable[[int], list[tuple[str, float]]],
        collections: Collections,
        calibration: Calibration,
        description: Description,
        condition: Condition | None,
        weight: float,
        known: Statistics | None,
    ) -> None:
        """Search the words of a collection.

        Args:
            name: Of what searches, beside the collection's name.
            search: Returns the ids of as many records as are asked for, those that match best, with their scores.
            collections: Of the index.
            calibration: Of the index, for what users' labels say of scores.
            description: Of the collection.
            condition: That records must match; None for all.
            weight: Of the query's words, among its parts.
            known: The statistics of the collection's words; None if it has none.
        """
        self.name = f"{description.name} ({name})"
        self.pair = description.name
        self.space = description.space
        self.modality = description.modality
        self.weight = weight
        self._search = search
        self._collections = collections
        self._calibration = calibration
        self._description = description
        self._condition = condition
        self._known = known
        self.is_filtered = condition is not None

    def matching_ids(self, most: int) -> Collection[str] | None:
        """Return the ids of all records that match the filter; None if they are more than `most`."""
        return self._collections.matching_ids(self._description, self._condition, most)

    def statistics(self, query_modality: Modality) -> Statistics | None:
        """Return what unrelated queries find by words, with what users' labels say of calibrated scores."""
        if self._known is None:
            return None
        cell = self._calibration.statistics(self._description, query_modality)
        return replace(self._known, slope=cell.slope, intercept=cell.intercept) if cell is not None else self._known

    def is_empty(self) -> bool:
        """Return whether no record of the collection has words."""
        return self._known is None

    def search_words(self, k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` records that match best, filtered or not, with their scores, best first."""
        return self._search(k)

    def look_up(self, ids: Sequence[str], *, vectors: bool) -> dict[str, Candidate]:
        """Return by id those of some records that exist and match the filter."""
        found = self._collections.get(self._description, ids=ids, condition=self._condition, vectors=vectors)
        return {record.id: Candidate(record.id, record.metadata, record.text, 0.0, record.vector) for record in found}


def word_sources(
    words: IndexWords, collections: Collections, calibration: Calibration, request: SearchRequest
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
            "words",
            partial(words.search, description.name, terms),
            collections,
            calibration,
            description,
            request.condition,
            weight,
            index.statistics(description.name),
        )
        for description in collections.descriptions.values()
        if description.modality in request.modalities
    ]
