"""Text: a string, or the words of a text file, a web page saved to disk, or a PDF page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Self

from senseweave.errors import MediaError
from senseweave.media.base import Encoded, Media, Value
from senseweave.media.forms.content import Content
from senseweave.media.forms.objects import GivenSource
from senseweave.media.modality import Modality
from senseweave.media.policy import MediaPolicy


class Text(Media):
    """A string. It is only ever a string: never opened, fetched or taken for a file, whatever it looks like.

    Use `Text.open` for the words of a file.

    Args:
        text: The text itself.
        source: A label for where it comes from, instead of one made from its hash.
        metadata: The user's own flat values.
        policy: Kept for what is derived from this media; a string needs no permission.
        page: Page number inside a document, from 1, or None.

    Raises:
        TypeError: If `text` is not a string.
    """

    modality: Modality = "text"  # type: ignore[misc]

    def __init__(
        self,
        text: str,
        *,
        source: str | None = None,
        mime_type: str | None = None,
        page: int | None = None,
        metadata: Mapping[str, Value] | None = None,
        policy: MediaPolicy | None = None,
    ) -> None:
        if not isinstance(text, str):
            msg = f"Text takes a str, not {type(text).__name__}; Text.open reads a file"
            raise TypeError(msg)
        super().__init__(_Words(text, source, mime_type), page=page, metadata=metadata, policy=policy)

    @classmethod
    def open(
        cls,
        given: Encoded,
        *,
        page: int | None = None,
        metadata: Mapping[str, Value] | None = None,
        policy: MediaPolicy | None = None,
    ) -> Text:
        """Return the words of a text file, HTML file or PDF page, which are read when they are asked for.

        Args:
            given: A path, URL, data URI, bytes, or binary file object.
            page: Which page of a PDF, from 1; None joins the words of all pages.
            metadata: The user's own flat values.
            policy: What may be read.
        """
        return TextFile(given, page=page, metadata=metadata, policy=policy)

    def decode(self) -> str:
        """Return the text.

        Raises:
            MediaError: If it is that of a file and the file cannot be read.
        """
        source = self._source
        assert isinstance(source, _Words)
        return source.text

    def part(
        self,
        *,
        span: tuple[float, float] | None = None,
        page: int | None = None,
        metadata: Mapping[str, Value] | None = None,
    ) -> Self:
        """Return the same text with another page or metadata."""
        del span  # text has none
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.page = page if page is not None else self.page
        made.metadata = dict(metadata if metadata is not None else self.metadata)
        return made


class TextFile(Text):
    """The words of a file; made by `Text.open`."""

    def __init__(
        self,
        given: Encoded,
        *,
        page: int | None = None,
        metadata: Mapping[str, Value] | None = None,
        policy: MediaPolicy | None = None,
    ) -> None:
        Media.__init__(self, given, page=page, metadata=metadata, policy=policy)

    @classmethod
    def _decoded_source(cls, given: object) -> GivenSource:
        expected = "expected a path, URL, data URI, bytes or binary file object"
        raise MediaError(type(given).__name__, f"is no file; {expected}")

    def decode(self) -> str:
        """Return the words of the file, or of its page.

        Raises:
            MediaError: If the file cannot be read or is not text.
        """
        from senseweave.media.documents import document_reader

        return document_reader(self._content(), self.source).text(self._source, self.page)


class _Words(GivenSource):
    """A string, with the label and type of where it came from."""

    def __init__(self, text: str, label: str | None, mime_type: str | None) -> None:
        super().__init__(text, "text")
        self.text = text
        self._label = label
        self._mime_type = mime_type

    @property
    def label(self) -> str:
        """The file it is from, or the beginning of its hash."""
        return self._label or f"text:{self.sha256[:12]}"

    @property
    def name(self) -> str:
        """The file it is from, or the text."""
        return self.text if self._label is None else self._label

    @property
    def identity(self) -> tuple[str, str | None, str]:
        """The text and the file it is from."""
        return "text", self._label, self.sha256

    @property
    def content(self) -> Content:
        """Text, of the type that its file had."""
        return Content(self._mime_type or "text/plain", ("text",))

    @property
    def sha256(self) -> str:
        """SHA-256 of the text in UTF-8."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()
