"""Judged searches: what users said of hits, kept in the store beside the records that they are about."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from senseweave.errors import MediaError
from senseweave.media import Media, MediaPolicy
from senseweave.media.base import local_path
from senseweave.media.fused import Fused
from senseweave.redaction import quoted, redact_repr
from senseweave.retrieval.contents import IndexedChunk, indexed_chunk
from senseweave.retrieval.hits import Hit
from senseweave.retrieval.query import Query, as_query
from senseweave.retrieval.records.identity import content_key
from senseweave.retrieval.records.judgments import (
    CONTENT,
    JUDGED,
    JUDGED_AT,
    RELEVANT,
    content_hash,
    judged_at,
    records_by_id,
    stored_judgments,
    write_judgments,
)
from senseweave.retrieval.records.schema import Provenance, Record, media_provenance, read_metadata, write_metadata
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections


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
        found = records_by_id(self._store, {identifier})
        if identifier not in found:
            msg = f"record {quoted(identifier)} is not in this index; judge what a search of it found"
            raise ValueError(msg)
        record = _judgment_record(asked, found[identifier], relevant=bool(relevant))
        with self._store.writing():
            write_judgments(self._store, [record])

    def judgments(self) -> list[Judgment]:
        """Return what was judged, in the order in which it was, without what is about records that were deleted.

        A judgment stays as long as its content is in the index under any source.
        """
        pairs = stored_judgments(self._store)
        return sorted((_judgment(*pair, self.policy) for pair in pairs), key=lambda judgment: judgment.judged_at)


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
    content = content_hash(record)
    asked = content_key(provenance, query.decode() if query.modality == "text" else None)
    identifier = hashlib.sha256(f"{asked}\n{content or record.id}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    own: dict[str, Any] = {
        **provenance.own, JUDGED: record.id, RELEVANT: relevant, JUDGED_AT: round(time.time(), 6),
        CONTENT: content or "",
    }  # fmt: skip
    text = str(query.decode()) if query.modality == "text" else query.source
    return Record(identifier, np.ones(1, np.float32), text, write_metadata(replace(provenance, own=own)))


def _judgment(row: StoredRecord, record: StoredRecord, policy: MediaPolicy) -> Judgment:
    """Return a stored judgment of a record."""
    provenance = read_metadata(row.metadata)
    said = (JUDGED, RELEVANT, JUDGED_AT, CONTENT)
    asked = replace(provenance, own={key: value for key, value in provenance.own.items() if key not in said})
    document = indexed_chunk(record.id, record.metadata, record.text, policy)
    relevant = bool(provenance.own[RELEVANT])
    return Judgment(asked.media(row.text, policy=policy), document, relevant, judged_at(row), asked)
