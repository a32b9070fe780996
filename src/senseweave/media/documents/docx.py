"""Word documents (DOCX): headings, paragraphs and tables, with notes and comments after them, and the pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from senseweave.media.documents.base import Part
from senseweave.media.documents.packages import Package, drawn_words, open_package, resolve
from senseweave.media.documents.parsed import Builder, ParsedDocument, ParsedReader, clean
from senseweave.media.forms.source import Source

if TYPE_CHECKING:
    from lxml.etree import _Element

KIND: Final = "Word document (DOCX)"
W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
MATH_TEXT: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
"""Says again, for older programs, what stands beside it."""
_BREAKS = {f"{W}tab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}
_SKIPPED = {FALLBACK, f"{W}del", f"{W}moveFrom", f"{W}rPr", f"{W}pPr", f"{W}sdtPr"}
MOST_COLUMNS: Final = 63
"""Of a table in Word."""
_BODY = "word/document.xml"
_AROUND = (r"word/header\d*\.xml", r"word/footer\d*\.xml", r"word/(foot|end)notes\.xml", r"word/comments\.xml")
"""Files with text beside the body, in the order in which it follows."""
_INSIDE = ("word/media/", "word/embeddings/")
_CHUNK = re.compile(r"word/[^/]+\.(x?html?|mht|mhtml|rtf|txt|docx)")
"""Files of other kinds that programs put into a document as its text."""


class DOCXReader(ParsedReader):
    """Reads Word documents."""

    name = "docx"
    mime_types = ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",)
    paged = False

    def parse(self, source: Source) -> ParsedDocument:
        """Return the text of a document and the files inside it."""
        with open_package(source, KIND) as package:
            builder = Builder(source)
            levels = _heading_levels(package)
            body = package.main_part(_BODY)
            _add_blocks(package.xml(body), builder, levels)
            around: dict[str, None] = {}
            for pattern in _AROUND:
                for name in sorted(name for name in package.names if re.fullmatch(pattern, name)):
                    notes = Builder(source)
                    _add_blocks(package.xml(name), notes, {})
                    around[notes.page().text] = None  # each section repeats its header
            builder.leave_headings()
            for name in package.names:
                if re.fullmatch(r"word/(diagrams/data|charts/chart)\d*\.xml", name):
                    builder.paragraph("\n".join(drawn_words(package.xml(name))))
            for text in around:
                builder.paragraph(text)
            parts = [Part(name) for name in inner_files(package, body, _INSIDE)]
            return ParsedDocument([builder.page()], parts)

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a file inside a document."""
        with open_package(source, KIND) as package:
            return package.open(name)


def inner_files(package: Package, name: str, folders: tuple[str, ...]) -> list[str]:
    """Return the files of some folders: those that a part of the package names first, in the order of their ids."""
    found = dict.fromkeys(target for _, target in sorted(relations(package, name).items()))
    found |= dict.fromkeys(package.names)
    return [file for file in found if (file.startswith(folders) or _CHUNK.fullmatch(file)) and file in package]


def relations(package: Package, name: str) -> dict[str, str]:
    """Return by id the files of the package that one of its parts refers to."""
    folder, _, file = name.rpartition("/")
    listed = f"{folder}/_rels/{file}.rels"
    if listed not in package:
        return {}
    return {
        relation.get("Id", ""): resolve(name, relation.get("Target", ""))
        for relation in package.xml(listed)
        if isinstance(relation.tag, str) and relation.get("TargetMode") != "External"
    }


def _heading_levels(package: Package) -> dict[str, int]:
    """Return the level of the headings among the styles, by the id of the style."""
    if "word/styles.xml" not in package:
        return {}
    levels: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in package.xml("word/styles.xml").iter(f"{W}style"):
        identifier = style.get(f"{W}styleId", "")
        name = _value(style.find(f"{W}name")).lower()
        based[identifier] = _value(style.find(f"{W}basedOn"))
        outline = _value(style.find(f"{W}pPr/{W}outlineLvl"))
        if match := re.fullmatch(r"heading ([1-9])", name):
            levels[identifier] = int(match[1])
        elif name == "title":
            levels[identifier] = 0
        elif outline.isdecimal() and int(outline) < 9:
            levels[identifier] = int(outline) + 1
    for identifier in based:
        ancestor, steps = based[identifier], 0
        while identifier not in levels and ancestor and steps < 20:
            if ancestor in levels:
                levels[identifier] = levels[ancestor]
            ancestor, steps = based.get(ancestor, ""), steps + 1
    return levels


def _value(element: _Element | None) -> str:
    return element.get(f"{W}val", "") if element is not None else ""


def _add_blocks(parent: _Element, builder: Builder, levels: dict[str, int]) -> None:
    """Add the paragraphs and tables below an element, in order."""
    for block in _blocks(parent):
        if block.tag == f"{W}tbl":
            builder.table([_values(row) for row in _rows(block)])
            continue
        style = _value(block.find(f"{W}pPr/{W}pStyle"))
        outline = _value(block.find(f"{W}pPr/{W}outlineLvl"))
        level = int(outline) + 1 if outline.isdecimal() and int(outline) < 9 else levels.get(style)
        boxes: list[_Element] = []
        text = _text(block, boxes)
        if level is not None and text.strip():
            builder.heading(text, level)
        else:
            builder.paragraph(text)
        for box in boxes:
            _add_blocks(box, builder, levels)


def _blocks(parent: _Element) -> Iterator[_Element]:
    """Yield the outermost paragraphs and tables below an element, whatever stands around them."""
    waiting = [parent]
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{W}p", f"{W}tbl"):
            yield element
        elif element.tag not in _SKIPPED:
            waiting += [child for child in reversed(element) if isinstance(child.tag, str)]


def _rows(table: _Element) -> list[_Element]:
    return _outermost(table, f"{W}tr")


def _cells(row: _Element) -> list[_Element]:
    return _outermost(row, f"{W}tc")


def _values(row: _Element) -> list[str]:
    """Return the words of the cells of a row, a cell over several columns followed by empty ones."""
    values: list[str] = []
    for cell in _cells(row):
        span = _value(cell.find(f"{W}tcPr/{W}gridSpan"))
        values += [clean(_text(cell)), *[""] * (min(int(span), MOST_COLUMNS) - 1 if span.isdecimal() else 0)]
    return values


def _outermost(parent: _Element, tag: str) -> list[_Element]:
    """Return the descendants of a tag that no other of them holds, leaving inner tables out."""
    found: list[_Element] = []
    waiting = [child for child in reversed(parent) if isinstance(child.tag, str)]
    while waiting:
        element = waiting.pop()
        if element.tag == tag:
            found.append(element)
        elif element.tag not in (*_SKIPPED, f"{W}tbl"):
            waiting += [child for child in reversed(element) if isinstance(child.tag, str)]
    return found


def _text(block: _Element, boxes: list[_Element] | None = None) -> str:
    """Return the words of a paragraph or cell; its text boxes go into a list, or where they stand."""
    words: list[str] = []
    waiting: list[_Element | str] = [block]
    while waiting:
        element = waiting.pop()
        if isinstance(element, str):
            words.append(element)
        elif element.tag in (f"{W}t", MATH_TEXT):
            words.append(element.text or "")
        elif element.tag in _BREAKS:
            words.append(_BREAKS[element.tag])
        elif element.tag == f"{W}txbxContent" and boxes is not None:
            boxes.append(element)
        elif element.tag not in _SKIPPED:
            if element.tag in (f"{W}p", f"{W}tr", f"{W}tc") and element is not block:
                waiting.append(" ")
            waiting += [child for child in reversed(element) if isinstance(child.tag, str)]
    return "".join(words)
