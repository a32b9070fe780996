"""The sparse spaces of an index: their vectors follow the records, and rank them beside the vectors of dense spaces."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from senseweave.forking import RLock
from senseweave.retrieval.calibration.cells import Calibration
from senseweave.retrieval.index_spaces import IndexSpaces
from senseweave.retrieval.records.schema import Record, record_source
from senseweave.retrieval.search.request import SearchRequest
from senseweave.retrieval.search.sparse.scoring import for_scores
from senseweave.retrieval.search.sparse.space_vectors import SpaceVectors
from senseweave.retrieval.search.words.found_by_words import query_texts
from senseweave.retrieval.search.words.word_source import WordSource
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.description import RecordedSparse
from senseweave.spaces.sparse_space import SparseSpace


class KeptSparse:
    """The vectors of every sparse space of an index. Safe to use from several threads."""

    def __init__(self, collections: Collections, spaces: IndexSpaces) -> None:
        """Keep the vectors of collections, which tell of their changes; nothing is opened yet."""
        self._collections = collections
        self._spaces = spaces
        self._guard = RLock()
        self._kept: dict[RecordedSparse, SpaceVectors] = {}
        self._notes: dict[str, tuple[str, ...]] = {}
        collections.observers.append(self)

    def begin(self) -> None:
        """Note for an index without records that nothing is to be embedded."""
        for vectors in self._all():
            vectors.begin()

    @contextlib.contextmanager
    def writing(self, collection: str, records: Sequence[Record], ids: Sequence[str]) -> Iterator[None]:
        """Follow a change of a collection, which is made inside."""
        kept = self._all()
        if not kept:
            yield
            return
        with self._collections.store.writing():
            before = [vectors.stamp() for vectors in kept]
            yield
            known = any(description.name == collection for description in self._collections.descriptions.values())
            for vectors, stamp in zip(kept, before, strict=True):
                faults = vectors.follow(collection, records if known else (), ids if known else (), stamp)
                sources = {record.id: record_source(record.id, record.metadata) for record in records}
                for identifier, reason in faults.items():
                    note = f"{vectors.load().name}: {reason}"
                    self._notes[sources[identifier]] = (*self._notes.get(sources[identifier], ()), note)

    def take_notes(self) -> dict[str, tuple[str, ...]]:
        """Return by source why texts have no vectors, once."""
        notes, self._notes = self._notes, {}
        return notes

    def sources(self, calibration: Calibration, request: SearchRequest) -> list[WordSource]:
        """Return the collections that a search is about as lists of sparse spaces; none if its query has no text.

        Method `none` compares nothing but cosine similarities: it has none of these lists.
        """
        kept = self._all()
        texts = query_texts(request.query)
        if not kept or not texts or request.plan.method == "none":
            return []
        weight = sum(part for _, part in texts)
        found = []
        for vectors in kept:
            space, table = vectors.load(), vectors.table()
            rows = space.compared(space.embed_text([text for text, _ in texts], role="query"))
            scores = table.scores(rows.T @ np.array([part / weight for _, part in texts]))
            for description in self._collections.descriptions.values():
                if description.modality not in request.modalities:
                    continue
                known = vectors.statistics(description.name, table)
                if known is not None:
                    known = for_scores(known, table.collection_scores(description.name, scores))
                search = partial(table.best, description.name, scores)
                found.append(
                    WordSource(
                        space.name,
                        search,
                        self._collections,
                        calibration,
                        description,
                        request.condition,
                        weight,
                        known,
                    )
                )
        return found

    def close(self) -> None:
        """Close the files."""
        with self._guard:
            for vectors in self._kept.values():
                vectors.close()

    def _all(self) -> list[SpaceVectors]:
        recorded = self._collections.sparse
        if not recorded:
            return []
        with self._guard:
            for known in recorded:
                if known not in self._kept:
                    load = partial(self._load, known.space)
                    self._kept[known] = SpaceVectors(load, known.fingerprint, self._collections)
            return [self._kept[known] for known in recorded]

    def _load(self, name: str) -> SparseSpace:
        return next(space for space in self._spaces.load_sparse() if space.name == name)
