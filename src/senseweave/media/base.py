"""The base class of media: one input with its provenance."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self, TypeAlias

from senseweave.errors import MediaError
from senseweave.media.forms.content import Content, confirm
from senseweave.media.forms.inputs import as_source
from senseweave.media.forms.objects import DecodedSource
from senseweave.media.forms.parts import open_parts
from senseweave.media.forms.source import Source
from senseweave.media.modality import Modality
from senseweave.media.policy import DEFAULT_POLICY, MediaPolicy
from senseweave.redaction import without_secrets

Value: TypeAlias = str | int | float | bool
"""Types of metadata values, limited to what every vector store can keep."""
Encoded: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Source
"""An input with bytes: a path, a URL, a data URI, bytes, or a binary file object."""


class Media:
    """One input of one modality, read only when it is needed.

    Two media are equal if they have the same modality, source (path, URL, bytes or decoded values), span and page.
    Equality reads no file; to compare contents, compare `sha256`.

    Attributes:
        policy: What may be read, and how much of it.
        span: `(start, end)` in seconds inside the source, or None for all of it.
        page: Page number inside a document, from 1, or None.
        metadata: The user's own flat values.
        shared: Decodes in place of `decode`, given its options, where several encoders share one decoding.
    """

    modality: ClassVar[Modality]
    shared: Callable[[Mapping[str, Any]], Any] | None = None

    def __init__(
        self,
        value: Any,
        *,
        span: tuple[float, float] | None = None,
        page: int | None = None,
        part: str | None = None,
        metadata: Mapping[str, Value] | None = None,
        policy: MediaPolicy | None = None,
    ) -> None:
        self.policy = policy if policy is not None else DEFAULT_POLICY
        self.span = _checked_span(span)
        self.page = page
        if page is not None and page < 1:
            msg = f"page must be at least 1, not {page}"
            raise ValueError(msg)
        self.metadata: dict[str, Value] = dict(metadata or {})
        if isinstance(value, Media):
            reason = f"is already {value.modality} media; pass the path, bytes or object it was created from"
            raise MediaError(value._source.name, reason)
        self._source: Source = as_source(value, self.policy) or self._decoded_source(value)
        if part is not None:
            self._source = open_parts(self._source, part)
        if self._source.expected is None:
            self._source.expected = self.modality

    @classmethod
    def _decoded_source(cls, value: object) -> DecodedSource:
        return DecodedSource(value, cls.modality)

    @property
    def modalities(self) -> frozenset[Modality]:
        """The modalities that a space must embed for it; several if it is fused of several media."""
        return frozenset({self.modality})

    @property
    def source(self) -> str:
        """A path, a URL, or a short label such as `bytes:3f9a…`, with the path of a part after it."""
        return self._source.label

    @property
    def part_name(self) -> str | None:
        """The path to the media inside its file, for example `!/word/media/image1.png`, or None if it is the file."""
        return self._source.part

    @property
    def mime_type(self) -> str:
        """The MIME type, detected from the content.

        Raises:
            MediaError: If the source cannot be read.
        """
        return self._source.content.mime_type

    @property
    def sha256(self) -> str:
        """SHA-256 of the source's bytes, or of the values of a decoded object, in hexadecimal.

        Raises:
            MediaError: If the source cannot be read.
        """
        return self._source.sha256

    @property
    def size(self) -> int:
        """Size of the source in bytes.

        Raises:
            MediaError: If the source cannot be read.
        """
        return self._source.size

    @property
    def duration(self) -> float | None:
        """Length of the audio or video in seconds; None for text and images."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What reading has shown so far of a source that could be read only in part, or not as it is."""
        return tuple(self._source.notes)

    @property
    def is_scan(self) -> bool:
        """Whether this is a scanned page whose words OCR reads; it may find none."""
        return False

    def read(self) -> bytes:
        """Return the bytes of the source, within the policy's `max_bytes`.

        Raises:
            MediaError: If it cannot be read, or is a decoded object without bytes.
        """
        return self._source.read()

    def check(self) -> None:
        """Check by its first bytes that the source exists and has this modality.

        Raises:
            MediaError: If it does not.
        """
        self._content()

    def decode(self, *args: Any, **options: Any) -> Any:
        """Return the decoded form.

        Raises:
            MediaError: If the source cannot be read or decoded.
        """
        raise NotImplementedError

    def verify(self) -> None:
        """Check that the media can be decoded, by decoding it; of a video, one frame and no sound.

        `check` reads only the first bytes, and so accepts a truncated file.

        Raises:
            MediaError: If it cannot be decoded.
        """
        self.decode()

    def windows(self, seconds: float, overlap: float = 0.0, *args: Any, **options: Any) -> list[Self]:
        """Return the windows of the media, each with its span; text and images are a single window."""
        return [self]

    def decoded_windows(
        self, seconds: float, overlap: float = 0.0, *args: Any, **options: Any
    ) -> Iterator[tuple[Self, Any]]:
        """Yield each window with its decoded form, keeping one window in memory at a time.

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
        """Return media of the same source with another span, page or metadata; None keeps the present value."""
        return type(self)(
            self._source,
            span=span if span is not None else self.span,
            page=page if page is not None else self.page,
            metadata=metadata if metadata is not None else self.metadata,
            policy=self.policy,
        )

    def _content(self) -> Content:
        """Return the type of the content, after checking that it can have this modality."""
        content = self._source.content
        confirm(content, self.modality, self._source)
        return content

    def _identity(self) -> Hashable:
        return self.modality, self._source.identity, self.span, self.page

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, Media) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def _repr_html_(self) -> str:
        # By name: the module draws on the kinds of media, which are built on this one.
        return str(importlib.import_module("senseweave.notebook").media_html(self))

    def __repr__(self) -> str:
        parts = [repr(_shortened(without_secrets(self._source.name)))]
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
        msg = f"span must be (start, end) in seconds with 0 <= start < end, not {span!r}"
        raise ValueError(msg)
    return start, end


def _shortened(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def local_path(media: Media) -> Path | None:
    """Return the local path of a media, or None if it was created from something else or its name is not Unicode."""
    path = getattr(media._source, "path", None)
    return Path(path) if path is not None and source_name(media) == os.path.abspath(path) else None


def source_name(media: Media) -> str:
    """Return the absolute path of a local file, else the URL or label; of a part, those of the file that holds it.

    A path that is not Unicode is a file URL, see `stored_name`.
    """
    return media._source.root.stored
