"""Judged searches as a store keeps them: one record for each query and content, in a collection of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from senseweave.errors import StoreError
from senseweave.retrieval.records.identity import content_key
from senseweave.retrieval.records.schema import Record, read_metadata
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import any_of
from senseweave.retrieval.stores.description import JUDGMENTS

JUDGED: Final = "judged_record"
RELEVANT: Final = "judged_relevant"
JUDGED_AT: Final = "judged_at"
CONTENT: Final = "judged_content"


@dataclass(frozen=True)
class _Collection:
    """The collection that holds the judgments of an index, by its name."""

    name: str


def write_judgments(collections: Collections, judgments: Sequence[Record]) -> None:
    """Write judgments in place of those of the same query and content; the caller holds the lock.

    Raises:
        StoreError: If another program's collection has their name.
    """
    check_free(collections)
    name = _name(collections)
    with collections.observed(_Collection(name)):
        collections.store.make(name, {"holds": JUDGMENTS}, 1)
        collections.store.upsert(name, judgments)


def merge_judgments(collections: Collections, judgments: Sequence[Record]) -> None:
    """Write judgments that are newer than those of the same query and content; the caller holds the lock."""
    collection = _Collection(_name(collections))
    newest: dict[str, Record] = {}
    for row in sorted(judgments, key=judged_at):
        newest[row.id] = row
    if collection.name in collections.store.collections():
        for there in collections.get(collection, ids=sorted(newest)):
            if judged_at(there) >= judged_at(newest[there.id]):
                del newest[there.id]
    if newest:
        write_judgments(collections, list(newest.values()))


def check_free(collections: Collections) -> None:
    """Check that the collection of judgments is theirs, or not there yet.

    Raises:
        StoreError: If another program's collection has its name.
    """
    name = _name(collections)
    if collections.store.collections().get(name, {"holds": JUDGMENTS}).get("holds") != JUDGMENTS:
        msg = f"a collection {name!r} exists and does not hold judgments of senseweave; give the index a prefix"
        raise StoreError(msg)


def stored_judgments(collections: Collections) -> list[tuple[StoredRecord, StoredRecord]]:
    """Return each judgment with the record that it is about, without those whose content is no longer in the index."""
    name = _name(collections)
    if collections.store.collections().get(name, {}).get("holds") != JUDGMENTS:
        return []
    kept = list(collections.get(_Collection(name)))
    records = records_by_id(collections, {str(row.metadata.get(JUDGED)) for row in kept})
    lost = {str(row.metadata.get(CONTENT) or "") for row in kept if row.metadata.get(JUDGED) not in records}
    others = _equal_records(collections, lost - {""})
    found = []
    for row in kept:
        record = records.get(str(row.metadata.get(JUDGED))) or others.get(str(row.metadata.get(CONTENT)))
        if record is not None and isinstance(row.metadata.get(RELEVANT), (bool, int)):
            found.append((row, record))
    return found


def judged_at(row: Record | StoredRecord) -> float:
    """Return when a judgment was made, in seconds since 1970, to the microsecond; 0 where it does not say so.

    Chroma may return a number whose last bit differs.
    """
    at = row.metadata.get(JUDGED_AT)
    return round(float(at), 6) if isinstance(at, (int, float)) else 0.0


def content_hash(record: StoredRecord) -> str | None:
    """Return the hash that a record's content has, followed by what tells it from others of the same hash."""
    provenance = read_metadata(record.metadata)
    key = content_key(provenance, record.text)
    if key is None:
        return None
    rest = hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{provenance.sha256} {rest}"


def _name(collections: Collections) -> str:
    return f"{collections.prefix}senseweave-judgments"


def records_by_id(collections: Collections, ids: set[str]) -> dict[str, StoredRecord]:
    """Return the records of some ids that are in the index."""
    listed = sorted(ids)
    return {
        record.id: record
        for description in collections.descriptions.values()
        for record in collections.get(description, ids=listed)
    }


def _equal_records(collections: Collections, contents: set[str]) -> Mapping[str, StoredRecord]:
    """Return a record of each content that is still in the index, under another source."""
    hashes = sorted({content.partition(" ")[0] for content in contents})
    found: dict[str, StoredRecord] = {}
    for description in collections.descriptions.values():
        for condition in any_of("sha256", hashes):
            for record in collections.get(description, condition=condition):
                content = cast(str, content_hash(record))
                if content in contents:
                    found.setdefault(content, record)
    return found
