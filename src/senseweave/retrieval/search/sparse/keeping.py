"""The sparse spaces of an index: their vectors follow the records, and rank them beside the vectors of dense spaces."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from senseweave.forking import RLock
from senseweave.retrieval.calibration.cells import Calibration
from senseweave.retrieval.index_spaces import IndexSpaces
from senseweave.retrieval.records.schema import Record, record_source
from senseweave.retrieval.search.request import SearchRequest
from senseweave.retrieval.search.sparse.base import SparseVectorsOfSpace
from senseweave.retrieval.search.sparse.space_vectors import SpaceVectors
from senseweave.retrieval.search.sparse.store_vectors import StoreVectors
from senseweave.retrieval.search.words.found_by_words import query_texts
from senseweave.retrieval.search.words.word_source import WordSource
from senseweave.retrieval.stores.base import SparseVectors
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
        self._kept: dict[RecordedSparse, SparseVectorsOfSpace] = {}
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
            with contextlib.ExitStack() as following:
                faults = [following.enter_context(vectors.writing(collection, records, ids)) for vectors in kept]
                yield
            sources = {record.id: record_source(record.id, record.metadata) for record in records}
            for vectors, reasons in zip(kept, faults, strict=True):
                for identifier, reason in reasons.items():
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
            space = vectors.load()
            rows = space.compared(space.embed_text([text for text, _ in texts], role="query"))
            search = vectors.search(rows.T @ np.array([part / weight for _, part in texts]))
            for description in self._collections.descriptions.values():
                if description.modality not in request.modalities:
                    continue
                found.append(
                    WordSource(
                        space.name,
                        partial(search.best, description.name),
                        self._collections,
                        calibration,
                        description,
                        request.condition,
                        weight,
                        search.statistics(description.name),
                    )
                )
        return found

    def close(self) -> None:
        """Close the files."""
        with self._guard:
            for vectors in self._kept.values():
                vectors.close()

    def _all(self) -> list[SparseVectorsOfSpace]:
        recorded = self._collections.sparse
        if not recorded:
            return []
        with self._guard:
            for known in recorded:
                if known not in self._kept:
                    load = partial(self._load, known.space)
                    self._kept[known] = self._open(load, known.fingerprint)
            return [self._kept[known] for known in recorded]

    def _open(self, load: Callable[[], SparseSpace], fingerprint: str) -> SparseVectorsOfSpace:
        """Return the vectors of a space: in the index's folder, in its store where that keeps them, else in memory."""
        store = self._collections.store
        if store.folder is None and isinstance(store, SparseVectors) and store.keeps_sparse:
            return StoreVectors(load, fingerprint, self._collections)
        return SpaceVectors(load, fingerprint, self._collections)

    def _load(self, name: str) -> SparseSpace:
        return next(space for space in self._spaces.load_sparse() if space.name == name)
