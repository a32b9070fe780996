"""A collection of the index as a source of a ranking, and all sources of the content that a search found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from senseweave.media import Modality
from senseweave.retrieval.calibration.cells import Calibration
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.hits import Hit
from senseweave.retrieval.records.identity import content_key
from senseweave.retrieval.records.schema import read_metadata
from senseweave.retrieval.search.source import Candidate, RankingSource
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import Condition, any_of
from senseweave.retrieval.stores.copies import holds_copies, may_have_copies
from senseweave.retrieval.stores.description import Description


class CollectionSource(RankingSource):
    """One collection of an index, under a filter."""

    def __init__(
        self,
        collections: Collections,
        calibration: Calibration,
        description: Description,
        condition: Condition | None,
    ) -> None:
        """Search the collection of a description, limited to records that match a condition."""
        self.name = description.name
        self.space = description.space
        self.modality = description.modality
        self._collections = collections
        self._calibration = calibration
        self.description = description
        self._condition = condition
        self._is_empty: bool | None = None

    def query(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Return the `k` records nearest to a unit vector, nearest first."""
        (found,) = self.query_all(vector[None], k, with_vectors=with_vectors)
        return found

    def query_all(self, vectors: np.ndarray, k: int, *, with_vectors: bool) -> list[list[Candidate]]:
        """Return what `query` returns for each of some unit vectors, shape (n, dimension), asked for at once."""
        lists = self._collections.query(
            self.description, vectors, k, condition=self._condition, with_vectors=with_vectors
        )
        return [
            [Candidate(record.id, record.metadata, record.text, record.similarity, record.vector) for record in records]
            for records in lists
        ]

    def statistics(self, query_modality: Modality) -> Statistics | None:
        """Return the calibration of the cell, or None."""
        return self._calibration.statistics(self.description, query_modality)

    def is_empty(self) -> bool:
        """Return whether the collection holds no records; False where it has statistics, and only a search would tell.

        It is counted once.
        """
        if self._calibration.has_statistics(self.description):
            return False
        if self._is_empty is None:
            self._is_empty = self._collections.count(self.description) == 0
        return self._is_empty


def with_all_sources(collections: Collections, hits: Sequence[Hit], searched: Sequence[Description]) -> list[Hit]:
    """Attach to each hit all sources of its content, its own first and then the first added.

    Args:
        collections: Of the index.
        hits: Of a search.
        searched: The collections that they are from.
    """
    sources: dict[object, list[tuple[float, str, str]]] = {}
    for description in searched:
        if not holds_copies(description):
            continue
        key = description.space, description.modality
        contents = {hit.sha256 for hit in hits if (hit.space, hit.modality) == key and hit.sha256}
        hashes = [sha256 for sha256 in contents if may_have_copies(description, sha256)]
        for condition in any_of("sha256", sorted(hashes)):
            for record in collections.get(description, condition=condition):
                provenance = read_metadata(record.metadata)
                place = provenance.added_at or 0.0, provenance.source or record.id, provenance.part or ""
                sources.setdefault((key, content_key(provenance, record.text)), []).append(place)
    return [_with_sources(hit, sources) for hit in hits] if sources else list(hits)


def _with_sources(hit: Hit, sources: Mapping[object, Sequence[tuple[float, str, str]]]) -> Hit:
    """Attach to a hit the sources of its content: when each was added, its name and the path inside it."""
    found = sources.get(((hit.space, hit.modality), content_key(hit.provenance, hit.text)))
    if found is None:
        return hit
    others = sorted(found, reverse=True)
    parts = {source: part for _, source, part in others if part}
    names = [source for _, source, _ in reversed(others)]
    return replace(hit, sources=tuple(dict.fromkeys([hit.source, *names, *hit.sources])), parts=parts)


def collection_sources(
    store: Collections, calibration: Calibration, modalities: Collection[Modality], condition: Condition | None
) -> list[CollectionSource]:
    """Return the collections of an index that hold records of some modalities, as sources under one condition."""
    return [
        CollectionSource(store, calibration, description, condition)
        for description in store.descriptions.values()
        if description.modality in modalities
    ]


def equal_content(collections: Collections, description: Description, ids: Sequence[str]) -> list[str]:
    """Return the ids of some records of a collection, and of all others of the same content."""
    named = list(collections.get(description, ids=ids))
    contents = {content_key(read_metadata(record.metadata), record.text) for record in named} - {None}
    hashes = {str(record.metadata["sha256"]) for record in named if "sha256" in record.metadata}
    found = {record.id: None for record in named}
    for condition in any_of("sha256", sorted(hashes)):
        for record in collections.get(description, condition=condition):
            if content_key(read_metadata(record.metadata), record.text) in contents:
                found[record.id] = None
    return list(found)
