"""The record: a chunk as a store keeps it, and the one flat metadata schema that everything writes and reads."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, Final, cast

import numpy as np

from senseweave.errors import MediaError, SpanError
from senseweave.media import MEDIA_CLASSES, MODALITIES, Media, MediaPolicy, Modality, Text
from senseweave.media.base import source_name
from senseweave.media.forms.local_names import source_path
from senseweave.media.forms.parts import is_part_path
from senseweave.media.fused import FUSED, Fused, read_fused
from senseweave.redaction import redact_repr
from senseweave.retrieval.records.folders import ABOVE, without_folders
from senseweave.retrieval.records.values import check_name, check_value

Span = tuple[float, float]

FIELDS: Final = ("modality", "source", "part", "mime_type", "sha256", "start", "end", "page", "fingerprint", "added_at")
"""Metadata names of the schema. On a record where the value cannot be the schema's, it is the user's own."""
OLD_SPAN: Final = ("start_s", "end_s")
"""Names that version 0.1 of the LangChain package gave to the span."""
FILE_PATH: Final = "file_path"
"""The same value as `source`, which components of Haystack and LlamaIndex look for."""
DISPLACED: Final = "user_"
"""Beginning of the name under which a user's value is kept where the record itself needs the name: `user_page`."""
INDEX_NAMES: Final = {FILE_PATH: "source", f"{DISPLACED}{FILE_PATH}": FILE_PATH}
"""What an index calls metadata of documents that carry `file_path`, for conditions on them."""
PASSAGE: Final = ("character_start", "character_end")
"""Metadata of a passage of a text: its position, which chunking writes and not the user."""
OCR_READ: Final = "ocr_read"
"""What an index keeps with a picture whose words it holds: whether OCR read it, or it did not look as if it had any."""
NOTES: Final = "notes"
"""What a user should know of a source that could be read only in part, beside the user's own values."""
TIMED: Final = ("audio", "video")
"""Modalities in which a record can have a span."""
PAGED_IMAGES: Final = ("image/tiff", "image/svg+xml")
"""MIME types of images that have pages of their own."""
TRANSCRIPTS: Final = ("application/x-subrip", "text/vtt")
"""MIME types of texts that have the span of a recording."""
PAGED: Final = ("text", "image")
"""Modalities in which a record can have a page."""


@redact_repr
@dataclass(frozen=True)
class Record:
    """A record on its way into a store.

    Attributes:
        id: Its id in the collection.
        vector: Shape (dimension,), float32.
        text: The text itself, or the caption, transcript or label line of a media chunk.
        metadata: Flat values, as `write_metadata` makes them.
    """

    id: str
    vector: np.ndarray
    text: str
    metadata: dict[str, Any]


@redact_repr
@dataclass(frozen=True)
class Provenance:
    """What flat metadata say of the chunk that they belong to; None where they do not say it.

    Attributes:
        modality: `text` where the metadata name no modality that exists.
        source: Absolute path, URL or label.
        part: Path to a file inside the source, for example `!/word/media/image1.png`.
        span: `(start, end)` in seconds, of audio, video and transcripts alone.
        page: Page number from 1, of text and images alone.
        mime_type: Of the source.
        sha256: Of the content, in hexadecimal.
        fingerprint: Of the space that embedded the chunk.
        added_at: Seconds since 1970.
        own: The user's own values, among them those under a name of the schema that cannot be the schema's.
    """

    modality: Modality = "text"
    source: str | None = None
    span: Span | None = None
    page: int | None = None
    part: str | None = None
    mime_type: str | None = None
    sha256: str | None = None
    fingerprint: str | None = None
    added_at: float | None = None
    own: Mapping[str, Any] = field(default_factory=dict)

    def media(self, text: str | None = None, *, policy: MediaPolicy | None = None, content: Any = None) -> Media:
        """Return the media that the record stands for; nothing is read.

        Args:
            text: The record's text, which is the media where the modality is text.
            policy: What may be read.
            content: What holds the content of a record that is not text: a path, URL or bytes, of a part those of the
                part; its source if None.

        Raises:
            MediaError: If the record is not text, and neither names a source nor comes with its content.
            SpanError: If it has numbers under the names of a span or a page that are none: all of a recording, or the
                first page, is not meant.
        """
        if (reason := self.misplaced_span or self.misplaced_page) is not None:
            raise SpanError(self.source or (text or self.modality)[:60], reason)
        if (fused := self.fused_media(policy)) is not None:
            return fused
        if self.modality == "text":
            return Text(
                text or "",
                source=self.source,
                span=self.span,
                page=self.page,
                part=self.part,
                mime_type=self.mime_type,
                metadata=self.own,
                policy=policy,
            )
        part = self.part if content is None else None
        content = content if content is not None else self.source or None
        if content is None:
            reason = f"a record of modality {self.modality} needs metadata['source'], the path or URL of its file"
            raise MediaError((text or self.modality)[:60], reason)
        return MEDIA_CLASSES[self.modality](
            content, span=self.span, page=self.page, part=part, metadata=self.own, policy=policy
        )

    def check_unchanged(self, media: Media) -> Media:
        """Return media that the record stands for, if they are still what the record was written of.

        Args:
            media: What `media` returned.

        Raises:
            MediaError: If the source has changed since, or cannot be read.
        """
        if self.modality != "text" and self.sha256 not in (None, media.sha256):
            raise MediaError(media.source, "has changed since the document was made of it; load it again")
        return media

    def fused_media(self, policy: MediaPolicy | None = None) -> Fused | None:
        """Return the fused media that the record stands for; None for a record of single media. Nothing is read."""
        return read_fused(self.own.get(FUSED), source=self.source, metadata=self.own, policy=policy)

    @property
    def misplaced_page(self) -> str | None:
        """What is wrong with a number in `page` of an image that `read_metadata` left to the user; else None."""
        page = self.own.get("page") if self.modality == "image" and self.page is None else None
        if isinstance(page, numbers.Real) and not isinstance(page, bool):
            return f"a page is a whole number from 1, not {page!r}"
        return None

    @property
    def misplaced_span(self) -> str | None:
        """What is wrong with numbers under the names of a span that `read_metadata` left to the user; else None."""
        for names in (("start", "end"), OLD_SPAN) if self.modality in TIMED and self.span is None else ():
            start, end = (self.own.get(name) for name in names)
            if any(isinstance(value, numbers.Real) and not isinstance(value, bool) for value in (start, end)):
                return f"a span is (start, end) in seconds with 0 <= start < end, not ({start!r}, {end!r})"
        return None


def read_metadata(metadata: Mapping[str, Any] | None) -> Provenance:
    """Return the provenance in a record's metadata, whoever wrote them: the core, an integration or version 0.1.

    A value under a name of the schema that cannot be the schema's (a date in `start` of a text, `modality="CT"`) is
    the user's own, and is found in `own`.

    Args:
        metadata: Flat metadata of a stored record, document or node; None for none.
    """
    values = without_folders(metadata or {})
    taken: dict[str, Any] = {}
    if values.get("modality") in MODALITIES:
        taken["modality"] = cast(Modality, values.pop("modality"))
    modality = taken.get("modality", "text")
    for name in ("source", "mime_type", "sha256", "fingerprint"):
        value = values.get(name)
        if isinstance(value, str) and value:
            taken[name] = value
            del values[name]
    if "part" in values and is_part_path(values["part"]):
        taken["part"] = values.pop("part")
    file_path = values.get(FILE_PATH)
    if file_path is not None and isinstance(file_path, (str, os.PathLike)) and str(file_path):
        if "source" not in taken:
            taken["source"] = os.fspath(file_path)
        if taken["source"] == os.fspath(file_path):
            del values[FILE_PATH]
    if _is_number(values.get("added_at")):
        taken["added_at"] = float(values.pop("added_at"))
    if modality in TIMED or taken.get("mime_type") in TRANSCRIPTS:
        for names in (("start", "end"), OLD_SPAN):
            span = _span(values, *names)
            if span is not None:
                taken.setdefault("span", span)
                for name in names:
                    values.pop(name, None)
    if "page" in values and modality in PAGED and _is_page(values["page"]):
        taken["page"] = int(values.pop("page"))
    if modality == "image" and isinstance(values.get(OCR_READ), bool):
        del values[OCR_READ]
    return Provenance(**taken, own=values)


def write_metadata(provenance: Provenance, *, file_path: bool = False) -> dict[str, Any]:
    """Return the flat metadata of a record: the schema's values, and the user's own beside them.

    A value of the user under a name that the record itself needs is kept under `user_` and the name.

    Args:
        provenance: What to write; None is left out.
        file_path: Whether to write the source under `file_path` too, for components of Haystack and LlamaIndex.
    """
    start, end = provenance.span if provenance.span is not None else (None, None)
    written = {
        "modality": provenance.modality,
        "source": provenance.source,
        "part": provenance.part,
        "mime_type": provenance.mime_type,
        "sha256": provenance.sha256,
        "start": start,
        "end": end,
        "page": provenance.page,
        "fingerprint": provenance.fingerprint,
        "added_at": provenance.added_at,
    }
    if file_path and provenance.source is not None:
        written[FILE_PATH] = provenance.source
    taken = {name: value for name, value in written.items() if value is not None}
    return {**taken, **_own_beside(provenance, taken)}


def own_metadata(provenance: Provenance) -> dict[str, Any]:
    """Return the user's own values under the names that `write_metadata` gives them."""
    written = write_metadata(replace(provenance, own={}))
    return _own_beside(provenance, written)


def media_provenance(
    media: Media,
    *,
    source: str | None = None,
    fingerprint: str | None = None,
    added_at: float | None = None,
    own: Mapping[str, Any] | None = None,
) -> Provenance:
    """Return the provenance of a chunk of media.

    Args:
        media: The chunk.
        source: What it is filed under; the media's absolute path, URL or label if None.
        fingerprint: Of the space that embeds it.
        added_at: Seconds since 1970.
        own: The user's own values; those of the media if None. Numbers and paths that readers would take for the span
            or the part of the chunk are kept under `user_` and their names.

    Raises:
        MediaError: If the media cannot be read.
    """
    values = {
        f"{DISPLACED}{name}" if _says_where(name, value, media) else name: value
        for name, value in (media.metadata if own is None else own).items()
    }
    if isinstance(media, Fused):
        values[FUSED] = media.record()
    if media.notes:
        values.setdefault(NOTES, "; ".join(media.notes))
    return Provenance(
        modality=media.modality,
        source=source if source is not None else source_name(media),
        span=media.span,
        page=media.page,
        part=media.part_name,
        mime_type=media.mime_type,
        sha256=media.sha256,
        fingerprint=fingerprint,
        added_at=added_at,
        own=values,
    )


def record_text(media: Media, source: str, caption: str | None) -> str:
    """Return the text of a record: the text itself, what the encoder says of a media chunk, or its source's name."""
    if media.modality == "text":
        text: str = media.decode()
        return text
    return caption or default_text(media.modality, source)


def default_text(modality: Modality, source: str) -> str:
    """Return the text of a media chunk that has no caption: its modality and the name of its source."""
    return f"{modality}: {PurePath(source).name or source}"


def record_source(identifier: str, metadata: Mapping[str, Any]) -> str:
    """Return the source of a stored record, or its id if another program wrote it without a source."""
    return read_metadata(metadata).source or identifier


def is_gone(source: str) -> bool:
    """Return whether a source is a local file that no longer exists."""
    path = source_path(source)
    return path is not None and not os.path.lexists(path)


def check_own(own: Mapping[Any, Any], modality: Modality) -> dict[str, Any]:
    """Return a user's metadata as they are stored, numbers of NumPy as Python's.

    Args:
        own: The user's values.
        modality: Of the record. A name of the schema is the user's where the value cannot be the schema's; a record
            that needs the name itself keeps the value under `user_` and the name.

    Raises:
        ValueError: If a name or a value cannot be stored; the message names it.
    """
    return {_check_name(name, value, modality): check_value(name, value) for name, value in own.items()}


def _own_beside(provenance: Provenance, taken: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's own values, under names that the schema's values leave free."""
    own: dict[str, Any] = {}
    for name, value in provenance.own.items():
        is_word = name == "modality" and provenance.modality == "text" and value not in MODALITIES
        if name not in taken or is_word:
            own[name] = value
        elif value != taken[name]:
            own.setdefault(f"{DISPLACED}{name}", value)
    return {name: value for name, value in own.items() if value is not None}


def _says_where(name: str, value: Any, media: Media) -> bool:
    """Return whether a reader would take a user's value for where the chunk is in its source."""
    if name in ("start", "end", *OLD_SPAN):
        is_timed = media.modality in TIMED or media.mime_type in TRANSCRIPTS
        return is_timed and isinstance(value, numbers.Real) and not isinstance(value, bool)
    return name == "part" and is_part_path(value)


def _is_number(value: Any) -> bool:
    if value is None:  # most often; to ask an abstract class takes ten times as long
        return False
    if type(value) is float:
        return math.isfinite(value)
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_page(value: Any) -> bool:
    return _is_number(value) and value == int(value) and value >= 1


def _span(values: Mapping[str, Any], start_name: str, end_name: str) -> Span | None:
    start, end = values.get(start_name, 0.0), values.get(end_name)
    if _is_number(start) and _is_number(end) and 0 <= start < cast(float, end):
        return float(start), float(cast(float, end))
    return None


def _check_name(name: Any, value: Any, modality: Modality) -> str:
    check_name(name)
    if name.startswith(ABOVE):
        msg = f"metadata names that begin with {ABOVE} are reserved for the index, not {name!r}"
        raise ValueError(msg)
    if name in FIELDS and not _may_be_users(name, value, modality):
        msg = f"metadata name {name!r} is reserved for the index; reserved names are {', '.join(FIELDS)}"
        raise ValueError(msg)
    return str(name)


def _may_be_users(name: str, value: Any, modality: Modality) -> bool:
    """Return whether a value cannot be the schema's, on a record of a modality."""
    if name in ("start", "end"):
        return modality not in TIMED or not _is_number(value)
    if name == "page":
        return modality not in PAGED or not _is_page(value)
    if name == "part":
        return not is_part_path(value)
    if name == "modality":
        return value not in MODALITIES
    return not (_is_number(value) if name == "added_at" else isinstance(value, str))
