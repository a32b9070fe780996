"""The sheets of an Excel workbook (XLSX), parsed a row at a time: their names, and the values of their cells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from senseweave.errors import PolicyError
from senseweave.extras import require_reader
from senseweave.media.documents.docx import relations
from senseweave.media.documents.packages import Package, note_damage

if TYPE_CHECKING:
    from lxml.etree import _Element

MAIN: Final = "xl/workbook.xml"
MAX_CELLS: Final = 20_000_000
"""Cells of a sheet, the empty ones between others included: a few seconds of reading."""
MAX_ROWS: Final = 2_000_000
"""Excel allows 1,048,576."""
LONGEST_CELL: Final = 8 * 1024**2
"""Bytes of XML between two cells; Excel's longest have 32,767 characters."""
MOST_COLUMNS: Final = 16_384
"""Columns of a sheet of Excel; a cell that says it is beyond them is put beside the one before it."""
_ID = re.compile(r"\{.*/relationships\}id")
_PLACE = re.compile(r"([A-Z]{1,3})\d+")
_OTHER_SHEETS = re.compile(r".*/(chart|dialog|macro)sheets/")


class Workbook:
    """The sheets of an open package.

    Attributes:
        sheets: Title and file of each sheet in order; the file is empty if the package lacks it.
    """

    def __init__(self, package: Package) -> None:
        """Read what the sheets share: strings, formats of numbers, and the first day of the calendar.

        Raises:
            MediaError: If the workbook is broken, or a library is not installed.
        """
        label, feature = package.source.label, f"reading an {package.kind}"
        self._dates: Any = require_reader("openpyxl.utils.datetime", extra="documents", feature=feature, source=label)
        self._etree: Any = require_reader("lxml.etree", extra="documents", feature=feature, source=label)
        self._package = package
        main = package.main_part(MAIN)
        files = relations(package, main)
        root = package.xml(main)
        found = [(sheet.get("name", ""), files.get(_relation(sheet), "")) for sheet in root.iter("{*}sheet")]
        self.sheets = [(title, name if name in package else "") for title, name in found]
        self._epoch = self._dates.WINDOWS_EPOCH
        if any(part.get("date1904") in ("1", "true") for part in root.iter("{*}workbookPr")):
            self._epoch = self._dates.MAC_EPOCH
        named = {name.lower().rpartition("/")[2]: name for name in files.values() if name in package}
        self._strings = _shared_strings(package, named.get("sharedstrings.xml"))
        self._date_styles = _date_styles(package, named.get("styles.xml"), label)

    def rows(self, title: str, name: str) -> Iterator[Sequence[Any]]:
        """Yield the values of each row of a sheet that has cells; none for a sheet that is a chart.

        Args:
            title: Of the sheet.
            name: Its file.

        Raises:
            PolicyError: If a row says that it is further down than rows are read.
        """
        if not name or _OTHER_SHEETS.match(name):
            return
        error = too_many_cells(self._package.source.label, title)
        with self._package.open(name) as file:
            guarded = _Guarded(file, error)
            parsed = self._etree.iterparse(
                guarded, tag=("{*}c", "{*}row"), resolve_entities=False, no_network=True, load_dtd=False, recover=True
            )
            values: list[Any] = []
            for _, element in parsed:
                guarded.count = 0
                if element.tag.endswith("}c"):
                    column = _column(element.get("r", ""), len(values))
                    values += [None] * (column - len(values))
                    values.append(self._value(element))
                    if len(values) > MOST_COLUMNS:
                        raise error
                else:
                    place = element.get("r", "")
                    if place.isdecimal() and (len(place) > 9 or int(place) > MAX_ROWS):
                        raise error
                    yield values
                    values = []
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
            note_damage(self._package.source, parsed.error_log, name)

    def _value(self, cell: _Element) -> Any:
        """Return what a cell shows: of a formula, the value that was kept with it."""
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return "".join(_words(inside) for inside in cell.iterchildren("{*}is"))
        text = next((value.text for value in cell.iterchildren("{*}v")), None)
        if text is None:
            return None
        if kind == "s":
            place = int(text) if text.strip().isdecimal() and len(text) < 10 else -1
            return self._strings[place] if 0 <= place < len(self._strings) else None
        if kind == "b":
            return text.strip() in ("1", "true")
        if kind == "d":
            return text.replace("T", " ").removesuffix(" 00:00:00")
        if kind != "n":
            return text
        try:
            number: float = int(text) if len(text) < 20 and text.lstrip("-").isdecimal() else float(text)
        except ValueError:
            return text
        if cell.get("s") in self._date_styles:
            try:
                return self._dates.from_excel(number, self._epoch, timedelta=self._date_styles[cell.get("s", "")])
            except (ValueError, OverflowError, TypeError):
                return number
        return number


class _Guarded:
    """A file that ends in an error where it has no cell for longer than any sheet, whose elements would fill memory."""

    def __init__(self, file: BinaryIO, error: PolicyError) -> None:
        self.count = 0
        self._file = file
        self._error = error

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        block = self._file.read(size)
        self.count += len(block)
        if self.count > LONGEST_CELL:
            raise self._error
        return block


def too_many_cells(label: str, title: str) -> PolicyError:
    """Return the error of a sheet that is too large."""
    limit = f"at most {MAX_ROWS:,} rows and {MAX_CELLS:,} cells are read"
    return PolicyError(label, f"has a sheet {title!r} of more cells than are read; {limit}")


def _relation(sheet: _Element) -> str:
    return next((str(value) for name, value in sheet.attrib.items() if _ID.fullmatch(str(name))), "")


def _column(place: str, following: int) -> int:
    """Return the column of a cell, from 0: that of a place such as `AB12`, else the following one."""
    found = _PLACE.fullmatch(place)
    if found is None:
        return following
    column = 0
    for letter in found[1]:
        column = 26 * column + ord(letter) - 64
    return column - 1 if following < column <= MOST_COLUMNS else following


def _words(element: _Element) -> str:
    """Return the words of a string, without those that say how it is pronounced."""
    return "".join(
        text.text or ""
        for text in element.iter("{*}t")
        if not any(str(above.tag).endswith("}rPh") for above in text.iterancestors())
    )


def _shared_strings(package: Package, name: str | None) -> list[str]:
    return [] if name is None else [_words(item) for item in package.xml(name).iterchildren("{*}si")]


def _date_styles(package: Package, name: str | None, label: str) -> dict[str, bool]:
    """Return the styles of dates and times by their number; True where they show a duration."""
    if name is None:
        return {}
    numbers: Any = require_reader(
        "openpyxl.styles.numbers", extra="documents", feature=f"reading an {package.kind}", source=label
    )
    root = package.xml(name)
    formats = {str(number): str(code) for number, code in numbers.BUILTIN_FORMATS.items()}
    formats |= {each.get("numFmtId", ""): each.get("formatCode", "") for each in root.iter("{*}numFmt")}
    found: dict[str, bool] = {}
    for styles in root.iter("{*}cellXfs"):
        for number, style in enumerate(styles.iterchildren("{*}xf")):
            code = formats.get(style.get("numFmtId", ""), "")
            if numbers.is_date_format(code):
                found[str(number)] = bool(numbers.is_timedelta_format(code))
    return found
