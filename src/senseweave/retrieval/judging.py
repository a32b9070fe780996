"""Judged searches: what users said of hits, kept in the store beside the records that they are about."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np

from senseweave.errors import MediaError, StoreError
from senseweave.media import Media, MediaPolicy
from senseweave.media.base import local_path
from senseweave.media.fused import Fused
from senseweave.redaction import quoted, redact_repr
from senseweave.retrieval.contents import IndexedChunk, indexed_chunk
from senseweave.retrieval.hits import Hit
from senseweave.retrieval.query import Query, as_query
from senseweave.retrieval.records.identity import content_key
from senseweave.retrieval.records.schema import Provenance, Record, media_provenance, read_metadata, write_metadata
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import any_of
from senseweave.retrieval.stores.description import JUDGMENTS

JUDGED, RELEVANT, JUDGED_AT, CONTENT = "judged_record", "judged_relevant", "judged_at", "judged_content"


@redact_repr
@dataclass(frozen=True)
class Judgment:
    """What a user said of a record that a search found.

    Attributes:
        query: What was asked.
        document: The record.
        relevant: Whether it answers the query.
        judged_at: When that was said, in seconds since 1970.
        asked: Where the query comes from, as it was when it was judged.
    """

    query: Media
    document: IndexedChunk
    relevant: bool
    judged_at: float = field(compare=False)
    asked: Provenance = field(repr=False, compare=False)


@dataclass(frozen=True)
class _Collection:
    """The collection that holds the judgments of an index, by its name."""

    name: str


class Judged:
    """The part of an index that keeps judgments."""

    policy: MediaPolicy
    _store: Collections

    def judge(self, query: str | Media | Query, hit: Hit | str, relevant: bool = True) -> None:
        """Keep with the index that a hit answers a query, or that it does not.

            hits = index.search("when is the bear fed?")
            index.judge("when is the bear fed?", hits[0])
            index.judge("when is the bear fed?", hits[1], relevant=False)

        Judging the same query and content again replaces what was said before. What `senseweave.finetune` makes of it:
        `senseweave.training.data.judged.judged_pairs`.

        Args:
            query: A string (always text), or media that can be read again: files or URLs.
            hit: What a search found, or the id of a record.
            relevant: Whether it answers the query.

        Raises:
            TypeError: If an argument is of the wrong type.
            ValueError: If the record is not in the index, or the query has several parts.
            MediaError: If the query is media that cannot be read, or not be read again.
            StoreError: If another process writes for longer than the index's lock timeout.
        """
        if not isinstance(hit, (Hit, str)):
            msg = f"hit must be a hit of a search or the id of a record, not {type(hit).__name__}"
            raise TypeError(msg)
        if not isinstance(relevant, (bool, np.bool_)):
            msg = f"relevant must be True or False, not {quoted(relevant)}"
            raise TypeError(msg)
        asked = _single(query)
        identifier = hit.id if isinstance(hit, Hit) else hit
        found = _records(self._store, {identifier})
        if identifier not in found:
            msg = f"record {quoted(identifier)} is not in this index; judge what a search of it found"
            raise ValueError(msg)
        record = _judgment_record(asked, found[identifier], relevant=bool(relevant))
        with self._store.writing():
            collection = _ensured(self._store)
            self._store.store.upsert(collection.name, [record])

    def judgments(self) -> list[Judgment]:
        """Return what was judged, in the order in which it was, without what is about records that were deleted.

        A judgment stays as long as its content is in the index under any source.
        """
        return sorted(_read(self._store, self.policy), key=lambda judgment: judgment.judged_at)


def _single(query: str | Media | Query) -> Media:
    """Return a query of one part as media that can be read again.

    Raises:
        ValueError: If it has several parts.
        MediaError: If it cannot be read again.
    """
    parts = as_query(query).parts
    if len(parts) > 1:
        msg = f"a query of {len(parts)} parts cannot be judged; judge one text or one media"
        raise ValueError(msg)
    media = parts[0][0]
    for part in media.parts.values() if isinstance(media, Fused) else [media]:
        if part.modality != "text" and local_path(part) is None and "://" not in part.source:
            reason = "is kept nowhere, so that a judgment of it would be lost; search by a file or a URL"
            raise MediaError(part.source, reason)
    return media


def _judgment_record(query: Media, record: StoredRecord, *, relevant: bool) -> Record:
    """Return a judgment as a record: the query's text and provenance, and what it says of which record."""
    provenance = media_provenance(query, own={})
    content = _content_hash(record)
    asked = content_key(provenance, query.decode() if query.modality == "text" else None)
    identifier = hashlib.sha256(f"{asked}\n{content or record.id}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    own: dict[str, Any] = {
        **provenance.own, JUDGED: record.id, RELEVANT: relevant, JUDGED_AT: time.time(), CONTENT: content or "",
    }  # fmt: skip
    text = str(query.decode()) if query.modality == "text" else query.source
    return Record(identifier, np.ones(1, np.float32), text, write_metadata(replace(provenance, own=own)))


def _content_hash(record: StoredRecord) -> str | None:
    """Return the hash that a record's content has, followed by what tells it from others of the same hash."""
    provenance = read_metadata(record.metadata)
    key = content_key(provenance, record.text)
    if key is None:
        return None
    rest = hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{provenance.sha256} {rest}"


def _ensured(collections: Collections) -> _Collection:
    """Return the collection of judgments, made if it is missing; the caller holds the lock.

    Raises:
        StoreError: If another program's collection has its name.
    """
    name = _name(collections)
    there = collections.store.make(name, {"holds": JUDGMENTS}, 1)
    if there.get("holds") != JUDGMENTS:
        msg = f"a collection {name!r} exists and does not hold judgments of senseweave; give the index a prefix"
        raise StoreError(msg)
    return _Collection(name)


def _name(collections: Collections) -> str:
    return f"{collections.prefix}senseweave-judgments"


def _read(collections: Collections, policy: MediaPolicy) -> Iterator[Judgment]:
    name = _name(collections)
    if collections.store.collections().get(name, {}).get("holds") != JUDGMENTS:
        return
    kept = list(collections.get(_Collection(name)))
    records = _records(collections, {str(row.metadata.get(JUDGED)) for row in kept})
    lost = {str(row.metadata.get(CONTENT) or "") for row in kept if row.metadata.get(JUDGED) not in records}
    others = _equal_records(collections, lost - {""})
    for row in kept:
        provenance = read_metadata(row.metadata)
        said = provenance.own
        record = records.get(str(said.get(JUDGED))) or others.get(str(said.get(CONTENT)))
        if record is None or not isinstance(said.get(RELEVANT), (bool, int)):
            continue
        own = {key: value for key, value in said.items() if key not in (JUDGED, RELEVANT, JUDGED_AT, CONTENT)}
        asked = replace(provenance, own=own)
        document = indexed_chunk(record.id, record.metadata, record.text, policy)
        at = float(said.get(JUDGED_AT) or 0)
        yield Judgment(asked.media(row.text, policy=policy), document, bool(said[RELEVANT]), at, asked)


def _records(collections: Collections, ids: set[str]) -> dict[str, StoredRecord]:
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
                content = cast(str, _content_hash(record))
                if content in contents:
                    found.setdefault(content, record)
    return found
