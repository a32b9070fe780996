"""Spreadsheets of Excel (XLSX, XLS): a page for each sheet, whose rows keep the header, and the pictures."""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from senseweave.errors import MediaError
from senseweave.extras import require_reader
from senseweave.media.documents.base import Part, no_part
from senseweave.media.documents.docx import relations
from senseweave.media.documents.drawings import Picture, pictures
from senseweave.media.documents.packages import Package, drawn_words, open_package
from senseweave.media.documents.parsed import Builder, Page, ParsedDocument, ParsedReader, check_pages, recall, row_line
from senseweave.media.documents.workbook import MAIN, MAX_CELLS, MAX_ROWS, Workbook, too_many_cells
from senseweave.media.forms.source import Source

KIND: Final = "Excel workbook (XLSX)"
OLD_KIND: Final = "Excel 97 workbook (XLS)"
SHEET_SHARE: Final = 2
"""The XML of all sheets may have this many times the bytes of the largest text, since marks take half of it."""
_REL = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_LOADED = r"(?i)(xl/(sharedStrings|styles|workbook)\.xml|xl/(drawings|worksheets)/_rels/.*\.rels|.*content_types.*)"


class XLSXReader(ParsedReader):
    """Reads Excel workbooks, a row at a time."""

    name = "xlsx"
    mime_types = ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",)

    def parse(self, source: Source) -> ParsedDocument:
        """Return the sheets, and the pictures on them."""
        with open_package(source, KIND) as package:
            package.check_xml(_LOADED)
            source.policy.check_text(source.label, package.size(r"(?i)xl/.*\.xml") // SHEET_SHARE)
            workbook = Workbook(package)
            check_pages(source, len(workbook.sheets))
            pages = [sheet_page(source, title, workbook.rows(title, name)) for title, name in workbook.sheets]
            parts, words = _beside(package)
            for number, page in enumerate(pages, 1):
                page.text = "\n\n".join([page.text, *words.get(number, [])])
            return ParsedDocument(pages, parts)

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a picture or another file in a workbook."""
        with open_package(source, KIND) as package:
            return package.open(name)


@dataclass
class OldWorkbook(ParsedDocument):
    """A workbook of Excel 97 with its pictures by name, which would take long to find again for each of them."""

    pictures: dict[str, Picture] = field(default_factory=dict)


class XLSReader(ParsedReader):
    """Reads workbooks of Excel 97 to 2003 with xlrd."""

    name = "xls"
    mime_types = ("application/vnd.ms-excel",)

    def parse(self, source: Source) -> ParsedDocument:
        """Return the sheets, and the pictures on them."""
        xlrd = require_reader("xlrd", extra="documents", feature=f"reading an {OLD_KIND}", source=source.label)
        try:
            workbook = xlrd.open_workbook(
                file_contents=source.read(), on_demand=True, ragged_rows=True, logfile=io.StringIO()
            )
            check_pages(source, workbook.nsheets)
            pages = []
            for number in range(workbook.nsheets):
                sheet = workbook.sheet_by_index(number)
                rows = (_old_row(xlrd, workbook, sheet.row(at)) for at in range(sheet.nrows))
                pages.append(sheet_page(source, sheet.name, rows))
                workbook.unload_sheet(number)
            drawn = {picture.name: picture for picture in _pictures(source)}
            source.policy.check_parts(source.label, len(drawn))
            return OldWorkbook(pages, [Part(name, picture.page) for name, picture in drawn.items()], pictures=drawn)
        except MediaError:
            raise
        except Exception as error:  # xlrd raises whatever a broken record leads to
            locked = "encrypted" in str(error).lower()
            reason = "is protected by a password" if locked else f"is broken ({error or type(error).__name__})"
            raise MediaError(source.label, f"is an {OLD_KIND} that {reason}") from error

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a picture."""
        workbook = recall(source, self.parse)
        picture = workbook.pictures.get(name) if isinstance(workbook, OldWorkbook) else None
        if picture is None:
            raise no_part(source, name)
        return io.BytesIO(picture.read())


def _pictures(source: Source) -> Iterator[Picture]:
    """Yield the pictures of an old workbook; none if its drawings are not in a container."""
    olefile = require_reader("olefile", extra="documents", feature=f"reading an {OLD_KIND}", source=source.label)
    data = source.read()
    if not olefile.isOleFile(data=data):  # Excel 4 and older have no pictures
        return
    with olefile.OleFileIO(data) as ole:
        name = next((name for name in ("Workbook", "Book") if ole.exists(name)), None)
        if name is not None:
            yield from pictures(ole.openstream(name).read())


def sheet_page(source: Source, title: str, rows: Iterable[Sequence[Any]]) -> Page:
    """Return the page of a sheet: its name, what stands above the table, and the table with its header."""
    builder = Builder(source)
    builder.heading(title)
    table: list[Sequence[str]] = []
    cells = length = count = 0
    for row in rows:
        count += 1
        cells += len(row)
        if count > MAX_ROWS or cells > MAX_CELLS:
            raise too_many_cells(source.label, title)
        values = ["" if value is None else cell_text(value) for value in row]
        filled = len(values) - values.count("")
        if not filled:
            continue
        length += sum(map(len, values))
        source.policy.check_text(source.label, length)
        if not table and filled == 1:
            builder.paragraph(row_line(values).strip(" |"))
        else:
            table.append(values)
    builder.table(table)
    return builder.page()


def cell_text(value: Any) -> str:
    """Return the value of a cell as it is read: whole numbers without a point, dates without midnight."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return str(value).strip()


def _old_row(xlrd: Any, workbook: Any, row: Sequence[Any]) -> list[Any]:
    return [_old_value(xlrd, workbook, cell) for cell in row]


def _old_value(xlrd: Any, workbook: Any, cell: Any) -> Any:
    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            return xlrd.xldate_as_datetime(cell.value, workbook.datemode)
        except (ValueError, OverflowError, xlrd.xldate.XLDateError):
            return cell.value
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return bool(cell.value)
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return xlrd.error_text_from_code.get(cell.value, "")
    return cell.value


def _beside(package: Package) -> tuple[list[Part], dict[int, list[str]]]:
    """Return the pictures of a workbook, and by the number of a sheet the words of its comments, boxes and charts."""
    main = package.main_part(MAIN)
    sheets = relations(package, main)
    shown: dict[str, int] = {}
    words: dict[int, list[str]] = {}
    for number, sheet in enumerate(package.xml(main).iter("{*}sheet"), 1):
        name = sheets.get(sheet.get(f"{_REL}id", ""), "")
        for file in relations(package, name).values():
            if re.fullmatch(r"xl/comments\d*\.xml|xl/comments/.*\.xml", file) and file in package:
                comments = package.xml(file).iter("{*}comment")
                found = ["".join(text.text or "" for text in comment.iter("{*}t")).strip() for comment in comments]
            elif file.startswith("xl/drawings/") and file.endswith(".xml") and file in package:
                drawn = [file, *relations(package, file).values()]
                for inner in drawn:
                    shown.setdefault(inner, number)
                charts = [inner for inner in drawn if inner.endswith(".xml") and inner in package]
                found = [word for inner in charts for word in drawn_words(package.xml(inner))]
            else:
                continue
            words.setdefault(number, []).append("\n".join(found))
    files = [name for name in package.names if re.match(r"xl/(media|embeddings)/", name)]
    files.sort(key=lambda name: (shown.get(name, 1 << 30), name))
    return [Part(name, shown.get(name)) for name in files], {
        number: [text for text in texts if text] for number, texts in words.items()
    }
