"""Export an index of any store to a file of JSON lines, and import it into another."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from senseweave.errors import StoreError
from senseweave.retrieval.records.conversion import convert_record
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.description import FORMAT as COLLECTION_FORMAT
from senseweave.retrieval.stores.description import Description, collection_name

FORMAT: Final = "senseweave-index-1"
BATCH: Final = 1000


def export_index(store: Collections, path: str | Path) -> int:
    """Write every collection with its records; vectors are base64 of little-endian float32, `.gz` files compressed.

    The first line names the format; after it, each `collection` line comes before its `record` lines.

    Returns:
        The number of records.
    """
    written = 0
    target = Path(path)
    with _open(target, "wt") as file:
        _line(file, {"format": FORMAT})
        for description in store.descriptions.values():
            _line(file, {"collection": asdict(description)})
            for record in sorted(store.get(description, vectors=True), key=lambda record: record.id):
                assert record.vector is not None
                vector = base64.b64encode(record.vector.astype("<f4").tobytes()).decode()
                _line(file, {"record": record.id, "text": record.text, "metadata": record.metadata, "vector": vector})
                written += 1
    return written


def import_index(store: Collections, path: str | Path) -> int:
    """Read a file of `export_index`, of this version or 0.1, into a store, replacing records with the same ids.

    Returns:
        The number of records.

    Raises:
        StoreError: If the file is not an export.
        FingerprintError: If the store holds a collection of the same name with another fingerprint.
    """
    source = Path(path)
    description: Description | None = None
    pending: list[Record] = []
    count = 0
    with _open(source, "rt") as file, store.writing():
        lines = _lines(file, source)
        if next(lines, {}).get("format") != FORMAT:
            msg = f"{source} is not an exported index: its first line must name the format {FORMAT}"
            raise StoreError(msg)
        for entry in lines:
            if "collection" in entry:
                if description is not None:
                    _write(store, description, pending)
                exported = Description(**entry["collection"])
                exported.name = collection_name(store.prefix, exported.space, exported.modality)
                exported.format = COLLECTION_FORMAT
                calibration = exported.calibration
                description = store.ensure(exported)
                if description.calibration != calibration and not store.count(description):
                    description.calibration = calibration
                    store.save(description)
                continue
            if description is None:
                msg = f"{source}: a record line comes before the line of its collection"
                raise StoreError(msg)
            vector = np.frombuffer(base64.b64decode(entry["vector"]), dtype="<f4")
            record = StoredRecord(entry["record"], entry["metadata"], entry["text"], vector=vector)
            pending += convert_record(record, entry.get("copies", ()), description)
            count += 1
            if len(pending) >= BATCH:
                _write(store, description, pending)
        if description is not None:
            _write(store, description, pending)
    return count


def _write(store: Collections, description: Description, pending: list[Record]) -> None:
    store.upsert(description, list({record.id: record for record in pending}.values()))
    pending.clear()


def _open(path: Path, mode: str) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, mode, encoding="utf-8")  # type: ignore[return-value]
    return path.open(mode.replace("t", ""), encoding="utf-8")


def _line(file: IO[str], entry: dict[str, Any]) -> None:
    file.write(json.dumps(entry, sort_keys=True, ensure_ascii=False) + "\n")


def _lines(file: IO[str], source: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, start=1):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            msg = f"{source}, line {number}: not valid JSON ({error}); the export may be incomplete"
            raise StoreError(msg) from error
        if not isinstance(entry, dict):
            msg = f"{source}, line {number}: expected a JSON object, not {type(entry).__name__}"
            raise StoreError(msg)
        yield entry
