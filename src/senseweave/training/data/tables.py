"""Tables of training data: CSV, TSV, JSON lines and Parquet, row by row."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from senseweave.display import printable
from senseweave.extras import require

TABLES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


def read_table(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a table as mappings from column to value.

    Raises:
        ValueError: If the file is of another type, or not what its type says; the message names the line.
        ImportError: If it is Parquet and pyarrow is missing; the message holds the install line.
        OSError: If it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in TABLES:
        msg = f"{printable(str(path))}: expected a table ({', '.join(TABLES)}) or a folder"
        raise ValueError(msg)
    if suffix == ".parquet":
        yield from _parquet(path)
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if suffix in (".csv", ".tsv"):
                yield from _delimited(file, path, "\t" if suffix == ".tsv" else ",")
            elif suffix == ".json":
                yield from _objects(json.load(file), path)
            else:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield from _objects([_parse(line, path, number)], path, number)
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        msg = f"{printable(str(path))}: {error}; expected {suffix[1:].upper()} in UTF-8"
        raise ValueError(msg) from error


def _delimited(file: Any, path: Path, delimiter: str) -> Iterator[Mapping[str, Any]]:
    reader = csv.DictReader(file, delimiter=delimiter, strict=True)
    for row in reader:
        if None in row or None in row.values():
            msg = (
                f"{printable(str(path))}, line {reader.line_num}: has another number of cells than the heading "
                f"({', '.join(reader.fieldnames or ())}); quote cells that hold the delimiter"
            )
            raise ValueError(msg)
        yield row


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
