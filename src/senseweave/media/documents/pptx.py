"""Presentations (PPTX): a page for each slide, with its notes, and the pictures and recordings on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from senseweave.media.documents.base import Part
from senseweave.media.documents.docx import FALLBACK, relations
from senseweave.media.documents.packages import Package, drawn_words, open_package
from senseweave.media.documents.parsed import Builder, Page, ParsedDocument, ParsedReader, check_pages, clean
from senseweave.media.forms.source import Source

if TYPE_CHECKING:
    from lxml.etree import _Element

KIND: Final = "PowerPoint presentation (PPTX)"
A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P: Final = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_REL = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MAIN = "ppt/presentation.xml"
_FURNITURE = ("sldNum", "dt", "ftr", "hdr", "sldImg")
"""Placeholders that every slide repeats."""
_TITLES = ("title", "ctrTitle")
_INSIDE = ("ppt/media/", "ppt/embeddings/")


class PPTXReader(ParsedReader):
    """Reads presentations."""

    name = "pptx"
    mime_types = ("application/vnd.openxmlformats-officedocument.presentationml.presentation",)

    def parse(self, source: Source) -> ParsedDocument:
        """Return the slides, and the files on them."""
        with open_package(source, KIND) as package:
            main = package.main_part(_MAIN)
            related = relations(package, main)
            slides = [related.get(slide.get(f"{_REL}id", ""), "") for slide in package.xml(main).iter(f"{P}sldId")]
            slides = [name for name in slides if name in package]
            check_pages(source, len(slides))
            found = ParsedDocument([])
            shown: dict[str, int] = {}
            length = 0
            for number, name in enumerate(slides, 1):
                files = relations(package, name)
                found.pages.append(_slide(package, name, files, source))
                length += len(found.pages[-1].text)
                source.policy.check_text(source.label, length)
                for file in files.values():
                    shown.setdefault(file, number)
            inside = [file for file in [*shown, *package.names] if file.startswith(_INSIDE) and file in package]
            found.parts = [Part(file, shown.get(file)) for file in dict.fromkeys(inside)]
            return found

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a file in a presentation."""
        with open_package(source, KIND) as package:
            return package.open(name)


def _slide(package: Package, name: str, files: dict[str, str], source: Source) -> Page:
    builder = Builder(source)
    shapes = list(_shapes(package.xml(name)))
    for shape in sorted(shapes, key=lambda shape: _placeholder(shape) not in _TITLES):
        _add_shape(shape, builder, is_title=_placeholder(shape) in _TITLES)
    for file in files.values():
        if re.match(r"ppt/(diagrams/data|charts/chart)\d*\.xml", file) and file in package:
            builder.paragraph("\n".join(drawn_words(package.xml(file))))
    for file in files.values():
        if file.startswith("ppt/notesSlides/") and file in package:
            for shape in _shapes(package.xml(file)):
                _add_shape(shape, builder, is_title=False)
    return builder.page()


def _shapes(root: _Element) -> Iterator[_Element]:
    """Yield the shapes and tables of a slide in order, those in groups included."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{P}sp", f"{A}tbl"):
            if _placeholder(element) not in _FURNITURE:
                yield element
        elif element.tag != FALLBACK:
            waiting += [child for child in reversed(element) if isinstance(child.tag, str)]


def _placeholder(shape: _Element) -> str | None:
    holder = shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
    return holder.get("type", "body") if holder is not None else None


def _add_shape(shape: _Element, builder: Builder, *, is_title: bool) -> None:
    if shape.tag == f"{A}tbl":
        rows = [[clean(" ".join(_paragraphs(cell))) for cell in row.iter(f"{A}tc")] for row in shape.iter(f"{A}tr")]
        builder.table(rows)
        return
    paragraphs = [words for words in _paragraphs(shape) if words.strip()]
    if is_title and paragraphs:
        builder.heading(" ".join(paragraphs))
    else:
        builder.paragraph("\n".join(paragraphs))


def _paragraphs(shape: _Element) -> list[str]:
    found = []
    for paragraph in shape.iter(f"{A}p"):
        pieces = (
            "\n" if piece.tag == f"{A}br" else "\t" if piece.tag == f"{A}tab" else piece.text or ""
            for piece in paragraph.iter(f"{A}t", f"{A}br", f"{A}tab", "{*}m:t")
        )
        found.append("".join(pieces))
    return found
