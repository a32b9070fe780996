"""Adding: from files, folders and media to records; unchanged content is skipped, changed content replaced."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from senseweave.arguments import check_choice
from senseweave.concurrency import checkpoint
from senseweave.display import printable, shorten
from senseweave.errors import AddError, MediaError, NoContentError, PartError
from senseweave.media import MODALITIES, Media, MediaPolicy, Modality
from senseweave.media.base import source_name
from senseweave.media.collecting import (
    ON_INPUT_ERROR,
    OnInputError,
    blank,
    collect_files,
    is_named,
    is_single,
)
from senseweave.media.documents.plain import check_encoding
from senseweave.media.forms.local_names import source_path, stored_name
from senseweave.media.forms.source import PAGES, Pages
from senseweave.media.kinds.image import Image
from senseweave.media.kinds.picture_text import Ocr, PictureReading, PictureText
from senseweave.media.kinds.text import FILE_HASH, TextFile
from senseweave.progress import Progress, ProgressOption, tracked
from senseweave.redaction import quoted, without_secrets
from senseweave.retrieval.records.chunking import check_chunking, chunk_media
from senseweave.retrieval.records.forecast import Forecast
from senseweave.retrieval.records.identity import is_picture_text, record_id
from senseweave.retrieval.records.scans import remember_picture, remember_scan
from senseweave.retrieval.records.schema import OCR_READ, check_own, is_gone, read_metadata, record_source
from senseweave.retrieval.records.tracking import Ticket, Tracker
from senseweave.retrieval.records.values import Metadata, is_unicode
from senseweave.retrieval.records.writing import BUFFER, Chunk, Lane, Writer, lanes
from senseweave.retrieval.report import Report
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import any_of
from senseweave.retrieval.stores.description import Description
from senseweave.spaces.space import Space


@dataclass
class SourceState:
    """What one call found of one source: which records it should have, and how far replacing may go.

    Attributes:
        expected: Ids of the records that its content has now.
        whole_file: Whether all of the file was read, so that every other record of it is outdated.
        whole_modalities: Modalities of which all of the source was given as media.
        sha256: Hashes of what was read of it.
        failed: Whether a part could not be read; its old records stay, since it may be whole again.
    """

    expected: set[str] = field(default_factory=set)
    whole_file: bool = False
    whole_modalities: set[Modality] = field(default_factory=set)
    sha256: set[str] = field(default_factory=set)
    failed: bool = False


class Ingest:
    """One `add` call."""

    def __init__(
        self,
        collections: Collections,
        spaces: Mapping[str, Space],
        *,
        policy: MediaPolicy,
        metadata: Metadata = None,
        on_error: OnInputError = "named",
        progress: ProgressOption = None,
        overlap: float = 0.0,
        characters: int | None = None,
        character_overlap: int = 0,
        encoding: str | None = None,
        ocr: Ocr = "auto",
        pages: Pages = "separate",
    ) -> None:
        """Check the arguments, which are those of `Index.add`; the caller holds the writing lock.

        Raises:
            TypeError: If `metadata` is neither a dict nor a function.
            ValueError: If `on_error`, `encoding`, `ocr` or `pages` is unknown, a length is impossible, or metadata
                cannot be stored.
        """
        check_chunking(None, overlap, characters, character_overlap, spaces.values())
        self._reading = PictureReading(ocr)
        check_choice("on_error", on_error, ON_INPUT_ERROR)
        check_choice("pages", pages, PAGES)
        self._pages = pages
        self._encoding = check_encoding(encoding) if encoding is not None else None
        if isinstance(metadata, Mapping):
            _check_for_any(metadata)
        elif metadata is not None and not callable(metadata):
            msg = f"metadata must be a dict, or a function that returns a dict for each media, not {quoted(metadata)}"
            raise TypeError(msg)
        self.report = Report()
        self._collections = collections
        self._spaces = spaces
        self._policy = policy
        self._metadata = metadata
        self._on_error = on_error
        self._progress = progress
        self._chunking: dict[str, Any] = {
            "overlap": overlap,
            "characters": characters,
            "character_overlap": character_overlap,
        }
        self._lanes: dict[tuple[Modality, frozenset[Modality]], list[Lane]] = {}
        self._states: dict[str, SourceState] = {}
        self._named: set[str] = set()
        self._notes: dict[str, list[str]] = {}
        self._read: dict[str, dict[str, bool | None]] = {}
        """By space, whether pictures were read, by the ids of their records; they say so when their words are there."""

    def run(self, inputs: Any, *, sync: bool) -> Report:
        """Add everything, then remove what it replaces.

        Raises:
            AddError: With `on_error="named"`, after that, if an input that the caller named could not be indexed.
        """
        given = [inputs] if is_single(inputs) else list(inputs)
        folders = [item for item in given if _is_folder(item, self._policy)]
        if sync and not folders:
            msg = f"sync=True removes what is gone from a folder; there is no folder in {shorten(quoted(given), 200)}"
            raise ValueError(msg)
        with tracked(self._progress, "indexing") as progress:
            return self._run(given, folders, progress, sync=sync)

    def _run(self, given: list[Any], folders: list[Any], progress: Progress | None, *, sync: bool) -> Report:
        self._begin(progress, given if progress is not None else [])
        self._take_all(given)
        return self._finish(folders, sync=sync)

    def _begin(self, progress: Progress | None, given: list[Any]) -> None:
        """Make what writes, and what follows it."""
        self._tracker = Tracker(progress, self.report, Forecast(given, self._policy))
        self._writer = self._make_writer()

    def _make_writer(self) -> Writer:
        return Writer(self._collections, self.report, self._fail, self._tracker)

    def _take_all(self, given: list[Any]) -> None:
        """Read the inputs, and put their chunks into the lanes."""
        for media, explicit in self._files(given):
            pages = [found for found in media if not isinstance(found, PictureText)]
            words = {id(found.picture): found for found in media if isinstance(found, PictureText)}
            self._tracker.expect(len(pages) - 1)  # the pages of a document, known now that it is open
            for found in pages:
                checkpoint()
                self._tracker.work_on(found.source)
                ticket = Ticket()
                text = words.get(id(found))
                if text is None or self._is_embedded(found) or not self._is_embedded(text):
                    self._take(found, ticket, explicit=explicit)
                    if text is not None:
                        self._take(text, ticket, explicit=explicit)
                else:
                    self._take_words(text, ticket, explicit=explicit)
                self._tracker.complete(ticket)
            if max(map(len, self._read.values()), default=0) >= BUFFER["image"]:
                self._write_all()

    def _finish(self, folders: list[Any], *, sync: bool) -> Report:
        """Write what waits, and remove what it replaces."""
        self._tracker.finish_reading()
        self._write_all()
        self.report.partial = {source: tuple(notes) for source, notes in self._notes.items() if notes}
        self._remove_replaced()
        if sync:
            self._remove_gone(folders)
        if self._on_error == "named":
            self._raise_named()
        return self.report

    def _write_all(self) -> None:
        """Write all chunks that wait; then the pictures whose words are written say whether they were read."""
        for lane in (lane for group in self._lanes.values() for lane in group):
            self._writer.write(lane)
        for space, read in self._read.items():
            description = self._collections.descriptions[space, "image"]
            there = self._collections.get(description, ids=list(read))
            changes = {
                record.id: {OCR_READ: read[record.id]}
                for record in there
                if record.metadata.get(OCR_READ) != read[record.id]
            }
            self._collections.update_metadata(description, changes)
        self._read.clear()

    def _raise_named(self) -> None:
        """Raise the first failure of an input that the caller named."""
        failed = (error for error in self.report.failed if not isinstance(error, PartError))
        error = next((error for error in failed if error.source in self._named), None)
        if error is not None:
            raise AddError(error.source, error.reason, report=self.report) from error

    def _files(self, given: list[Any]) -> Iterable[tuple[list[Media | MediaError], bool]]:
        """Yield the media of each file of the inputs, and whether the caller made the media themselves."""
        for item in given:
            for media in collect_files(
                [item], policy=self._policy, encoding=self._encoding, ocr=self._reading, pages=self._pages
            ):
                for found in media:
                    if is_named(item, found):
                        self._named |= {found.source, source_name(found) if isinstance(found, Media) else found.source}
                    if isinstance(found, NoContentError) and isinstance(item, (str, os.PathLike)):
                        # The file was read and holds nothing now, so that what it held before goes.
                        self._state(stored_name(found.source)).whole_file = True
                yield media, isinstance(item, Media)

    def _take(self, media: Media | MediaError, ticket: Ticket, *, explicit: bool) -> None:
        if isinstance(media, MediaError):
            self._fail(media)
            return
        source = source_name(media)
        if not is_unicode(source):
            self._fail(
                MediaError(printable(source), "has a name with half characters, under which nothing can be stored")
            )
            return
        kind = media.modality, media.modalities
        if not self._is_embedded(media):
            if media.is_scan:  # its picture is there as well
                return
            if not explicit:
                self._state(source).whole_file = True
            known = sorted({modality for space in self._spaces.values() for modality in space.modalities})
            kinds = " and ".join(sorted(media.modalities))
            reason = f"is {kinds}, which this index does not embed; it embeds: {', '.join(known)}"
            self._fail(NoContentError(media.source, reason))
            return
        try:
            own = self._own(media)
            self._notes[source] = media._source.notes
            state = self._state(source)
            if not explicit:
                state.whole_file = True
            elif media.span is None and media.page is None:
                state.whole_modalities.add(media.modality)
            if isinstance(media, PictureText):
                self._remember(media, source, own)
            for lane in self._lanes[kind]:
                if isinstance(media, TextFile) and media.is_scan:
                    descriptions = [self._collections.descriptions[space.name, "text"] for space in lane.spaces]
                    remember_scan(media, source, self._collections, descriptions)
                if not self._chunk(media, source, own, lane, ticket) and not media.is_scan:
                    self._fail(blank(media.source), source)
            if isinstance(media, PictureText):
                self._mark(media, source, own, media.was_read)
                state.failed |= media.failed
            elif isinstance(media, Image) and self._reading.ocr == "off":
                self._mark(media, source, own, None)
        except MediaError as error:
            self._fail(error, source)

    def _is_embedded(self, media: Media | MediaError) -> bool:
        """Return whether a space embeds a media."""
        if isinstance(media, MediaError):
            return False
        kind = media.modality, media.modalities
        if kind not in self._lanes:
            self._lanes[kind] = lanes(self._spaces.values(), *kind)
        return bool(self._lanes[kind])

    def _take_words(self, words: PictureText, ticket: Ticket, *, explicit: bool) -> None:
        """Take the words of a picture that no space embeds; a picture without any has failed."""
        self._take(words, ticket, explicit=explicit)
        if words.decode():
            words._source.note("only its words are in the index, which does not embed images")
        else:
            self._take(words.picture, ticket, explicit=explicit)

    def _chunk(self, media: Media, source: str, own: dict[str, Any], lane: Lane, ticket: Ticket) -> int:
        """Put the chunks of a media into a lane, write the lane whenever it is full, and return their number."""
        encoder = lane.spaces[0].encoder(media.modality)
        fixed = None if encoder.cut_at_pauses or not encoder.window_seconds else encoder.window_seconds
        state = self._state(source)
        self._tracker.divide(media, encoder.window_seconds, len(lane.spaces))
        count = 0
        for part in chunk_media(media, lane.spaces[0], **self._chunking):
            passage = {name: value for name, value in part.metadata.items() if name not in media.metadata}
            window = (fixed, self._chunking["overlap"]) if fixed and part.modality in ("audio", "video") else None
            text = part.decode() if part.modality == "text" else None
            chunk = Chunk(part, source, {**passage, **own}, window, text, ticket)
            self._tracker.wait(ticket, len(lane.spaces))
            state.expected |= {record_id(chunk.provenance(space.fingerprint)) for space in lane.spaces}
            state.sha256.add(part.sha256)
            lane.chunks.append(chunk)
            if lane.is_full:
                self._writer.write(lane)
            count += 1
        return count

    def _remember(self, words: PictureText, source: str, own: dict[str, Any]) -> None:
        """Give a picture the words that the index holds of it."""
        marks = []
        for space, identifier in self._picture_records(words.picture, source, own).items():
            description = self._collections.descriptions[space, "image"]
            there = list(self._collections.get(description, ids=[identifier]))
            marks.append(there[0].metadata.get(OCR_READ) if there else None)
        texts = [
            description for (_, modality), description in self._collections.descriptions.items() if modality == "text"
        ]
        remember_picture(words, source, self._collections, texts, marks)

    def _mark(self, media: Media, source: str, own: dict[str, Any], was_read: bool | None) -> None:
        """Let the records of a picture say whether it was read, once its words are written."""
        picture = media.picture if isinstance(media, PictureText) else media
        for space, identifier in self._picture_records(picture, source, own).items():
            self._read.setdefault(space, {})[identifier] = was_read

    def _picture_records(self, picture: Media, source: str, own: dict[str, Any]) -> dict[str, str]:
        """Return the ids of the records of a picture, by space."""
        chunk = Chunk(picture, source, own)
        spaces = [space for space in self._spaces.values() if "image" in space.modalities]
        return {space.name: record_id(chunk.provenance(space.fingerprint)) for space in spaces}

    def _own(self, media: Media) -> dict[str, Any]:
        extra = self._metadata(media) if callable(self._metadata) else self._metadata or {}
        if not isinstance(extra, Mapping):
            shown = printable(without_secrets(media.source))
            msg = f"{shown}: the metadata function must return a dict ({{}} for none), but returned {quoted(extra)}"
            raise TypeError(msg)
        return check_own({**media.metadata, **extra}, media.modality)

    def _state(self, source: str) -> SourceState:
        return self._states.setdefault(source, SourceState())

    def _remove_replaced(self) -> None:
        """Remove records of sources that were read in this call and have other content now."""
        sources = [name for name, state in self._states.items() if not state.failed and source_path(name)]
        for description in list(self._collections.descriptions.values()):
            for condition in any_of("source", sources):
                records = list(self._collections.get(description, condition=condition))
                outdated = [record.id for record in records if self._is_replaced(description, record)]
                self._collections.delete(description, outdated)
                self.report.replaced += len(outdated)

    def _remove_gone(self, folders: list[Any]) -> None:
        """Remove records of files under the folders that are no longer there."""
        for description in list(self._collections.descriptions.values()):
            self._collections.keep_folders(description)
            sources = {
                record.id: record_source(record.id, record.metadata)
                for record in self._collections.at_or_below(description, folders)
            }
            gone = [
                identifier for identifier, source in sources.items() if source not in self._states and is_gone(source)
            ]
            self._collections.delete(description, gone)
            self.report.deleted += len(gone)

    def _is_replaced(self, description: Description, record: StoredRecord) -> bool:
        state = self._states[str(record.metadata["source"])]
        if record.id in state.expected or description.space not in self._spaces:
            return False
        if state.whole_file or description.modality in state.whole_modalities:
            return True
        if is_picture_text(read_metadata(record.metadata)):
            return "image" in state.whole_modalities or record.metadata[FILE_HASH] not in state.sha256
        return description.modality != "text" and record.metadata.get("sha256") not in state.sha256

    def _fail(self, error: MediaError, source: str | None = None) -> None:
        if self._on_error == "raise" and not isinstance(error, PartError):
            raise error
        if source is not None and not isinstance(error, NoContentError):
            self._state(source).failed = True  # it may be whole again: its old records stay
        if not any(error.source == known.source and error.reason == known.reason for known in self.report.failed[-8:]):
            self.report.failed.append(error)


def _check_for_any(metadata: Mapping[str, Any]) -> None:
    """Check before anything is read that metadata can be stored with media of at least one modality.

    Raises:
        ValueError: If they cannot; the message is that for texts.
    """
    for modality in reversed(MODALITIES):
        try:
            check_own(metadata, modality)
        except ValueError:
            if modality == "text":
                raise
        else:
            return


def _is_folder(given: Any, policy: MediaPolicy) -> bool:
    if not isinstance(given, (str, Path)):
        return False
    try:
        return policy.resolve(str(given)).is_dir()
    except MediaError:
        return False
