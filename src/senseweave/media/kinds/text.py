"""Text: a string, or the text of a text file, an HTML file or a PDF page."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import cached_property
from typing import Final, Self

from senseweave.errors import MediaError
from senseweave.extras import reading
from senseweave.media.base import Encoded, Media, Value, source_name
from senseweave.media.forms.content import Content
from senseweave.media.forms.objects import DecodedSource
from senseweave.media.modality import Modality
from senseweave.media.policy import MediaPolicy

OCR: Final = "ocr"
"""Metadata of a passage of a scanned page: true."""
FILE_HASH: Final = "file_sha256"
"""Metadata of such a passage: the hash of the file, by which a page is known that was read before."""
PAGE_PICTURE: Final = "page_picture"
"""Metadata of a passage of a page that is also kept as a picture, with which it is one hit: true."""


class Text(Media):
    """A string, which is never opened or fetched even if it looks like a path or a URL.

    Use `Text.open` for the text of a file.

    Args:
        text: The text itself.
        source: Where the text comes from, a path or any other label; by default one made from its hash.
        metadata: The user's own flat values.
        policy: Policy of media derived from this; a string itself needs no permission.
        span: `(start, end)` in seconds of the recording that says it, of a transcript; else None.
        page: Page number inside a document, from 1, or None.
        part: Path of the file inside `source` that it comes from, or None.

    Raises:
        TypeError: If `text` is not a string, or `source` is neither a string nor a path.
    """

    modality: Modality = "text"  # type: ignore[misc]

    def __init__(
        self,
        text: str,
        *,
        source: str | os.PathLike[str] | None = None,
        mime_type: str | None = None,
        span: tuple[float, float] | None = None,
        page: int | None = None,
        part: str | None = None,
        metadata: Mapping[str, Value] | None = None,
        policy: MediaPolicy | None = None,
    ) -> None:
        if not isinstance(text, str):
            msg = f"text must be a str, not {type(text).__name__}; to read a file, use Text.open"
            raise TypeError(msg)
        content = _StringSource(text, _as_label(source), mime_type, part)
        super().__init__(content, span=span, page=page, metadata=metadata, policy=policy)

    @classmethod
    def open(
        cls,
        value: Encoded,
        *,
        page: int | None = None,
        part: str | None = None,
        metadata: Mapping[str, Value] | None = None,
        policy: MediaPolicy | None = None,
        encoding: str | None = None,
    ) -> Text:
        """Return the text of a text file, HTML file or PDF page, read when it is first needed.

        Args:
            value: A path, URL, data URI, bytes, or binary file object.
            page: Which page, slide, sheet, chapter or message of a document, from 1; None joins the text of all.
            part: Which file inside the document or archive, for example `notes/cats.txt`; None for itself.
            metadata: The user's own flat values.
            policy: What may be read.
            encoding: Of a text or HTML file, for example `cp1250`; None detects it. What is chosen is found in the
                metadata of its passages, under `encoding`, where it is not UTF-8.

        Raises:
            ValueError: If Python has no encoding of that name.
        """
        return TextFile(value, page=page, part=part, metadata=metadata, policy=policy, encoding=encoding)

    def decode(self) -> str:
        """Return the text.

        Raises:
            MediaError: If the text is in a file that cannot be read.
        """
        source = self._source
        assert isinstance(source, _StringSource)
        return source.text

    def part(
        self,
        *,
        span: tuple[float, float] | None = None,
        page: int | None = None,
        metadata: Mapping[str, Value] | None = None,
    ) -> Self:
        """Return the same text with another span, page or metadata."""
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part.span = span if span is not None else self.span
        part.page = page if page is not None else self.page
        part.metadata = dict(metadata if metadata is not None else self.metadata)
        return part


class TextFile(Text):
    """The text of a file, as `Text.open` returns it.

    Attributes:
        has_picture: Whether it is the text of a page that is also kept as a picture, and one hit with it.
    """

    def __init__(
        self,
        value: Encoded,
        *,
        page: int | None = None,
        part: str | None = None,
        metadata: Mapping[str, Value] | None = None,
        policy: MediaPolicy | None = None,
        encoding: str | None = None,
    ) -> None:
        Media.__init__(self, value, page=page, part=part, metadata=metadata, policy=policy)
        self.has_picture = False
        if encoding is not None:
            from senseweave.media.documents.plain import check_encoding

            self._source.encoding = check_encoding(encoding)

    @classmethod
    def _decoded_source(cls, value: object) -> DecodedSource:
        expected = "expected a path, URL, data URI, bytes or binary file object"
        raise MediaError(type(value).__name__, f"is not a file; {expected}")

    @property
    def is_scan(self) -> bool:
        """Whether this is a scanned page whose words OCR reads; it may find none."""
        return self.page is not None and self.page in (self._source.scanned or ())

    def remember_words(self, words: str) -> None:
        """Take what OCR read on this page before, so that it is not read again."""
        if self.page is not None:
            self._source.scanned_words[self.page] = words

    def decode(self) -> str:
        """Return the text of the file, or of its page.

        Raises:
            MediaError: If the file cannot be read or is not text.
        """
        from senseweave.media.documents import document_reader

        with reading(self.source):
            return document_reader(self._content(), self.source).text(self._source, self.page)


def passage_of(
    media: Media, text: str, *, span: tuple[float, float] | None = None, metadata: Mapping[str, Value]
) -> Text:
    """Return words of a media as a text of their own, of the same source, page and part.

    Args:
        media: A text, or what `text` was read from.
        text: The words.
        span: `(start, end)` in seconds of the recording that says them, or None.
        metadata: All values of the passage; those of `media` are not added.

    Raises:
        MediaError: If the source cannot be read.
    """
    passage = Text(
        text,
        source=media.source,
        mime_type=media.mime_type,
        span=span,
        page=media.page,
        part=media.part_name,
        metadata=metadata,
        policy=media.policy,
    )
    source = passage._source
    assert isinstance(source, _StringSource)
    source.stored_as = source_name(media)
    return passage


def _as_label(source: str | os.PathLike[str] | None) -> str | None:
    label = os.fspath(source) if isinstance(source, os.PathLike) else source
    if label is not None and not isinstance(label, str):
        msg = f"source must be a str or a path, not {type(source).__name__}"
        raise TypeError(msg)
    return label


class _StringSource(DecodedSource):
    """A string, with the label and MIME type of the file it comes from.

    Attributes:
        stored_as: The name under which records keep the file, where that is not its label.
    """

    def __init__(self, text: str, label: str | None, mime_type: str | None, part: str | None) -> None:
        super().__init__(text, "text")
        self._part = part
        self.stored_as: str | None = None
        self.text = text
        self._label = label
        self._mime_type = mime_type

    @property
    def label(self) -> str:
        """The file it comes from, or the first digits of its hash."""
        return self._label or f"text:{self.sha256[:12]}"

    @property
    def stored(self) -> str:
        """The name under which records keep the file it comes from."""
        return self.stored_as or self.label

    @property
    def part(self) -> str | None:
        """The path of the file inside the file that it comes from, or None."""
        return self._part

    @property
    def name(self) -> str:
        """The file it comes from, or the text."""
        return self.text if self._label is None else self._label

    @property
    def identity(self) -> tuple[str, str | None, str | None, str]:
        """The hash of the text and the file it comes from."""
        return "text", self.stored_as or self._label, self._part, self.sha256

    @property
    def content(self) -> Content:
        """Text of the MIME type of its file."""
        return Content(self._mime_type or "text/plain", ("text",))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the text in UTF-8."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()
