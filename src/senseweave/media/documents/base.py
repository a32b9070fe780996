"""The protocol of a document reader."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Final, Protocol

from senseweave.errors import MediaError
from senseweave.media.forms.source import Source

if TYPE_CHECKING:
    from PIL.Image import Image

RECORDING: Final = "recording"
"""Metadata of a passage of a transcript: the path of the recording beside it."""


@dataclass(frozen=True)
class Context:
    """What a passage needs of the text before it to be understood: the path of headings, or the header of a table.

    Attributes:
        start: Offset in the text from which it holds, up to the start of the next context.
        before: Context of a passage that begins at `start`, where the heading or header itself stands.
        within: Context of a passage that begins later.
    """

    start: int
    before: str
    within: str


@dataclass(frozen=True)
class Cue:
    """Words of a transcript.

    Attributes:
        start: Offset in the text at which they begin.
        end: Offset at which they end.
        span: `(start, end)` in seconds of the recording that says them.
    """

    start: int
    end: int
    span: tuple[float, float]


@dataclass(frozen=True)
class Part:
    """A file inside a document.

    Attributes:
        name: By which `DocumentReader.open_part` opens it.
        page: The page that shows it, from 1, or None.
    """

    name: str
    page: int | None = None


class DocumentReader(Protocol):
    """Reads one type of document.

    A reader that inherits from this class defines `name`, `mime_types`, `recognize` and `text`; the methods about pages
    and parts have defaults for documents that have none. A reader holds no state, is shared by threads, and obeys
    `source.policy`.

    Attributes:
        name: Short name of the reader, for example `pdf`.
        mime_types: The types that it reads.
        draws_pages: Whether `page_image` draws pages, so that a document can be taken as images as well.
        is_archive: Whether it holds files alone, so that one that cannot be read is an error like a file in a folder.
    """

    name: ClassVar[str]
    mime_types: ClassVar[tuple[str, ...]]
    draws_pages: ClassVar[bool] = False
    is_archive: ClassVar[bool] = False

    def recognize(self, file: BinaryIO) -> str | None:
        """Return the MIME type of a document that this reader reads, or None for anything else.

        Called for content that senseweave itself does not know, and for plain text. Of a download, `file` may hold
        only the first 4,096 bytes.

        Args:
            file: Seekable, at position 0.
        """
        return None

    def text(self, source: Source, page: int | None) -> str:
        """Return the text of a document.

        Args:
            source: The document.
            page: Which page, from 1; None for all pages, separated by form feeds.

        Raises:
            MediaError: If the document cannot be read, or has no such page.
        """
        raise NotImplementedError

    def pages_with_text(self, source: Source) -> list[bool] | None:
        """Return for each page whether it has text (a scanned page has none), or None for a document without pages.

        Raises:
            MediaError: If the document cannot be read.
        """
        return None

    def scanned_pages(self, source: Source) -> Collection[int]:
        """Return the pages whose words are in a picture, which `text` reads by OCR; it may find none.

        Raises:
            MediaError: If the document cannot be read.
        """
        return ()

    def picture_pixels(self, source: Source, page: int) -> int:
        """Return the number of pixels of the picture that fills most of a page, such as a scan; 0 if none does.

        Raises:
            MediaError: If the document or the page cannot be read.
        """
        return 0

    def page_count(self, source: Source) -> int | None:
        """Return the number of pages, or None for a document without pages.

        Raises:
            MediaError: If the document cannot be read.
        """
        pages = self.pages_with_text(source)
        return len(pages) if pages is not None else None

    def contexts(self, source: Source, page: int | None) -> Sequence[Context]:
        """Return the headings and table headers of a text, in order, by their place in what `text` returns.

        Raises:
            MediaError: If the document cannot be read, or has no such page.
        """
        return ()

    def cues(self, source: Source) -> Sequence[Cue]:
        """Return the cues of a transcript, in order; none for any other text.

        Raises:
            MediaError: If the document cannot be read.
        """
        return ()

    def parts(self, source: Source) -> Iterable[Part]:
        """Return the pictures, recordings and other files inside a document, in order.

        Raises:
            MediaError: If the document cannot be read.
        """
        return ()

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a file inside a document.

        Args:
            source: The document.
            name: As `parts` names it.

        Returns:
            A seekable file at position 0.

        Raises:
            MediaError: If there is no such file.
        """
        raise no_part(source, name)

    def page_image(self, source: Source, page: int | None) -> Image:
        """Draw a page.

        Args:
            source: The document.
            page: Which page, from 1; None for the only page.

        Raises:
            MediaError: If there is no such page, or `page` is None and there are several.
        """
        raise MediaError(source.label, f"is {source.content.mime_type}, whose pages cannot be drawn")


def reject_page(source: Source, page: int | None) -> None:
    """Raise MediaError if a page is requested, on behalf of a reader whose documents have no pages."""
    if page is not None:
        raise MediaError(source.label, f"is {source.content.mime_type}, which has no pages")


def no_part(source: Source, name: str) -> MediaError:
    """Return the error for a part that a document lacks."""
    return MediaError(source.label, f"holds no file {name!r}")
