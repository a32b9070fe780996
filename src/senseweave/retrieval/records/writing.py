"""Writing of chunks: what is there stays, equal content is embedded once, the rest is decoded once and encoded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from senseweave.concurrency import checkpoint
from senseweave.errors import MediaError
from senseweave.media import Media, Modality
from senseweave.media.kinds.text import PAGE_PICTURE
from senseweave.retrieval.records.decoding import SHARED, shared_decoding
from senseweave.retrieval.records.identity import content_key, record_id
from senseweave.retrieval.records.schema import (
    PASSAGE,
    Provenance,
    Record,
    default_text,
    is_gone,
    media_provenance,
    own_metadata,
    read_metadata,
    record_text,
    write_metadata,
)
from senseweave.retrieval.records.tracking import EncodingSteps, Ticket, Tracker
from senseweave.retrieval.records.word_times import WORD_TIMES, keep_word_times
from senseweave.retrieval.report import Report
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import any_of
from senseweave.retrieval.stores.description import Description
from senseweave.spaces.batch import Batch
from senseweave.spaces.space import Space

BUFFER: Final[dict[Modality, int]] = {"text": 512, "image": 128, "audio": 32, "video": 8}
"""Chunks that are encoded and written together: enough for full batches, few enough to lose little when killed."""

Fail = Callable[[MediaError, str | None], None]
"""Called with an error and the source that it concerns."""


@dataclass
class Chunk:
    """A chunk of media on its way into the index.

    Attributes:
        media: What is embedded.
        source: What it is filed under.
        own: The user's own values.
        window: Length and overlap in seconds, of a window of a recording that was cut at fixed lengths.
        text: The words of a text; None for media.
        ticket: What counts the chunks of its media.
    """

    media: Media
    source: str
    own: dict[str, Any]
    window: tuple[float, float] | None = None
    text: str | None = None
    ticket: Ticket = field(default_factory=Ticket)

    def provenance(self, fingerprint: str) -> Provenance:
        """Return what its record in a space says of it."""
        return media_provenance(self.media, source=self.source, fingerprint=fingerprint, own=self.own)

    def content(self) -> tuple[Any, ...] | None:
        """Return what chunks of equal content share."""
        return content_key(self.provenance(""), self.text)


@dataclass
class Lane:
    """Spaces that take the chunks of a modality alike, and the chunks that wait to be written to them."""

    modality: Modality
    spaces: list[Space]
    chunks: list[Chunk] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether enough chunks wait."""
        return len(self.chunks) >= BUFFER[self.modality]


def lanes(spaces: Iterable[Space], modality: Modality, needed: frozenset[Modality]) -> list[Lane]:
    """Put spaces together whose encoders take chunks of the same lengths.

    Args:
        spaces: To choose among.
        modality: Of the chunks.
        needed: What a space must embed: of fused media the modalities of all parts.
    """
    found: dict[tuple[Any, ...], Lane] = {}
    for space in spaces:
        if needed <= set(space.modalities):
            encoder = space.encoder(modality)
            key = encoder.window_seconds, encoder.cut_at_pauses, encoder.max_length if modality == "text" else None
            found.setdefault(key, Lane(modality, [])).spaces.append(space)
    return list(found.values())


class Writer:
    """Writes chunks to the collections of an index and counts what it does."""

    def __init__(self, collections: Collections, report: Report, fail: Fail, tracker: Tracker) -> None:
        """Write to `collections`.

        Args:
            collections: Of the index; the caller holds the writing lock.
            report: What is counted in.
            fail: Told of what cannot be embedded.
            tracker: Told of every chunk that is settled.
        """
        self._collections = collections
        self._report = report
        self._fail = fail
        self._tracker = tracker

    def write(self, lane: Lane) -> None:
        """Write the chunks that wait in a lane, and empty it."""
        chunks, lane.chunks = lane.chunks, []
        pending = {space.name: self._settle(space, chunks) for space in lane.spaces}
        self._settle_unchanged(chunks, pending.values())
        wanted = {id(chunk) for groups in pending.values() for group in groups for chunk in group[:1]}
        queue = [chunk for chunk in chunks if id(chunk) in wanted]
        size = SHARED[lane.modality] if len(lane.spaces) > 1 else max(len(queue), 1)
        for at in range(0, len(queue), size):
            batch = queue[at : at + size]
            windows = {i: chunk.window for i, chunk in enumerate(batch) if chunk.window is not None}
            with shared_decoding([chunk.media for chunk in batch], windows, len(lane.spaces)):
                for space in lane.spaces:
                    ours = {id(group[0]): group for group in pending[space.name]}
                    self._encode(space, [ours[id(chunk)] for chunk in batch if id(chunk) in ours])

    def _settle_unchanged(self, chunks: Sequence[Chunk], pending: Iterable[list[list[Chunk]]]) -> None:
        """Tell the tracker of the chunks that need no encoding, space by space."""
        for groups in pending:
            encoded = {id(chunk) for group in groups for chunk in group}
            for chunk in chunks:
                if id(chunk) not in encoded:
                    self._tracker.settle(chunk.ticket)

    def _settle(self, space: Space, chunks: Sequence[Chunk]) -> list[list[Chunk]]:
        """Update what is there, write what needs no encoding, and return the rest in groups of equal content."""
        modality = chunks[0].media.modality if chunks else "text"
        description = self._collections.descriptions[space.name, modality]
        by_id = {record_id(chunk.provenance(space.fingerprint)): chunk for chunk in chunks}
        there = {record.id: record for record in self._collections.get(description, ids=list(by_id))}
        self._update(description, by_id, there)
        new = [chunk for identifier, chunk in by_id.items() if identifier not in there]
        known = self._known(description, new)
        groups: dict[Any, list[Chunk]] = {}
        records: list[Record] = []
        gone: list[str] = []
        copied: set[str] = set()
        for chunk in new:
            content = chunk.content()
            stored = known.get(content)
            if stored:
                moved = next((record for record in stored if self._has_moved(record, by_id)), None)
                records.append(self._copy(space, chunk, stored[0], moved))
                if moved is not None:
                    gone.append(moved.id)
                    stored.remove(moved)
                    stored.append(replace(moved, id=records[-1].id, metadata=records[-1].metadata))
                if moved is None or len(stored) > 1:
                    copied.add(chunk.media.sha256)
            else:
                groups.setdefault(content, []).append(chunk)
        self._collections.upsert(description, records, copied)
        self._collections.delete(description, gone)
        return list(groups.values())

    def _known(self, description: Description, chunks: Sequence[Chunk]) -> dict[Any, list[StoredRecord]]:
        """Return the stored records that hold the content of some chunks, by content, the first added first."""
        found: dict[Any, list[StoredRecord]] = {}
        for condition in any_of("sha256", sorted({chunk.media.sha256 for chunk in chunks})):
            for record in self._collections.get(description, condition=condition, vectors=True):
                provenance = read_metadata(record.metadata)
                if provenance.fingerprint == description.fingerprint:
                    found.setdefault(content_key(provenance, record.text), []).append(record)
        for records in found.values():
            records.sort(key=lambda record: record.metadata.get("added_at", 0.0))
        return found

    def _has_moved(self, record: StoredRecord, by_id: Mapping[str, Chunk]) -> bool:
        """Return whether a record's file has gone, so that the same content elsewhere takes its place."""
        source = read_metadata(record.metadata).source
        return record.id not in by_id and source is not None and is_gone(source)

    def _copy(self, space: Space, chunk: Chunk, stored: StoredRecord, moved: StoredRecord | None) -> Record:
        """Return the record of a chunk whose content is in the store, with the vector that it has there."""
        assert stored.vector is not None
        before = read_metadata(stored.metadata)
        if WORD_TIMES in before.own:
            chunk = replace(chunk, own={WORD_TIMES: before.own[WORD_TIMES], **chunk.own})
        text = stored.text or ""
        if before.source and text == default_text(before.modality, before.source):
            text = default_text(before.modality, chunk.source)
        if moved is None:
            self._report.copies += 1
            return self._record(space, chunk, stored.vector, text)
        self._report.skipped += 1
        self._report.updated += 1
        earlier = read_metadata(moved.metadata)
        kept = {name: value for name, value in earlier.own.items() if name not in (*PASSAGE, PAGE_PICTURE)}
        return self._record(space, replace(chunk, own={**kept, **chunk.own}), stored.vector, text, earlier.added_at)

    def _update(self, description: Description, by_id: Mapping[str, Chunk], there: Mapping[str, StoredRecord]) -> None:
        """Take over metadata that changed."""
        changes: dict[str, dict[str, Any]] = {}
        for identifier, record in there.items():
            stored = read_metadata(record.metadata)
            own = own_metadata(replace(by_id[identifier].provenance(description.fingerprint), added_at=stored.added_at))
            wanted = {**dict.fromkeys((*PASSAGE, PAGE_PICTURE)), **own}
            change = {name: value for name, value in wanted.items() if record.metadata.get(name) != value}
            self._report.skipped += 1
            if change:
                self._report.updated += 1
                changes[identifier] = change
        self._collections.update_metadata(description, changes)

    def _encode(self, space: Space, groups: Sequence[list[Chunk]]) -> None:
        """Embed the first chunk of each group, and write the group with its vector."""
        if not groups:
            return
        description = self._collections.descriptions[space.name, groups[0][0].media.modality]
        self._tracker.embed(groups[0][0].media.source)
        steps = EncodingSteps(
            [[(chunk.media, chunk.ticket) for chunk in group] for group in groups], self._tracker.settle
        )
        batch = self._embed(space, groups, steps)
        checkpoint()
        records = []
        copied = {group[0].media.sha256 for group in groups if len(group) > 1}
        for row, position in enumerate(batch.kept):
            for chunk in groups[position]:
                said = batch.descriptions[row]
                start = chunk.media.span[0] if chunk.media.span else 0.0
                timed = replace(chunk, own=keep_word_times(said, start, chunk.own))
                text = record_text(chunk.media, chunk.source, said)
                records.append(self._record(space, timed, batch.vectors[row], text))
            self._report.added += 1
            self._report.copies += len(groups[position]) - 1
        self._collections.upsert(description, records, copied)
        for error in batch.failed:
            for chunk in groups[error.position or 0]:
                self._fail(type(error)(chunk.media.source, error.reason), chunk.source)
        steps.finish()

    def _embed(self, space: Space, groups: Sequence[list[Chunk]], steps: EncodingSteps) -> Batch:
        """Return the vectors of the first chunks of groups."""
        media = [group[0].media for group in groups]
        return space.encode(media, role="document", on_error="skip", progress=steps)

    def _record(self, space: Space, chunk: Chunk, vector: Any, text: str, added_at: float | None = None) -> Record:
        provenance = replace(
            chunk.provenance(space.fingerprint), added_at=round(time.time(), 3) if added_at is None else added_at
        )
        return Record(record_id(provenance), vector, text, write_metadata(provenance))
