"""Further sources of records: content that stands at several places is one record, and each place is kept with it.

A record's own metadata name the source that was added first. Every other source has a row in a second collection beside
the record's, with the flat metadata that the record would have if it stood there alone, so that filters, deleting and
syncing can treat each file as if it had a record of its own, while searches find the content once. Stock readers see
the record as ever: a list of sources in its metadata would be lost on their filters, since Chroma compares lists with
`$contains` alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from senseweave.retrieval.records.first_schema import COPY_OF, Record, source_of
from senseweave.retrieval.stores.chroma import Found, Store
from senseweave.retrieval.stores.description import Description
from senseweave.retrieval.stores.filters import Where, any_of, both

SUFFIX: Final = "-copies"
"""Of the second collection's name, after that of the first."""
VECTOR: Final = np.zeros(1, np.float32)
"""Of every row: Chroma wants one, and nothing is ever nearest here."""


class Copies:
    """The further sources of one collection's records. Where there are none, there is no collection for them."""

    def __init__(self, store: Store, description: Description) -> None:
        """Look beside one collection of `store`; nothing is made before there is something to keep."""
        self._store = store
        self._records = description
        self.name = description.name + SUFFIX

    def of(self, ids: Iterable[str]) -> dict[str, list[Found]]:
        """The copies of some records by record id, the first added first; records without any are left out."""
        wanted = list(ids)
        if not wanted or not self._store.has(self):
            return {}
        return _by_record(row for where in any_of(COPY_OF, wanted) for row in self._store.get(self, where=where))

    def matching(self, where: Where | None = None, *, among: Sequence[str] | None = None) -> dict[str, list[Found]]:
        """The copies of which a condition holds, by the id of a record that is there and, if given, `among` those."""
        if among == [] or not self._store.has(self):
            return {}
        found: dict[str, list[Found]] = {}
        for condition in [where] if among is None else [both(where, one) for one in any_of(COPY_OF, among)]:
            found |= _by_record(self._store.get(self, where=condition))
        return {one: found[one] for one in self._store.existing(self._records, list(found))} if found else {}

    def has_more(self, most: int, where: Where | None) -> bool:
        """Whether a condition holds of more than `most` copies."""
        return self._store.has(self) and len(self._store.some(self, most + 1, where)) > most

    def standing(self, where: Where | None = None) -> Iterator[Found]:
        """Yield every record once for each source at which it stands and of which a condition holds.

        Rows have the record's id and the metadata that it has there.
        """
        yield from self._store.get(self._records, where=where)
        for record, copies in self.matching(where).items():
            for one in copies:
                yield replace(one, id=record, metadata=as_record(one.metadata))

    def write(self, places: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Keep further sources: pairs of a record's id and the metadata that it would have there."""
        if not places:
            return
        if not self._store.has(self):
            self._store.make(self.name, {COPY_OF: self._records.name}, {"space": "l2"})
        rows = {}
        for record, metadata in places:
            key = copy_id(record, source_of(record, metadata))
            rows[key] = Record(key, VECTOR, str(metadata["source"]), {**metadata, COPY_OF: record})
        self._store.upsert(self, list(rows.values()))

    def drop(self, ids: Collection[str]) -> None:
        """Forget copies, named by their own ids."""
        if ids:
            self._store.delete(self, list(ids))

    def forget(self, records: Iterable[str]) -> None:
        """Forget all copies of records that are about to be removed."""
        self.drop([one.id for copies in self.of(records).values() for one in copies])

    def leave(self, leaving: Mapping[str, Collection[str]]) -> None:
        """Take records away from sources; one that stands elsewhere stays under its other sources, the rest goes.

        Safe to be killed in: a record loses its last source last.

        Args:
            leaving: Sources by record id.
        """
        copies = self.of(leaving)
        rows = {row.id: row for row in self._store.get(self._records, ids=list(copies))} if copies else {}
        moved: dict[str, dict[str, Any]] = {}
        dropped: list[str] = []
        gone = [record for record in leaving if record not in copies]
        for record, known in copies.items():
            dropped += [one.id for one in known if one.metadata["source"] in leaving[record]]
            if record not in rows or source_of(record, rows[record].metadata) not in leaving[record]:
                continue
            left = [one for one in known if one.metadata["source"] not in leaving[record]]
            if not left:
                gone.append(record)
                continue
            new = as_record(left[0].metadata)
            moved[record] = {**{name: None for name in rows[record].metadata if name not in new}, **new}
            dropped.append(left[0].id)
        self._store.update_metadata(self._records, moved)
        self.drop(dropped)
        self._store.delete(self._records, gone)

    def remove(self, where: Where | None = None, leaves: Callable[[Found], bool] | None = None) -> int:
        """Take records away from the sources where a condition holds, and say how many.

        Args:
            where: The condition on the metadata that a record has at a source.
            leaves: A further condition on the same.
        """
        leaving: dict[str, set[str]] = {}
        for row in self.standing(where):
            if leaves is None or leaves(row):
                leaving.setdefault(row.id, set()).add(source_of(row.id, row.metadata))
        self.leave(leaving)
        return sum(map(len, leaving.values()))


def copy_id(record: str, source: str) -> str:
    """32 hexadecimal digits from a record's id and a further source: equal for equal places."""
    return hashlib.sha256(f"{record}\n{source}".encode()).hexdigest()[:32]


def as_record(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a copy as its record would have them."""
    return {name: value for name, value in metadata.items() if name != COPY_OF}


def _by_record(rows: Iterable[Found]) -> dict[str, list[Found]]:
    found: dict[str, list[Found]] = {}
    for row in sorted(rows, key=lambda row: (row.metadata.get("added_at", 0.0), str(row.metadata["source"]))):
        found.setdefault(str(row.metadata[COPY_OF]), []).append(row)
    return found
