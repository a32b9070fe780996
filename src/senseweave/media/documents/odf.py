"""OpenDocument files (ODT, ODS, ODP, ODG): text, sheets and slides, and the pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from senseweave.errors import MediaError
from senseweave.media.documents.base import Part
from senseweave.media.documents.packages import Package, open_package
from senseweave.media.documents.parsed import Builder, ParsedDocument, ParsedReader, check_pages, clean
from senseweave.media.documents.sheets import sheet_page
from senseweave.media.forms.source import Source

if TYPE_CHECKING:
    from lxml.etree import _Element

KIND: Final = "OpenDocument file"
_URN = "urn:oasis:names:tc:opendocument:xmlns:"
OFFICE: Final = f"{{{_URN}office:1.0}}"
TEXT: Final = f"{{{_URN}text:1.0}}"
TABLE: Final = f"{{{_URN}table:1.0}}"
DRAW: Final = f"{{{_URN}drawing:1.0}}"
STYLE: Final = f"{{{_URN}style:1.0}}"
SHOW: Final = f"{{{_URN}presentation:1.0}}"
HREF: Final = "{http://www.w3.org/1999/xlink}href"
MOST_REPEATED: Final = 1000
"""Equal cells or rows in a row that are read; files fill the rest of a sheet with empty ones."""
_FURNITURE = ("title", "page-number", "date-time", "footer", "header")
"""Frames of a slide that are read before the others, or that every slide repeats."""
_AROUND, _PAGES = ("header", "footer"), ("", "-first", "-left")
_SKIPPED = {f"{TEXT}tracked-changes", f"{TEXT}sequence-decls", f"{OFFICE}forms", f"{DRAW}layer-set"}


class ODFReader(ParsedReader):
    """Reads OpenDocument files."""

    name = "odf"
    mime_types = (
        "application/vnd.oasis.opendocument.text",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.presentation",
        "application/vnd.oasis.opendocument.graphics",
    )

    def parse(self, source: Source) -> ParsedDocument:
        """Return the text, the sheets or the slides, and the pictures."""
        with open_package(source, KIND) as package:
            if "META-INF/manifest.xml" in package and b"encryption-data" in package.read("META-INF/manifest.xml"):
                raise MediaError(source.label, f"is an {KIND} that is protected by a password")
            body = next(iter(package.xml("content.xml").iter(f"{OFFICE}body")))
            pages = list(body.iter(f"{DRAW}page"))
            tables = body.findall(f"{OFFICE}spreadsheet/{TABLE}table")
            check_pages(source, max(len(pages), len(tables)))
            found = ParsedDocument([])
            if tables:
                found.pages = [sheet_page(source, table.get(f"{TABLE}name", ""), _rows(table)) for table in tables]
            elif pages:
                for page in pages:
                    builder = Builder(source)
                    _add_title(page, builder)
                    _add_blocks(page, builder)
                    found.pages.append(builder.page())
            else:
                builder = Builder(source)
                _add_blocks(body, builder)
                builder.leave_headings()
                for text in _around(package, source):
                    builder.paragraph(text)
                found.pages = [builder.page()]
            found.parts = _pictures(package, pages or tables)
            return found

    def pages_with_text(self, source: Source) -> list[bool] | None:
        """Return for each sheet or slide whether it has text, or None for a text document."""
        return None if source.content.mime_type.endswith(".text") else super().pages_with_text(source)

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a picture."""
        with open_package(source, KIND) as package:
            return package.open(name)


def _pictures(package: Package, pages: list[_Element]) -> list[Part]:
    shown: dict[str, int] = {}
    for number, page in enumerate(pages, 1):
        for element in page.iter(f"{DRAW}image", f"{DRAW}plugin"):
            shown.setdefault(element.get(HREF, "").removeprefix("./"), number)
    files = [name for name in package.names if name.startswith(("Pictures/", "media/", "Media/"))]
    return [Part(name, shown.get(name)) for name in sorted(files, key=lambda name: shown.get(name, 1 << 30))]


def _add_title(page: _Element, builder: Builder) -> None:
    """Add the title of a slide before the rest."""
    for frame in page.iter(f"{DRAW}frame"):
        if frame.get(f"{SHOW}class") == "title":
            builder.heading(" ".join(_words(block) for block in frame.iter(f"{TEXT}p")))


def _add_blocks(parent: _Element, builder: Builder) -> None:
    """Add the headings, paragraphs and tables below an element, in order."""
    waiting = [child for child in reversed(parent) if isinstance(child.tag, str)]
    while waiting:
        element = waiting.pop()
        if element.tag == f"{TEXT}h":
            level = element.get(f"{TEXT}outline-level", "1")
            builder.heading(_words(element), int(level) if level.isdecimal() else 1)
        elif element.tag == f"{TEXT}p":
            builder.paragraph(_words(element))
            waiting += reversed(_boxes(element))
        elif element.tag == f"{TABLE}table":
            builder.table([list(row) for row in _rows(element)])
        elif element.tag not in _SKIPPED and element.get(f"{SHOW}class") not in _FURNITURE:
            waiting += [child for child in reversed(element) if isinstance(child.tag, str)]


def _rows(table: _Element) -> Iterator[list[str]]:
    """Yield the cells of each row of a table."""
    for row in _own_rows(table):
        cells: list[str] = []
        for cell in row:
            if cell.tag in (f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
                words = clean(" ".join(_words(block) for block in cell.iter(f"{TEXT}p", f"{TEXT}h")))
                times = _times(cell, "columns")
                cells += [words] * (times if words else min(times, 100))
        yield from [cells] * (_times(row, "rows") if any(cells) else 1)


def _own_rows(table: _Element) -> Iterator[_Element]:
    """Yield the rows of a table, those of tables in its cells left out."""
    waiting = [table]
    while waiting:
        element = waiting.pop()
        if element.tag == f"{TABLE}table-row":
            yield element
        elif element.tag != f"{TABLE}table" or element is table:
            waiting += [child for child in reversed(element) if isinstance(child.tag, str)]


def _boxes(block: _Element) -> list[_Element]:
    """Return the outermost text boxes and remarks in a paragraph."""
    found: list[_Element] = []
    waiting = [block]
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{DRAW}text-box", f"{OFFICE}annotation"):
            found.append(element)
        else:
            waiting += [child for child in reversed(element) if isinstance(child.tag, str)]
    return found


def _around(package: Package, source: Source) -> list[str]:
    """Return the headers and footers of a text document, each once."""
    if "styles.xml" not in package:
        return []
    texts: dict[str, None] = {}
    for element in package.xml("styles.xml").iter(*(f"{STYLE}{kind}{which}" for kind in _AROUND for which in _PAGES)):
        builder = Builder(source)
        _add_blocks(element, builder)
        texts[builder.page().text] = None
    return list(texts)


def _times(element: _Element, what: str) -> int:
    times = element.get(f"{TABLE}number-{what}-repeated", "1")
    return min(int(times), MOST_REPEATED) if times.isdecimal() and len(times) < 10 else 1


def _words(block: _Element) -> str:
    """Return the words of a paragraph, without those of text boxes and tables in it."""
    words: list[str] = []
    waiting: list[_Element | str] = [block]
    while waiting:
        element = waiting.pop()
        if isinstance(element, str):
            words.append(element)
            continue
        if element is not block and element.tail:
            waiting.append(element.tail)
        if element.tag == f"{TEXT}s":
            count = element.get(f"{TEXT}c", "1")
            words.append(" " * (min(int(count), 100) if count.isdecimal() and len(count) < 5 else 1))
        elif element.tag in (f"{TEXT}tab", f"{TEXT}line-break"):
            words.append("\t" if element.tag == f"{TEXT}tab" else "\n")
        elif element.tag not in (f"{DRAW}text-box", f"{TABLE}table", f"{TEXT}note-citation", f"{OFFICE}annotation"):
            waiting += [child for child in reversed(element) if isinstance(child.tag, str)]
            if element.tag == f"{TEXT}note-body":
                words.append(" ")
                waiting.insert(len(waiting) - len(element), " ")
            if element.text:
                words.append(element.text)
    return "".join(words)
