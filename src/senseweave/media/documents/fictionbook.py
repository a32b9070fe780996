"""Electronic books in one XML file (FB2): a page for each chapter, under the title of the book, and the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from senseweave.media.documents.base import Part
from senseweave.media.documents.packages import parse_xml
from senseweave.media.documents.parsed import Builder, ParsedDocument, ParsedReader, check_pages, clean, open_packed
from senseweave.media.forms.source import Source

if TYPE_CHECKING:
    from lxml.etree import _Element

KIND: Final = "electronic book (FB2)"
_HREF = "{http://www.w3.org/1999/xlink}href"
_TEXTS = ("p", "v", "subtitle", "text-author")


class FB2Reader(ParsedReader):
    """Reads FictionBook files."""

    name = "fb2"
    mime_types = ("application/x-fictionbook+xml",)

    def parse(self, source: Source) -> ParsedDocument:
        """Return the chapters, and the pictures with the chapter that shows them."""
        root = _root(source)
        title = clean(
            "".join(str(words) for found in list(root.iter("{*}book-title"))[:1] for words in found.itertext())
        )
        chapters = [section for body in root.findall("{*}body") for section in body if isinstance(section.tag, str)]
        check_pages(source, len(chapters))
        found = ParsedDocument([])
        shown: dict[str, int] = {}
        for number, chapter in enumerate(chapters, 1):
            builder = Builder(source, title)
            _add(chapter, builder)
            found.pages.append(builder.page())
            for image in chapter.iter("{*}image"):
                shown.setdefault(image.get(_HREF, "").removeprefix("#"), number)
        for binary in root.iter("{*}binary"):
            if name := binary.get("id", ""):
                found.packed.setdefault(name, binary.text or "")
        found.parts = [Part(name, shown.get(name)) for name in found.packed]
        return found

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a picture."""
        return open_packed(source, self.parse, name)


def _root(source: Source) -> _Element:
    source.policy.check_text(source.label, source.size)
    return parse_xml(source.read(), source, KIND)


def _add(chapter: _Element, builder: Builder) -> None:
    """Add the titles and paragraphs of a chapter, those of its sections a level deeper."""
    waiting = [(chapter, 1)]
    while waiting:
        element, level = waiting.pop()
        name = str(element.tag).rpartition("}")[2]
        if name == "title":
            builder.heading(" ".join(str(words) for words in element.itertext()), level)
        elif name == "table":
            rows = [[cell for cell in row if isinstance(cell.tag, str)] for row in element.iter("{*}tr")]
            builder.table([[clean("".join(map(str, cell.itertext()))) for cell in row] for row in rows])
        elif name in _TEXTS:
            builder.paragraph(clean("".join(str(words) for words in element.itertext())))
        else:
            deeper = level + (name == "section" and element is not chapter)
            waiting += [(child, deeper) for child in reversed(element) if isinstance(child.tag, str)]
