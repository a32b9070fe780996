"""Adding: from files, folders and media to records; unchanged content is skipped, changed content replaced."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from senseweave.errors import EncodingError, MediaError, NoContentError
from senseweave.media import Media, MediaPolicy, Modality, collect
from senseweave.media.base import source_name
from senseweave.retrieval.records.chunking import pieces_of
from senseweave.retrieval.records.copies import Copies, as_record
from senseweave.retrieval.records.first_schema import (
    PASSAGE,
    Record,
    checked_own,
    is_gone,
    is_unicode,
    record_id,
    record_metadata,
    record_text,
    source_of,
)
from senseweave.retrieval.report import Report
from senseweave.retrieval.stores.chroma import Found, Store
from senseweave.retrieval.stores.description import Description, Key
from senseweave.retrieval.stores.filters import any_of
from senseweave.spaces.batch import Batch
from senseweave.spaces.engine import OnError, Progress
from senseweave.spaces.space import Space

BUFFER: Final[dict[Modality, int]] = {"text": 512, "image": 128, "audio": 32, "video": 8}
"""Pieces that are encoded and written together: enough for full batches, few enough to lose little when killed."""

Metadata = Mapping[str, Any] | Callable[[Media], Mapping[str, Any]] | None


@dataclass
class _Piece:
    """A piece of media on its way into one collection."""

    media: Media
    id: str
    source: str
    own: dict[str, Any]


Places = dict[str, _Piece]
"""Pieces of equal content, by source."""


@dataclass
class _Seen:
    """What one call found of one source: which records it should have, and how far replacing may go."""

    expected: set[str] = field(default_factory=set)
    whole_file: bool = False
    whole_modalities: set[Modality] = field(default_factory=set)
    sha256: set[str] = field(default_factory=set)
    failed: bool = False


class Ingest:
    """One `add` call."""

    def __init__(
        self,
        store: Store,
        spaces: Mapping[str, Space],
        *,
        policy: MediaPolicy,
        metadata: Metadata = None,
        on_error: OnError = "skip",
        progress: Progress | None = None,
        overlap: float = 0.0,
        characters: int | None = None,
        character_overlap: int = 0,
    ) -> None:
        if on_error not in ("raise", "skip"):
            msg = f"on_error must be 'raise' or 'skip', not {on_error!r}"
            raise ValueError(msg)
        if isinstance(metadata, Mapping):
            checked_own(metadata)
        elif metadata is not None and not callable(metadata):
            msg = f"metadata is a dict, or a function that gives one for each media, not {metadata!r}"
            raise TypeError(msg)
        self.report = Report()
        self._store = store
        self._spaces = spaces
        self._policy = policy
        self._metadata = metadata
        self._on_error = on_error
        self._progress = progress
        self._overlap = overlap
        self._characters = characters
        self._character_overlap = character_overlap
        self._buffers: dict[Key, dict[str, Places]] = {}
        self._seen: dict[str, _Seen] = {}
        self._done = 0

    def run(self, inputs: Any, *, sync: bool) -> Report:
        """Add everything, then remove what it replaces."""
        given = [inputs] if _is_single(inputs) else list(inputs)
        folders = [one for one in given if _is_folder(one, self._policy)]
        if sync and not folders:
            msg = "sync=True removes what is gone from a folder: give a folder"
            raise ValueError(msg)
        media = self._media(given)
        if self._progress is not None:
            media = iter(listed := list(media))
        total = len(listed) if self._progress is not None else 0
        for one, explicit in media:
            self._take(one, explicit)
            self._done += 1
            if self._progress is not None:
                self._progress(self._done, total)
        self._flush_all()
        self._remove_replaced()
        if sync:
            self._remove_gone(folders)
        return self.report

    def _media(self, given: list[Any]) -> Iterable[tuple[Media | MediaError, bool]]:
        """Yield what the inputs hold, and whether the caller made the media themselves."""
        for one in given:
            for found in collect([one], policy=self._policy):
                if isinstance(found, NoContentError) and isinstance(one, (str, os.PathLike)):
                    # The file was read and holds nothing now, so that what it held before goes.
                    self._seen.setdefault(os.path.abspath(found.source), _Seen()).whole_file = True
                yield found, isinstance(one, Media)

    def _take(self, media: Media | MediaError, explicit: bool) -> None:
        if isinstance(media, MediaError):
            self._fail(media)
            return
        source = source_name(media)
        if not is_unicode(source):
            self._fail(MediaError(_printable(source), "has a name that is not Unicode, under which nothing is kept"))
            return
        spaces = [space for space in self._spaces.values() if media.modality in space.modalities]
        if not spaces:
            if not explicit:
                self._seen.setdefault(source, _Seen()).whole_file = True
            known = sorted({modality for space in self._spaces.values() for modality in space.modalities})
            self._fail(
                NoContentError(
                    media.source, f"is {media.modality}, which this index does not embed; it embeds: {', '.join(known)}"
                )
            )
            return
        try:
            own = self._own(media)
            seen = self._seen.setdefault(source, _Seen())
            if not explicit:
                seen.whole_file = True
            elif media.span is None and media.page is None:
                seen.whole_modalities.add(media.modality)
            for space in spaces:
                count = 0
                for part in pieces_of(
                    media,
                    space,
                    overlap=self._overlap,
                    characters=self._characters,
                    character_overlap=self._character_overlap,
                ):
                    passage = {name: value for name, value in part.metadata.items() if name not in media.metadata}
                    piece = _Piece(part, record_id(part, space.fingerprint), source, {**passage, **own})
                    seen.expected.add(piece.id)
                    seen.sha256.add(part.sha256)
                    self._buffer(space.name, media.modality, piece)
                    count += 1
                if not count:
                    self._fail(NoContentError(media.source, "is blank: there is nothing to index"), source)
        except MediaError as error:
            self._fail(error, source)

    def _own(self, media: Media) -> dict[str, Any]:
        extra = self._metadata(media) if callable(self._metadata) else self._metadata or {}
        if not isinstance(extra, Mapping):
            msg = f"{media.source}: the metadata function gave {extra!r}; it gives a dict, {{}} for none"
            raise TypeError(msg)
        return checked_own({**media.metadata, **extra})

    def _buffer(self, space: str, modality: Modality, piece: _Piece) -> None:
        buffer = self._buffers.setdefault((space, modality), {})
        buffer.setdefault(piece.id, {})[piece.source] = piece
        if len(buffer) >= BUFFER[modality]:
            self._flush(space, modality)

    def _flush_all(self) -> None:
        for space, modality in list(self._buffers):
            self._flush(space, modality)

    def _flush(self, space_name: str, modality: Modality) -> None:
        buffer = self._buffers.pop((space_name, modality), {})
        if not buffer:
            return
        description = self._store.descriptions[space_name, modality]
        existing = {row.id: row for row in self._store.get(description, ids=list(buffer))}
        self._place(description, buffer, existing)
        new = {identifier: dict(places) for identifier, places in buffer.items() if identifier not in existing}
        if not new:
            return
        space = self._spaces[space_name]
        written: dict[str, Found] = {}
        # Content that is new and stands at several sources is written for the first; the others are placed after it.
        for chosen, batch in self._encode(space, [places.pop(next(iter(places))) for places in new.values()]):
            records = []
            for row, position in enumerate(batch.kept):
                piece = chosen[position]
                text = record_text(piece.media, piece.source, batch.descriptions[row])
                records.append(Record(piece.id, batch.vectors[row], text, _metadata(piece, space.fingerprint)))
            self._store.upsert(description, records)
            self.report.added += len(records)
            written |= {one.id: Found(one.id, one.metadata, one.text) for one in records}
            for error in batch.failed:
                piece = chosen[error.position or 0]
                for place in (piece, *new[piece.id].values()):
                    self._fail(type(error)(place.media.source, error.reason), place.source)
        self._place(description, new, written)

    def _encode(self, space: Space, pieces: list[_Piece]) -> Iterable[tuple[list[_Piece], Batch]]:
        try:
            yield pieces, space.encode([piece.media for piece in pieces], role="document", on_error="skip")
            return
        except EncodingError:
            if self._on_error == "raise":
                raise
        for piece in pieces:  # one of them has no usable vector; alone, it fails alone
            try:
                yield [piece], space.encode([piece.media], role="document", on_error="skip")
            except EncodingError as error:
                self._fail(MediaError(piece.media.source, str(error)), piece.source)

    def _place(self, description: Description, buffer: Mapping[str, Places], rows: Mapping[str, Found]) -> None:
        """Skip what is there, and take over metadata that changed, files that moved, and further sources."""
        beside = Copies(self._store, description)
        copies = beside.of(rows)
        changes: dict[str, dict[str, Any]] = {}
        written: list[tuple[str, dict[str, Any]]] = []
        stale: list[str] = []
        for row in rows.values():
            known = {source_of(row.id, one.metadata): one for one in (*copies.get(row.id, ()), row)}
            # A process that was killed while it moved the record to this source left it among the copies.
            stale += [one.id for one in copies.get(row.id, ()) if known[str(one.metadata["source"])] is row]
            for source, piece in buffer[row.id].items():
                there = known.get(source)
                if there is None:
                    moved = next((one for one in known if one not in buffer[row.id] and is_gone(one)), None)
                    there = known.pop(moved) if moved is not None else None
                if there is None:
                    written.append((row.id, _metadata(piece, description.fingerprint)))
                    self.report.copies += 1
                    continue
                own = {name: value for name, value in piece.own.items() if value is not None}
                wanted = {"source": source, **dict.fromkeys(PASSAGE), **own}
                change = {name: value for name, value in wanted.items() if there.metadata.get(name) != value}
                known[source] = replace(there, metadata={**there.metadata, **change})
                self.report.skipped += 1
                self.report.updated += bool(change)
                if change and there.id == row.id:
                    changes[row.id] = {**changes.get(row.id, {}), **change}
                elif change:
                    written.append((row.id, as_record(known[source].metadata)))
                    stale += [there.id] if "source" in change else []
        self._store.update_metadata(description, changes)
        beside.write(written)
        beside.drop(stale)

    def _remove_replaced(self) -> None:
        """Remove records of sources that were read in this call and have other content now."""
        sources = [name for name, seen in self._seen.items() if not seen.failed and os.path.isabs(name)]
        for description in list(self._store.descriptions.values()):
            for where in any_of("source", sources):
                replaced = partial(self._is_replaced, description)
                self.report.replaced += Copies(self._store, description).remove(where, replaced)

    def _remove_gone(self, folders: list[Any]) -> None:
        """Remove records of files under the folders that are no longer there."""
        roots = tuple(os.path.abspath(folder) + os.sep for folder in folders)

        def left(row: Found) -> bool:
            source = source_of(row.id, row.metadata)
            return source.startswith(roots) and source not in self._seen and is_gone(source)

        for description in list(self._store.descriptions.values()):
            self.report.deleted += Copies(self._store, description).remove(leaves=left)

    def _is_replaced(self, description: Description, row: Found) -> bool:
        seen = self._seen[str(row.metadata["source"])]
        if row.id in seen.expected or description.space not in self._spaces:
            return False
        if seen.whole_file or description.modality in seen.whole_modalities:
            return True
        return description.modality != "text" and row.metadata.get("sha256") not in seen.sha256

    def _fail(self, error: MediaError, source: str | None = None) -> None:
        if self._on_error == "raise":
            raise error
        if source is not None and not isinstance(error, NoContentError):
            self._seen.setdefault(source, _Seen()).failed = True  # it may be whole again: its old records stay
        if not any(error.source == known.source and error.reason == known.reason for known in self.report.failed[-8:]):
            self.report.failed.append(error)


def _metadata(piece: _Piece, fingerprint: str) -> dict[str, Any]:
    return record_metadata(piece.media, piece.source, fingerprint, round(time.time(), 3), piece.own)


def _printable(source: str) -> str:
    return source.encode("utf-8", "backslashreplace").decode()


def _is_single(inputs: Any) -> bool:
    kinds = (str, bytes, bytearray, memoryview, os.PathLike, Media)
    return isinstance(inputs, kinds) or hasattr(inputs, "read") or not isinstance(inputs, Iterable)


def _is_folder(given: Any, policy: MediaPolicy) -> bool:
    if not isinstance(given, (str, Path)):
        return False
    try:
        return policy.resolve(str(given)).is_dir()
    except MediaError:
        return False
