"""Readers that parse a whole document at once, and remember the last few."""

from __future__ import annotations

import base64
import binascii
import io
import weakref
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from senseweave.errors import MediaError, PolicyError
from senseweave.forking import Lock
from senseweave.media.documents.base import Context, DocumentReader, Part, no_part, reject_page
from senseweave.media.forms.source import Source

REMEMBERED: Final = 4
"""Documents whose text is kept, because the pages and parts of a document are asked for one after the other."""


@dataclass
class Page:
    """A page, slide, sheet, chapter, cell or message.

    Attributes:
        text: Its text.
        contexts: Its headings and table headers, in order.
    """

    text: str = ""
    contexts: list[Context] = field(default_factory=list)


@dataclass
class ParsedDocument:
    """What a reader found in a document.

    Attributes:
        pages: Its pages; a single one where the document has no pages.
        parts: The files inside it.
        packed: Such files in base64 by the names of their parts, where a document of text holds them, which is then not
            read again for each.
    """

    pages: list[Page]
    parts: list[Part] = field(default_factory=list)
    packed: dict[str, str] = field(default_factory=dict)


class ParsedReader(DocumentReader):
    """A reader that defines `parse`, from which everything but `open_part` follows.

    Attributes:
        paged: Whether documents have pages that can be asked for.
    """

    paged = True

    @abstractmethod
    def parse(self, source: Source) -> ParsedDocument:
        """Return the text and the names of the parts of a document.

        Raises:
            MediaError: If it cannot be read.
        """

    def text(self, source: Source, page: int | None) -> str:
        """Return the text of a page, or of all pages separated by form feeds."""
        return "\f".join(found.text for found in self._pages(source, page))

    def contexts(self, source: Source, page: int | None) -> Sequence[Context]:
        """Return the headings and table headers of a page, or of all pages."""
        found: list[Context] = []
        offset = 0
        for part in self._pages(source, page):
            found += [Context(offset + each.start, each.before, each.within) for each in part.contexts]
            offset += len(part.text) + 1
        return found

    def pages_with_text(self, source: Source) -> list[bool] | None:
        """Return for each page whether it has text, or None for a document without pages."""
        pages = recall(source, self.parse).pages
        return [bool(page.text.strip()) for page in pages] if self.paged else None

    def parts(self, source: Source) -> Sequence[Part]:
        """Return the files inside the document."""
        return recall(source, self.parse).parts

    def _pages(self, source: Source, page: int | None) -> list[Page]:
        if not self.paged:
            reject_page(source, page)
        pages = recall(source, self.parse).pages
        if page is None:
            return pages
        if page > len(pages):
            raise MediaError(source.label, f"has no page {page}; it has {len(pages)}")
        return [pages[page - 1]]


class Builder:
    """Puts a page together from headings, paragraphs and tables, under the policy's `max_text_bytes`."""

    def __init__(self, source: Source, *titles: str) -> None:
        """Begin a page of a document; `titles` stand above its own headings, outermost first."""
        self._source = source
        self._titles = [title for title in (clean(title) for title in titles) if title]
        self._headings: list[tuple[int, str]] = []
        self._blocks: list[str] = []
        self._contexts = [Context(0, self.path, self.path)] if self._titles else []
        self._length = 0

    @property
    def path(self) -> str:
        """The path of the headings that hold now."""
        return heading_path([*self._titles, *(title for _, title in self._headings)])

    def heading(self, text: str, level: int = 1) -> None:
        """Add a heading of a level, from 1."""
        text = _characters(clean(text))
        if not text:
            return
        self._headings = [known for known in self._headings if known[0] < level]
        before = self.path
        self._headings.append((level, text))
        self._contexts.append(Context(self._length, before, self.path))
        self._add(text)

    def under(self, title: str) -> None:
        """Put what follows under a heading that stands in it already."""
        before = self.path
        self._headings = [(1, clean(title))]
        self._contexts.append(Context(self._length, before, self.path))

    def leave_headings(self) -> None:
        """Add what follows under no heading."""
        self._headings = []
        self._contexts.append(Context(self._length, self.path, self.path))

    def paragraph(self, text: str) -> None:
        """Add a paragraph."""
        if text.strip():
            self._add(text.strip("\n"))

    def table(self, rows: Sequence[Sequence[str]], *, header: bool = True) -> None:
        """Add a table, a line for each row; its first row is repeated above later passages."""
        lines = [row_line(row) for row in rows]
        lines = [line for line in lines if line]
        if not lines:
            return
        path = self.path
        within = f"{path}\n{lines[0]}" if path else lines[0]
        if header and len(lines) > 1:
            self._contexts.append(Context(self._length, path, within))
        self._add("\n".join(lines))
        if header and len(lines) > 1:
            self._contexts.append(Context(self._length, path, path))

    def page(self) -> Page:
        """Return the page."""
        return Page("".join(self._blocks).rstrip("\n"), self._contexts)

    def _add(self, block: str) -> None:
        block = _characters(block)
        self._blocks.append(f"{block}\n\n")
        self._length += len(block) + 2
        self._source.policy.check_text(self._source.label, self._length)


def _characters(text: str) -> str:
    """Return a text whose halves of characters beyond U+FFFF, as some formats escape them, are put together."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def heading_path(titles: Sequence[str]) -> str:
    """Return a path of headings as it stands above a passage."""
    return " > ".join(title for title in titles if title)


def row_line(cells: Sequence[str]) -> str:
    """Return the cells of a row in one line; empty if all are."""
    values = [clean(cell) for cell in cells]
    return " | ".join(values).rstrip(" |") if any(values) else ""


def clean(text: str) -> str:
    """Return a text with single spaces between its words."""
    return " ".join(text.split())


def open_packed(source: Source, parse: Callable[[Source], ParsedDocument], name: str) -> BinaryIO:
    """Open a file that a document holds in base64.

    Raises:
        MediaError: If there is no such file, or it is broken.
    """
    return unpacked(source, name, recall(source, parse).packed.get(name))


def unpacked(source: Source, name: str, data: str | None) -> BinaryIO:
    """Return the content of a file that stands in a document in base64.

    Args:
        source: The document.
        name: Of the file in it.
        data: Its base64; None if there is no such file.

    Raises:
        MediaError: If there is no such file, or it is broken.
    """
    if data is None:
        raise no_part(source, name)
    try:
        return io.BytesIO(base64.b64decode(data))
    except (binascii.Error, ValueError) as error:
        raise MediaError(f"{source.label}, {name}", f"contains invalid base64 ({error})") from error


def check_pages(source: Source, count: int) -> None:
    """Raise PolicyError if a document has more pages than the policy allows."""
    if count > source.policy.max_pages:
        limit = f"the policy allows {source.policy.max_pages:,} (max_pages)"
        raise PolicyError(source.label, f"has {count:,} pages or more; {limit}")


_recent: OrderedDict[int, tuple[weakref.ref[Source], Any]] = OrderedDict()
_lock = Lock()


def recall(source: Source, parse: Callable[[Source], ParsedDocument]) -> ParsedDocument:
    """Return a parsed document, parsed once while the same source is among the last few.

    Raises:
        MediaError: If it cannot be read.
    """
    with _lock:
        known = _recent.get(id(source))
        if known is not None and known[0]() is source:
            _recent.move_to_end(id(source))
            found: ParsedDocument = known[1]
            return found
    try:
        parsed = parse(source)
    except MediaError:
        raise
    except Exception as error:  # a reader of many formats meets values that no format allows
        raise MediaError(
            source.label, f"is broken {source.content.mime_type} ({error or type(error).__name__})"
        ) from error
    with _lock:
        _recent[id(source)] = weakref.ref(source), parsed
        while len(_recent) > REMEMBERED:
            _recent.popitem(last=False)
    return parsed
