"""Jupyter notebooks (IPYNB): their cells with what they print, and the pictures that they draw."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from senseweave.errors import MediaError
from senseweave.media.documents.base import Part
from senseweave.media.documents.outlines import headings
from senseweave.media.documents.parsed import Builder, ParsedDocument, ParsedReader, check_pages, unpacked
from senseweave.media.forms.source import Source

LONGEST_OUTPUT: Final = 10_000
"""Characters of what a cell printed that are read; logs and tables of numbers may have millions."""
_FORMS: Final = {
    "text": "text/plain",
    "latex": "text/latex",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "svg": "image/svg+xml",
}
"""Forms of an output that stand in it without their MIME type: what is printed, and all of notebooks before 2015."""
_TEXT_TYPES = ("text/markdown", "text/plain", "text/latex")


class NotebookReader(ParsedReader):
    """Reads notebooks, whose pages are their cells."""

    name = "notebook"
    mime_types = ("application/x-ipynb+json",)

    def parse(self, source: Source) -> ParsedDocument:
        """Return the cells, each under the headings of the cells before it."""
        found = ParsedDocument([])
        path: list[str] = []
        for number, cell in enumerate(_cells(source), 1):
            builder = Builder(source, *path)
            words = _joined(cell.get("source", cell.get("input")))  # before 2015 code was `input`
            builder.paragraph(words)
            for output in _outputs(cell):
                printed = _output_text(output)
                if len(printed) > LONGEST_OUTPUT:
                    source.note(f"of what a cell printed, the first {LONGEST_OUTPUT:,} characters were read")
                builder.paragraph(printed[:LONGEST_OUTPUT])
            page = builder.page()
            if cell.get("cell_type") == "markdown" and (titles := headings(words)):
                page.contexts = [*page.contexts, *titles]
                path = titles[-1].within.partition("\n")[0].split(" > ")
            found.pages.append(page)
            found.parts += [Part(f"{number}/{name}", number) for name, _ in _files(cell)]
        return found

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a picture that a cell draws or shows."""
        number, _, rest = name.partition("/")
        cells = _cells(source)
        cell = cells[int(number) - 1] if number.isdecimal() and 0 < int(number) <= len(cells) else {}
        return unpacked(source, name, next((data for known, data in _files(cell) if known == rest), None))


def _cells(source: Source) -> list[dict[str, Any]]:
    try:
        notebook = json.loads(source.read())
    except (ValueError, RecursionError) as error:
        raise MediaError(source.label, f"is a broken notebook ({error})") from error
    sheets = notebook.get("worksheets") or [notebook] if isinstance(notebook, dict) else []  # in sheets before 2015
    groups = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
    cells = [cell for group in groups if isinstance(group, list) for cell in group if isinstance(cell, dict)]
    check_pages(source, len(cells))
    return cells


def _outputs(cell: dict[str, Any]) -> list[dict[str, Any]]:
    outputs = cell.get("outputs")
    return [output for output in outputs if isinstance(output, dict)] if isinstance(outputs, list) else []


def _data(output: dict[str, Any]) -> dict[str, Any]:
    """Return the forms of an output by MIME type."""
    data = output.get("data")
    if isinstance(data, dict):
        return {str(kind): value for kind, value in data.items()}
    return {kind: output[name] for name, kind in _FORMS.items() if name in output}


def _output_text(output: dict[str, Any]) -> str:
    """Return what a cell printed; of a result in several forms, one."""
    if output.get("output_type") in ("error", "pyerr"):
        return f"{_joined(output.get('ename'))}: {_joined(output.get('evalue'))}"
    data = _data(output)
    pictured = any(kind.startswith("image/") for kind in data)
    forms = [_joined(data[kind]) for kind in _TEXT_TYPES if kind in data]
    return "" if pictured or not forms else forms[0]  # beside a picture stands `<Figure size 640x480>`


def _files(cell: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield names and base64 of the pictures in the outputs of a cell, and of what is attached to it."""
    for number, output in enumerate(_outputs(cell), 1):
        data = _data(output)
        files = [kind for kind in data if kind.startswith(("image/", "audio/", "video/"))]
        for kind in files:
            value = _joined(data[kind])
            if kind == "image/svg+xml":
                if len(files) > 1:  # the same picture in pixels stands beside it
                    continue
                value = base64.b64encode(value.encode("utf-8", "replace")).decode("ascii")
            yield f"output-{number}{mimetypes.guess_extension(kind) or ''}", value
    attachments = cell.get("attachments")
    for name, forms in attachments.items() if isinstance(attachments, dict) else ():
        for value in list(forms.values())[:1] if isinstance(forms, dict) else ():
            yield str(name), _joined(value)


def _joined(value: Any) -> str:
    """Return a text that notebooks keep whole or as a list of lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""
