"""Further sources of records: content that stands at several places is one record, and each place is kept with it.

A record's own metadata name the source that was added first. Every other source has a row in one more collection, with
the flat metadata that the record would have if it stood there alone, so that filters, deleting and syncing can treat
each file as if it had a record of its own, while searches find the content once. Stock readers of the index see its
records as ever: a list of sources in their metadata would be lost on their filters, since Chroma compares a list with
`$contains` alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from senseweave.retrieval.description import Description
from senseweave.retrieval.filters import Where, both
from senseweave.retrieval.records import COPY_OF, Record, source_of
from senseweave.retrieval.store import Found, Store

NAME: Final = "senseweave-copies"
"""Of the collection, after the index's prefix."""
VECTOR: Final = np.zeros(1, np.float32)
"""Of every row: Chroma wants one, and nothing is ever nearest here."""


class Copies:
    """The further sources of an index's records. An index without any has no collection for them."""

    def __init__(self, store: Store) -> None:
        """Look into `store`; nothing is made before there is something to keep."""
        self._store = store
        self.name = f"{store.prefix}{NAME}"

    def of(self, ids: Iterable[str]) -> dict[str, list[Found]]:
        """The copies of some records by record id, the first added first; records without any are left out."""
        wanted = list(ids)
        if not wanted or not self._store.has(self):
            return {}
        return self._by_record({COPY_OF: {"$in": wanted[at : at + 500]}} for at in range(0, len(wanted), 500))

    def matching(self, description: Description, where: Where | None = None) -> dict[str, list[Found]]:
        """The copies of one collection's records of which a condition holds, by the id of a record that is there."""
        if not self._store.has(self):
            return {}
        here = {"$and": [{"modality": description.modality}, {"fingerprint": description.fingerprint}]}
        found = self._by_record([both(here, where)])
        return {one: found[one] for one in self._store.existing(description, list(found))} if found else {}

    def standing(self, description: Description, where: Where | None = None) -> Iterator[Found]:
        """Yield every record once for each source at which it stands and of which a condition holds.

        Rows have the record's id and the metadata that it has there.
        """
        yield from self._store.get(description, where=where)
        for record, copies in self.matching(description, where).items():
            for one in copies:
                yield replace(one, id=record, metadata=as_record(one.metadata))

    def write(self, places: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Keep further sources: pairs of a record's id and the metadata that it would have there."""
        if not places:
            return
        if not self._store.has(self):
            self._store.make(self.name, {NAME: 1}, {"space": "l2"})
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

    def leave(self, description: Description, leaving: Mapping[str, Collection[str]]) -> None:
        """Take records away from sources; one that stands elsewhere stays under its other sources, the rest goes.

        Safe to be killed in: a record loses its last source last.

        Args:
            description: The records' collection.
            leaving: Sources by record id.
        """
        copies = self.of(leaving)
        rows = {row.id: row for row in self._store.get(description, ids=list(copies))} if copies else {}
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
        self._store.update_metadata(description, moved)
        self.drop(dropped)
        self._store.delete(description, gone)

    def remove(
        self, description: Description, where: Where | None = None, leaves: Callable[[Found], bool] | None = None
    ) -> int:
        """Take the records of a collection away from the sources where a condition holds, and say how many.

        Args:
            description: The collection.
            where: The condition on the metadata that a record has at a source.
            leaves: A further condition on the same.
        """
        leaving: dict[str, set[str]] = {}
        for row in self.standing(description, where):
            if leaves is None or leaves(row):
                leaving.setdefault(row.id, set()).add(source_of(row.id, row.metadata))
        self.leave(description, leaving)
        return sum(map(len, leaving.values()))

    def _by_record(self, conditions: Iterable[Where | None]) -> dict[str, list[Found]]:
        rows = [row for where in conditions for row in self._store.get(self, where=where)]
        rows.sort(key=lambda row: (row.metadata.get("added_at", 0.0), str(row.metadata["source"])))
        found: dict[str, list[Found]] = {}
        for row in rows:
            found.setdefault(str(row.metadata[COPY_OF]), []).append(row)
        return found


def copy_id(record: str, source: str) -> str:
    """32 hexadecimal digits from a record's id and a further source: equal for equal places."""
    return hashlib.sha256(f"{record}\n{source}".encode()).hexdigest()[:32]


def as_record(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of a copy as its record would have them."""
    return {name: value for name, value in metadata.items() if name != COPY_OF}
