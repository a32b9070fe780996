"""One input with its provenance: what it is, where it came from and which part of it is meant."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self, TypeAlias

from senseweave.errors import MediaError
from senseweave.media.forms.content import Content, confirm
from senseweave.media.forms.inputs import source_of
from senseweave.media.forms.objects import GivenSource
from senseweave.media.forms.source import Source
from senseweave.media.modality import Modality
from senseweave.media.policy import DEFAULT_POLICY, MediaPolicy

Value: TypeAlias = str | int | float | bool
"""What a metadata value may be, so that every vector store can keep it."""
Encoded: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Source
"""An input that has bytes: a path, a URL, a data URI, bytes, or a binary file object."""


class Media:
    """One input of one modality. Nothing is read before something is asked of it.

    Two media are equal where they are of one modality and mean the same part of the same source: the same path, URL,
    bytes or decoded values. That is told without reading a file; to compare contents, compare `sha256`.

    Attributes:
        policy: What may be read, and how much of it.
        span: `(start, end)` in seconds inside the source, or None for all of it.
        page: Page number inside a document, from 1, or None.
        metadata: The user's own flat values, kept with the item.
    """

    modality: ClassVar[Modality]

    def __init__(
        self,
        given: Any,
        *,
        span: tuple[float, float] | None = None,
        page: int | None = None,
        metadata: Mapping[str, Value] | None = None,
        policy: MediaPolicy | None = None,
    ) -> None:
        self.policy = policy if policy is not None else DEFAULT_POLICY
        self.span = _checked_span(span)
        self.page = page
        if page is not None and page < 1:
            msg = f"pages count from 1, not {page}"
            raise ValueError(msg)
        self.metadata: dict[str, Value] = dict(metadata or {})
        if isinstance(given, Media):
            raise MediaError(given._source.name, f"is {given.modality} media already; pass what it was made from")
        self._source: Source = source_of(given, self.policy) or self._decoded_source(given)
        if self._source.expected is None:
            self._source.expected = self.modality

    @classmethod
    def _decoded_source(cls, given: object) -> GivenSource:
        return GivenSource(given, cls.modality)

    @property
    def source(self) -> str:
        """A path, a URL, or a short label such as `bytes:3f9a…`."""
        return self._source.label

    @property
    def mime_type(self) -> str:
        """The MIME type, told from the content.

        Raises:
            MediaError: If the source cannot be read.
        """
        return self._source.content.mime_type

    @property
    def sha256(self) -> str:
        """SHA-256 of the source's bytes in hexadecimal; of the values where it was given decoded.

        Raises:
            MediaError: If the source cannot be read.
        """
        return self._source.sha256

    @property
    def size(self) -> int:
        """Number of bytes of the source.

        Raises:
            MediaError: If the source cannot be read.
        """
        return self._source.size

    @property
    def duration(self) -> float | None:
        """Seconds of sound or video that this media covers; None for text and images."""
        return None

    def read(self) -> bytes:
        """Return the bytes of the source, within the policy's `max_bytes`.

        Raises:
            MediaError: If it cannot be read, or was given decoded and has none.
        """
        return self._source.read()

    def check(self) -> None:
        """Make sure, by the first bytes, that the source is there and can be this modality.

        Raises:
            MediaError: If it is not.
        """
        self._content()

    def decode(self, *args: Any, **options: Any) -> Any:
        """Return the decoded form.

        Raises:
            MediaError: If it cannot be had.
        """
        raise NotImplementedError

    def verify(self) -> None:
        """Make sure that it can be decoded, by decoding it once; of a video, a single frame and no sound.

        `check` looks at the first bytes alone, and takes a file that was cut short for a whole one.

        Raises:
            MediaError: If it cannot be.
        """
        self.decode()

    def windows(self, seconds: float, overlap: float = 0.0, *args: Any, **options: Any) -> list[Self]:
        """Return media of the same source, one per window; text and images are one window."""
        return [self]

    def decoded_windows(
        self, seconds: float, overlap: float = 0.0, *args: Any, **options: Any
    ) -> Iterator[tuple[Self, Any]]:
        """Yield each window with its decoded form, holding one window in memory at a time.

        Raises:
            MediaError: If the source cannot be decoded.
        """
        yield self, self.decode(**options)

    def part(
        self,
        *,
        span: tuple[float, float] | None = None,
        page: int | None = None,
        metadata: Mapping[str, Value] | None = None,
    ) -> Self:
        """Return media of the same source with another span, page or metadata; None keeps what this one has."""
        return type(self)(
            self._source,
            span=span if span is not None else self.span,
            page=page if page is not None else self.page,
            metadata=metadata if metadata is not None else self.metadata,
            policy=self.policy,
        )

    def _content(self) -> Content:
        """Return what the bytes are, having made sure that they can be this modality."""
        content = self._source.content
        confirm(content, self.modality, self.source)
        return content

    def _identity(self) -> Hashable:
        return self.modality, self._source.identity, self.span, self.page

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, Media) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        parts = [repr(_shortened(self._source.name))]
        if self.span is not None:
            parts.append(f"span=({self.span[0]:g}, {self.span[1]:g})")
        if self.page is not None:
            parts.append(f"page={self.page}")
        return f"{self.modality.capitalize()}({', '.join(parts)})"


def _checked_span(span: tuple[float, float] | None) -> tuple[float, float] | None:
    if span is None:
        return None
    start, end = (float(value) for value in span)
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        msg = f"a span is (start, end) in seconds with 0 <= start < end, not {span!r}"
        raise ValueError(msg)
    return start, end


def _shortened(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def path_of(media: Media) -> Path | None:
    """Return the local path that a media was made from, or None where it was made from something else."""
    path = getattr(media._source, "path", None)
    return Path(path) if path is not None else None


def source_name(media: Media) -> str:
    """The absolute path of a local file, so that it is the same from every folder; else the media's own source."""
    path = path_of(media)
    return os.path.abspath(path) if path is not None else media.source
