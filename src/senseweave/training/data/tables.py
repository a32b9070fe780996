"""Tables of training data: CSV, TSV, JSON lines and Parquet, row by row."""

from __future__ import annotations

import codecs
import csv
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from senseweave.display import printable
from senseweave.extras import require

TABLES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
DELIMITERS: Final = ",;\t|"
"""Of a CSV: the first that its heading has. Spreadsheets write `;` where the decimal mark is a comma."""
LONGEST_CELL: Final = 1 << 27
"""Characters; the csv module refuses more than 131,072 if it is not told otherwise."""


def as_rows(data: Iterable[Any]) -> Iterable[Any]:
    """Return rows as they are given, after checking that they are rows.

    Raises:
        TypeError: If they are none, or a data frame, which gives its columns.
    """
    columns = getattr(data, "columns", None)
    if columns is not None and not callable(columns):
        msg = (
            f"a {type(data).__name__} gives its columns in place of its rows; pass frame.to_dict('records') of pandas, "
            "frame.to_dicts() of polars or table.to_pylist() of pyarrow"
        )
        raise TypeError(msg)
    if not isinstance(data, Iterable) or isinstance(data, (bytes, Mapping)):
        msg = f"expected rows, or the path of a table, not {type(data).__name__}"
        raise TypeError(msg)
    return data


def read_table(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a table as mappings from column to value.

    Raises:
        ValueError: If the file is of another type, or not what its type says; the message names the line.
        ImportError: If it is Parquet and pyarrow is missing; the message holds the install line.
        OSError: If it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLES:
        msg = f"{printable(str(path))}: expected a table ({', '.join(TABLES)})"
        raise ValueError(msg)
    if suffix == ".parquet":
        yield from _parquet(path)
        return
    try:
        with path.open(encoding=_encoding(path), newline="") as file:
            if suffix in (".csv", ".tsv"):
                yield from _delimited(file, path, "\t" if suffix == ".tsv" else DELIMITERS)
            elif suffix == ".json":
                yield from _objects(json.load(file), path)
            else:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield from _objects([_parse(line, path, number)], path, number)
    except (UnicodeError, json.JSONDecodeError, csv.Error) as error:
        msg = f"{printable(str(path))}: {error}; expected {suffix[1:].upper()} in UTF-8"
        raise ValueError(msg) from error


def _encoding(path: Path) -> str:
    """Return UTF-16 for a file that begins with its byte order mark, as spreadsheets write it, else UTF-8."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _delimited(file: Any, path: Path, delimiters: str) -> Iterator[Mapping[str, Any]]:
    heading = next((line for line in file if line.strip()), "")
    delimiter = next((mark for mark in delimiters if mark in heading), delimiters[0])
    reader = csv.reader(itertools.chain([heading], file), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):  # as spreadsheets write below the last row
                continue
            if names is None:
                names = [name.strip() for name in row]
                _check_names(names, path)
                continue
            if len(row) != len(names):
                msg = (
                    f"{printable(str(path))}, line {reader.line_num}: has another number of cells than the heading "
                    f"({', '.join(names)}); quote cells that hold the delimiter"
                )
                raise ValueError(msg)
            yield dict(zip(names, row, strict=True))
    finally:
        csv.field_size_limit(before)


def _check_names(names: Sequence[str], path: Path) -> None:
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        msg = f"{printable(str(path))}: two columns are called {repeated!r}; give each a name of its own"
        raise ValueError(msg)
    file = next((name for name in names if names_file(name, path.parent)), None)
    if file is not None:
        msg = (
            f"{printable(str(path))}: its first line names the file {file!r}, so it seems to have no heading; begin "
            "the table with the names of its columns, such as image,caption"
        )
        raise ValueError(msg)


def names_file(cell: str, base: Path | None) -> bool:
    """Return whether a text of a table is the path of a file, relative paths starting from `base`."""
    try:
        return (base or Path()).joinpath(cell).is_file()
    except (OSError, ValueError):  # a text that no path can be
        return False


def _parse(line: str, path: Path, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"{printable(str(path))}, line {number}: is not JSON ({error})"
        raise ValueError(msg) from error


def _objects(content: Any, path: Path, first: int = 1) -> Iterator[Mapping[str, Any]]:
    for number, entry in enumerate(content if isinstance(content, list) else [content], first):
        if not isinstance(entry, dict):
            msg = f"{printable(str(path))}, entry {number}: is {type(entry).__name__}; expected an object of columns"
            raise ValueError(msg)
        yield entry


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    parquet = require("pyarrow.parquet", extra="training", feature="reading Parquet")
    arrow = require("pyarrow", extra="training", feature="reading Parquet")
    try:
        with parquet.ParquetFile(path) as table:
            for batch in table.iter_batches():
                yield from batch.to_pylist()
    except arrow.ArrowInvalid as error:
        msg = f"{printable(str(path))}: is not Parquet ({error})"
        raise ValueError(msg) from error
