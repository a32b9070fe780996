"""Chunks on their way between processes: decoded where that is small, without the bytes of their sources where not."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

import numpy as np

from senseweave.errors import MediaError
from senseweave.media import Media
from senseweave.media.forms.source import FileSource, Source
from senseweave.media.kinds.text import passage_of
from senseweave.retrieval.records.ingest import SourceState
from senseweave.retrieval.records.writing import Chunk
from senseweave.spaces.held import held_bytes

LARGEST_DECODED: Final = 32 * 1024**2
"""Bytes of a decoded chunk that are sent to another process; a larger chunk is decoded where it is embedded."""

Vector = tuple[np.ndarray, str | None]
"""A vector, shape (dimension,), float32, and what the encoder says of the chunk."""


@dataclass
class ShippedChunk(Chunk):
    """A chunk that one process reads, another embeds, and a third writes.

    Attributes:
        spaces: Names of the spaces that take it.
        wanted: Those that do not have it yet.
        embedded: By space, its vector, or the error because of which there is none.
    """

    spaces: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    embedded: dict[str, Vector | MediaError] = field(default_factory=dict)


@dataclass
class Outcome:
    """What reading an input showed beside its chunks.

    Attributes:
        states: Of those sources that the index held before.
        partial: Notes by source.
        failed: What could not be read.
        marks: By space, whether pictures were read, by the ids of their records.
    """

    states: dict[str, SourceState] = field(default_factory=dict)
    partial: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failed: list[MediaError] = field(default_factory=list)
    marks: dict[str, dict[str, bool | None]] = field(default_factory=dict)


class ReadSource(Source):
    """What is known of a source that another process has read, without its bytes."""

    def __init__(self, source: Source) -> None:
        """Take what is known of a source, which has been read."""
        super().__init__(source.policy)
        self._label, self._stored, self._part = source.label, source.stored, source.part
        self._root = self if source.root is source else ReadSource(source.root)
        self.encoding = source.encoding
        self.notes = list(source.notes)
        if (path := getattr(source, "path", None)) is not None:
            self.path = path
        if self._root is not self or "sha256" in source.__dict__:
            self.__dict__ |= {"sha256": source.sha256, "content": source.content}

    @property
    def label(self) -> str:
        """The path, the URL or a short name."""
        return self._label

    @property
    def stored(self) -> str:
        """The name under which records keep it."""
        return self._stored

    @property
    def identity(self) -> Hashable:
        """The hash of the bytes and the part."""
        return "read", self.sha256, self._part

    @property
    def root(self) -> Source:
        """The source of the outermost file."""
        return self._root

    @property
    def part(self) -> str | None:
        """The path to it in the outermost file, or None if it is that file."""
        return self._part

    def open(self) -> BinaryIO:
        """Raise MediaError: another process has read it.

        Raises:
            MediaError: Always.
        """
        raise MediaError(self.label, "was read by another process and is not here")


class Decoded:
    """The decoded forms of a chunk, by the options with which they were decoded."""

    def __init__(self, forms: Mapping[Hashable, Any]) -> None:
        """Hold decoded forms."""
        self._forms = forms

    def __call__(self, options: Mapping[str, Any]) -> Any:
        """Return the form for some options."""
        return self._forms[decoding_key(options)]


def decoding_key(options: Mapping[str, Any]) -> Hashable:
    """Return what equal options of decoding share."""
    return tuple(sorted(options.items()))


def decode(media: Media, options: list[Mapping[str, Any]]) -> Decoded | None:
    """Return the decoded forms of a chunk, or None if they are too large to be sent.

    Raises:
        MediaError: If it cannot be decoded.
    """
    forms: dict[Hashable, Any] = {}
    root = media._source.root
    # What is not in a file would have to be sent, or fetched again, in place of the decoded form.
    room = LARGEST_DECODED if isinstance(root, FileSource) else max(LARGEST_DECODED, root.size)
    for chosen in options:
        key = decoding_key(chosen)
        if key not in forms:
            forms[key] = media.decode(**chosen) if media.shared is None else media.shared(chosen)
            room -= held_bytes(forms[key])
            if room < 0:
                return None
    return Decoded(forms)


def without_bytes(media: Media, text: str | None = None) -> Media:
    """Return a chunk that says the same of itself and cannot be read any more; a text holds its words.

    Args:
        media: The chunk, which has been read.
        text: Its words, if it is a text.
    """
    if text is not None:
        words = passage_of(media, text, span=media.span, metadata=media.metadata)
        words._source.__dict__["sha256"] = media.sha256  # of a whole file, that of its bytes
        words._source.encoding = media._source.encoding
        words._source.notes = list(media._source.notes)
        return words
    _ = media.sha256, media.mime_type
    light = copy.copy(media)
    light._source = ReadSource(media._source)
    light.shared = None
    return light
