"""A store in memory, with exact search: for tests, and for corpora that need not outlive the process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from senseweave.errors import StoreError
from senseweave.forking import RLock
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.conditions import Condition, matches
from senseweave.retrieval.stores.given import checked_changes, checked_queries, checked_records
from senseweave.spaces.batch import unit_rows


class MemoryStore:
    """Collections in dicts, searched by one matrix product."""

    folder = None
    place = "memory"

    def __init__(self) -> None:
        """Make an empty store."""
        self.version = 0
        self.writes = 0
        self._metadata: dict[str, dict[str, Any]] = {}
        self._records: dict[str, dict[str, Record]] = {}
        self._dimensions: dict[str, int] = {}
        self._guard = RLock()
        self._writing = RLock()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other writers out; who reads meanwhile waits for single writes alone."""
        with self._writing:
            yield

    def collections(self) -> dict[str, dict[str, Any]]:
        """Return the metadata of every collection by its name."""
        with self._guard:
            return {name: dict(values) for name, values in self._metadata.items()}

    def make(self, name: str, metadata: Mapping[str, Any], dimension: int) -> dict[str, Any]:
        """Make a collection for vectors of a dimension unless it is there, and return its metadata."""
        with self._guard:
            self.writes += 1
            self.version += name not in self._metadata
            self._records.setdefault(name, {})
            self._dimensions.setdefault(name, dimension)
            return dict(self._metadata.setdefault(name, dict(metadata)))

    def save_metadata(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata of a collection."""
        with self._guard:
            self.writes += 1
            self._collection(name)
            self.version += 1
            self._metadata[name] = dict(metadata)

    def drop(self, name: str) -> None:
        """Remove a collection with all its records."""
        with self._guard:
            self.writes += 1
            self._collection(name)
            self.version += 1
            del self._records[name], self._metadata[name], self._dimensions[name]

    def upsert(self, name: str, records: Sequence[Record]) -> None:
        """Write records; each replaces a record of the same id as a whole."""
        checked = checked_records(records)
        with self._guard:
            self.writes += 1
            collection, shape = self._collection(name), (self._dimensions[name],)
            if checked and np.shape(checked[0].vector) != shape:
                msg = f"collection {name!r} holds vectors of the shape {shape}, not {np.shape(checked[0].vector)}"
                raise ValueError(msg)
            collection.update(
                {record.id: replace(record, vector=np.array(record.vector, np.float32)) for record in checked}
            )

    def update_metadata(self, name: str, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change metadata of records by id; a value of None removes a name."""
        checked = checked_changes(changes)
        with self._guard:
            self.writes += 1
            records = self._collection(name)
            for identifier, change in checked.items():
                if identifier in records:
                    record = records[identifier]
                    records[identifier] = replace(record, metadata=_known({**record.metadata, **change}))

    def get(
        self,
        name: str,
        *,
        ids: Sequence[str] | None = None,
        condition: Condition | None = None,
        limit: int | None = None,
        offset: int = 0,
        vectors: bool = False,
    ) -> list[StoredRecord]:
        """Return records by id or by condition, or all of them, in the order in which they were first written."""
        with self._guard:
            records = self._collection(name)
            chosen = list(records.values()) if ids is None else [records[i] for i in dict.fromkeys(ids) if i in records]
        found = [record for record in chosen if matches(condition, record.metadata)]
        end = None if limit is None else offset + limit
        return [_stored(record, with_vector=vectors) for record in found[offset:end]]

    def query(
        self,
        name: str,
        vectors: np.ndarray,
        k: int,
        *,
        condition: Condition | None = None,
        with_vectors: bool = False,
    ) -> list[list[StoredRecord]]:
        """Return the `k` records nearest to each row of `vectors`, nearest first."""
        queries, k = checked_queries(vectors), max(k, 1)
        with self._guard:
            records = [record for record in self._collection(name).values() if matches(condition, record.metadata)]
        if not records:
            return [[] for _ in queries]
        stored = np.stack([record.vector for record in records])
        table = unit_rows(queries, allow_zero=True) @ unit_rows(stored, allow_zero=True).T
        found = []
        for similarities in table:
            order = np.argsort(-similarities, kind="stable")[:k]
            found.append([_stored(records[i], float(similarities[i]), with_vector=with_vectors) for i in order])
        return found

    def count(self, name: str) -> int:
        """Return the number of records of a collection."""
        with self._guard:
            return len(self._collection(name))

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove records by id; ids that are not there are passed over."""
        with self._guard:
            self.writes += 1
            records = self._collection(name)
            for identifier in ids:
                records.pop(identifier, None)

    def close(self) -> None:
        """Do nothing: the records live as long as the store."""

    def _collection(self, name: str) -> dict[str, Record]:
        try:
            return self._records[name]
        except KeyError:
            msg = f"the store has no collection {name!r}"
            raise StoreError(msg) from None


def _known(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if value is not None}


def _stored(record: Record, similarity: float = 0.0, *, with_vector: bool) -> StoredRecord:
    vector = record.vector if with_vector else None
    return StoredRecord(record.id, dict(record.metadata), record.text, similarity, vector)
