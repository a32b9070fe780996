"""The collections of one index in a vector store: one for each space and modality, each with its description."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from senseweave.errors import FingerprintError, StoreError
from senseweave.forking import RLock
from senseweave.media import Modality
from senseweave.media.forms.local_names import source_path, stored_name
from senseweave.retrieval.records.conversion import convert_old
from senseweave.retrieval.records.folders import below, folder_values, has_folders, is_below, without_folders
from senseweave.retrieval.records.schema import Record, read_metadata, record_source
from senseweave.retrieval.stores.base import StoredRecord, VectorStore
from senseweave.retrieval.stores.conditions import NAMES, Condition, any_of, divide, matches
from senseweave.retrieval.stores.copies import copied_contents, note_copies
from senseweave.retrieval.stores.description import Description, Key, RecordedSparse, collection_name

PAGE = 1000
"""Records that are listed at a time."""


class Named(Protocol):
    """A collection by its name, such as a `Description`."""

    @property
    def name(self) -> str:
        """Of the collection in the store."""


class Observer(Protocol):
    """Whoever keeps something beside the records that has to follow them."""

    def writing(self, collection: str, records: Sequence[Record], ids: Sequence[str]) -> AbstractContextManager[None]:
        """Follow a change of a collection, which is made inside: records that are written, and ids that are removed."""


class Collections:
    """The collections of one index. Safe to use from several threads."""

    def __init__(self, store: VectorStore, *, prefix: str = "") -> None:
        """Read which collections of a store belong to an index.

        Args:
            store: Where they are.
            prefix: Put before collection names, so that several indexes can share a store.
        """
        self.store = store
        self.prefix = prefix
        self._guard = RLock()
        self._version = -1
        self._writers = 0
        self._descriptions: dict[Key, Description] = {}
        self._closed = False
        self.observers: list[Observer] = []
        self.refresh()

    @property
    def descriptions(self) -> dict[Key, Description]:
        """The collections of the index, read again if another process has written since.

        While this index writes they stay the same objects, which the writer changes before it saves them.
        """
        with self._guard:
            if not self._closed and not self._writers and self.store.version != self._version:
                self.refresh()
            return self._descriptions

    def holds(self, name: str) -> bool:
        """Return whether a collection of the store is one of these, by its name."""
        return any(description.name == name for description in self.descriptions.values())

    def refresh(self) -> None:
        """Read again which collections there are."""
        with self._guard:
            version = self.store.version
            found = {}
            for name, values in self.store.collections().items():
                # The whole name, not its beginning: indexes with other prefixes may share the store.
                space, modality = str(values.get("space", "")), str(values.get("modality", ""))
                if "senseweave" in values and name == collection_name(self.prefix, space, modality):
                    description = Description.from_metadata(name, values)
                    found[description.space, description.modality] = description
            self._descriptions = found
            self._version = version

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer where the store does not order writes itself, and know what others wrote before.

        Collections that version 0.1 wrote are converted first.

        Raises:
            StoreError: If another process keeps the lock for longer than the timeout.
        """
        with self.store.writing():
            known = set(self._descriptions)
            # What is written back, calibration above all, must build on what is there now.
            self.refresh()
            if gone := known - set(self._descriptions):
                names = ", ".join(sorted(f"{space} ({modality})" for space, modality in gone))
                msg = f"{self.store.place}: collections of this index are gone: {names}; open the index again"
                raise StoreError(msg)
            for description in self._descriptions.values():
                convert_old(self.store, description)
            with self._kept():
                yield

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        """Keep the descriptions as they are until the block ends."""
        with self._guard:
            self._writers += 1
        try:
            yield
        finally:
            with self._guard:
                self._writers -= 1

    def ensure(self, description: Description) -> Description:
        """Make the collection if it is missing, and check that it holds vectors of this fingerprint.

        Raises:
            FingerprintError: If it holds vectors of another space.
            StoreError: If a collection of that name is not senseweave's.
        """
        key = (description.space, description.modality)
        known = self.descriptions.get(key)
        if known is None:
            new = replace(description, copies=frozenset() if self.is_exclusive else None)
            with self.observed(description):
                metadata = self.store.make(description.name, new.to_metadata(), description.dimension)
            if not replace(description, copies=None).to_metadata().keys() <= metadata.keys():
                msg = f"a collection {description.name!r} exists and is not senseweave's; give the index a prefix"
                raise StoreError(msg)
            made = Description.from_metadata(description.name, metadata)
            if (made.space, made.modality) != key:  # `a-` before `b` is `a-b`, and names differ by more than letters
                msg = (
                    f"collection {made.name!r} holds the space {made.space!r}, of this index or of another one in the "
                    f"store; give the index another prefix, or the space {description.space!r} another name"
                )
                raise StoreError(msg)
            known = self.descriptions[key] = made
        if known.fingerprint != description.fingerprint:
            raise FingerprintError(known.name, known.fingerprint, description.fingerprint)
        return known

    @property
    def sparse(self) -> list[RecordedSparse]:
        """The sparse spaces of the index, the first named first, as its collections were when they were last read."""
        with self._guard:
            return list(dict.fromkeys(space for known in self._descriptions.values() for space in known.sparse))

    def add_sparse(self, space: RecordedSparse) -> None:
        """Record a sparse space with every collection, unless it is there.

        Raises:
            FingerprintError: If a space of the same name that gives other vectors is.
        """
        for known in self.sparse:
            if known.space == space.space and known.fingerprint != space.fingerprint:
                raise FingerprintError(known.space, known.fingerprint, space.fingerprint)
        if any(space not in description.sparse for description in self.descriptions.values()):
            with self.writing():
                for description in self.descriptions.values():
                    if space not in description.sparse:
                        description.sparse = (*description.sparse, space)
                        self.save(description)

    def save(self, description: Description) -> None:
        """Write a description back, for example with new calibration."""
        with self.observed(description):
            self.store.save_metadata(description.name, description.to_metadata())

    def describe(self) -> list[dict[str, Any]]:
        """Return the space, modality, number of records, dimension and fingerprint of each collection."""
        return [
            {
                "collection": description.name,
                "space": description.space,
                "modality": description.modality,
                "records": self.count(description),
                "dimension": description.dimension,
                "fingerprint": description.fingerprint,
                "calibrated": sorted(cells) if isinstance(cells := description.calibration.get("cells"), dict) else [],
            }
            for description in self.descriptions.values()
        ]

    @property
    def size(self) -> int | None:
        """Bytes on disk, or None for a store that is in no folder."""
        folder = self.store.folder
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder is not None else None

    def sources(self, below: Collection[str] | None = None) -> dict[str, set[Modality]]:
        """Return the sources of the records, with the modalities of their records.

        Args:
            below: Paths of files and folders; None for every source.
        """
        found: dict[str, set[Modality]] = {}
        for description in self.descriptions.values():
            for record in self.get(description) if below is None else self.at_or_below(description, below):
                found.setdefault(record_source(record.id, record.metadata), set()).add(description.modality)
        return found

    def count(self, collection: Named) -> int:
        """Return the number of records of a collection."""
        return self.store.count(collection.name)

    def is_empty(self, collection: Named) -> bool:
        """Return whether a collection holds no record, which takes less than to count them."""
        return not self.store.get(collection.name, limit=1)

    def upsert(
        self, description: Description, records: Sequence[Record], copied: Collection[str] | None = None
    ) -> None:
        """Write records; each replaces a record of the same id as a whole.

        Args:
            description: Of their collection.
            records: The records.
            copied: Hashes of those contents that have further records, here or in the collection; None looks for them.
        """
        if records:
            self._keep_copies(description, records, copied)
            with self.observed(description, records):
                self.store.upsert(description.name, [_with_folders(record) for record in records])

    def _keep_copies(
        self, description: Description, records: Sequence[Record], copied: Collection[str] | None = None
    ) -> None:
        """Note, before records are written, which contents will have several; unknown where others write meanwhile."""
        if description.copies is None:
            return
        if not self.is_exclusive:
            copied = None
        elif copied is None:
            copied = copied_contents(records, lambda condition: self.get(description, condition=condition))
        if note_copies(description, copied):
            self.save(description)

    @property
    def is_exclusive(self) -> bool:
        """Whether nobody else writes while an index does, in this process or another."""
        return getattr(self.store, "is_exclusive", False) is True

    def update_metadata(self, collection: Named, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change metadata of records by id; a value of None removes a name."""
        if changes:
            with self.observed(collection):
                self.store.update_metadata(collection.name, changes)

    def delete(self, collection: Named, ids: Sequence[str]) -> None:
        """Remove records by id."""
        if ids:
            with self.observed(collection, ids=ids):
                self.store.delete(collection.name, ids)

    def delete_matching(self, collection: Named, condition: Condition | None) -> int:
        """Remove every record that matches a condition, and return their number.

        Other clients of a server may delete meanwhile, and then what follows a page is not where it was: what takes
        several pages is asked for until nothing is left.
        """
        removed = 0
        while True:
            ids = [record.id for record in self.get(collection, condition=condition)]
            self.delete(collection, ids)
            removed += len(ids)
            if len(ids) < PAGE:
                return removed

    def get(
        self,
        collection: Named,
        *,
        ids: Sequence[str] | None = None,
        condition: Condition | None = None,
        vectors: bool = False,
    ) -> Iterator[StoredRecord]:
        """Yield records by id or by condition, or all of them, a page at a time."""
        if ids is not None:
            for at in range(0, len(ids), NAMES):
                page = self.store.get(collection.name, ids=ids[at : at + NAMES], vectors=vectors)
                # Chroma looks for all that a condition holds for before it looks at the ids.
                yield from (_shown(record) for record in page if matches(condition, record.metadata))
            return
        pieces = [condition] if condition is None else divide(condition)
        given: set[str] = set()
        for piece in pieces:
            for record in self._pages(collection, piece, vectors=vectors):
                if record.id not in given:
                    yield _shown(record)
                if len(pieces) > 1:
                    given.add(record.id)

    def at_or_below(self, description: Description, paths: Collection[str]) -> Iterator[StoredRecord]:
        """Yield the records of files and of what is below folders, gone or not.

        All records are read if some were written by a version that kept no folders; see `keep_folders`.

        Args:
            description: Of their collection.
            paths: Of the files and folders.
        """
        places = {os.path.abspath(path) for path in paths}
        conditions: list[Condition | None] = [None]
        if description.folders and (found := below(places)) is not None:
            conditions = [*found, *any_of("source", sorted({name for path in places for name in _names(path)}))]
        given: set[str] = set()
        for condition in conditions:
            for record in self.get(description, condition=condition):
                source = record_source(record.id, record.metadata)
                if record.id not in given and (source_path(source) in places or is_below(source, places)):
                    given.add(record.id)
                    yield record

    def keep_folders(self, description: Description) -> None:
        """Give the folders above their files to records that were written without; the caller holds the lock."""
        if description.folders:
            return
        changes = {}
        for record in self._pages(description, None, vectors=False):
            values = folder_values(read_metadata(record.metadata).source)
            if not values.items() <= record.metadata.items():
                changes[record.id] = values
        self.update_metadata(description, changes)
        description.folders = True
        self.save(description)

    @contextlib.contextmanager
    def observed(self, collection: Named, records: Sequence[Record] = (), ids: Sequence[str] = ()) -> Iterator[None]:
        """Let the observers follow a change, which is made inside."""
        with contextlib.ExitStack() as following:
            for observer in self.observers:
                following.enter_context(observer.writing(collection.name, records, ids))
            yield

    def existing(self, collection: Named, ids: Sequence[str]) -> list[str]:
        """Return those of some ids that are there."""
        return [record.id for record in self.get(collection, ids=ids)]

    def matching_ids(self, collection: Named, condition: Condition | None, most: int) -> set[str] | None:
        """Return the ids of the records that match a condition; None if they are more than `most`."""
        found: set[str] = set()
        list_ids = getattr(self.store, "list_ids", None)
        for piece in [condition] if condition is None else divide(condition):
            if list_ids is not None:
                found.update(list_ids(collection.name, piece, most + 1))
            else:
                found.update(record.id for record in self.store.get(collection.name, condition=piece, limit=most + 1))
            if len(found) > most:
                return None
        return found

    def page(self, description: Description, offset: int, limit: int) -> list[StoredRecord]:
        """Return some records with their vectors, in the order of the store."""
        return list(map(_shown, self.store.get(description.name, limit=limit, offset=offset, vectors=True)))

    def query(
        self,
        description: Description,
        vectors: np.ndarray,
        k: int,
        *,
        condition: Condition | None = None,
        with_vectors: bool = False,
    ) -> list[list[StoredRecord]]:
        """Return the records nearest to each query vector, nearest first, with their cosine similarities."""
        most = max(k, 1)
        answers = [
            [list(map(_shown, records)) for records in lists]
            for piece in ([condition] if condition is None else divide(condition))
            for lists in [self.store.query(description.name, vectors, most, condition=piece, with_vectors=with_vectors)]
        ]
        return answers[0] if len(answers) == 1 else [_nearest(lists, most) for lists in zip(*answers, strict=True)]

    def _pages(self, collection: Named, condition: Condition | None, *, vectors: bool) -> Iterator[StoredRecord]:
        """Yield the records that match a condition which a store takes in one query, a page at a time."""
        offset = 0
        while True:
            page = self.store.get(collection.name, condition=condition, limit=PAGE, offset=offset, vectors=vectors)
            yield from page
            offset += PAGE
            if len(page) < PAGE:
                return

    def close(self, *, store: bool = True) -> None:
        """Use the collections no more, and let go of the store unless it belongs to somebody else.

        Args:
            store: Whether the store is closed too.
        """
        with self._guard:
            self._closed = True
            if store:
                self.store.close()


def _with_folders(record: Record) -> Record:
    values = folder_values(read_metadata(record.metadata).source)
    return replace(record, metadata={**without_folders(record.metadata), **values})


def _shown(record: StoredRecord) -> StoredRecord:
    """Return a record without what the index alone reads of it."""
    return replace(record, metadata=without_folders(record.metadata)) if has_folders(record.metadata) else record


def _names(path: str) -> tuple[str, str]:
    """Return the names under which a file may be stored."""
    return path, stored_name(path)


def _nearest(lists: Iterable[Sequence[StoredRecord]], k: int) -> list[StoredRecord]:
    """Return the `k` nearest records of several answers to one query, each once."""
    found = {record.id: record for records in lists for record in records}
    return sorted(found.values(), key=lambda record: -record.similarity)[:k]
