"""Export and import: an index as one file of JSON lines, whatever its store."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from senseweave.errors import StoreError
from senseweave.retrieval.records.copies import Copies, as_record
from senseweave.retrieval.records.first_schema import Record, source_of
from senseweave.retrieval.stores.chroma import Store
from senseweave.retrieval.stores.description import Description, collection_name

FORMAT: Final = "senseweave-index-1"
BATCH: Final = 1000


def export_index(store: Store, path: str | Path) -> int:
    """Write every collection with its records; vectors as base64 of little-endian float32, names ending in .gz packed.

    The first line names the format; then a `collection` line before its `record` lines.

    Returns:
        The number of records.
    """
    written = 0
    target = Path(path)
    with _open(target, "wt") as file:
        _line(file, {"format": FORMAT})
        for description in store.descriptions.values():
            _line(file, {"collection": asdict(description)})
            copies = Copies(store, description).matching()
            for row in sorted(store.get(description, vectors=True), key=lambda one: one.id):
                assert row.vector is not None
                vector = base64.b64encode(row.vector.astype("<f4").tobytes()).decode()
                entry: dict[str, Any] = {"record": row.id, "text": row.text, "metadata": row.metadata, "vector": vector}
                if row.id in copies:
                    entry["copies"] = [as_record(one.metadata) for one in copies[row.id]]
                _line(file, entry)
                written += 1
    return written


def import_index(store: Store, path: str | Path) -> int:
    """Read what `export_index` wrote into a store; records that are there already are replaced, source by source.

    Returns:
        The number of records.

    Raises:
        StoreError: If the file is not an export.
        FingerprintError: If the store holds a collection of the same name with another fingerprint.
    """
    source = Path(path)
    description: Description | None = None
    pending: list[Record] = []
    copies: list[tuple[str, dict[str, Any]]] = []
    count = 0
    with _open(source, "rt") as file, store.writing():
        lines = _lines(file, source)
        if next(lines, {}).get("format") != FORMAT:
            msg = f"{source} is not an exported index (its first line does not say {FORMAT})"
            raise StoreError(msg)
        for entry in lines:
            if "collection" in entry:
                if description is not None:
                    _write(store, description, pending, copies)
                given = Description(**entry["collection"])
                given.name = collection_name(store.prefix, given.space, given.modality)
                calibration = given.calibration
                description = store.ensure(given)
                if description.calibration != calibration and not store.count(description):
                    description.calibration = calibration
                    store.save(description)
                continue
            if description is None:
                msg = f"{source}: a record comes before its collection"
                raise StoreError(msg)
            vector = np.frombuffer(base64.b64decode(entry["vector"]), dtype="<f4")
            pending.append(Record(entry["record"], vector, entry["text"] or "", entry["metadata"]))
            copies += [(entry["record"], metadata) for metadata in entry.get("copies", ())]
            count += 1
            if len(pending) >= BATCH:
                _write(store, description, pending, copies)
        if description is not None:
            _write(store, description, pending, copies)
    return count


def _write(store: Store, description: Description, pending: list[Record], copies: list[tuple[str, Any]]) -> None:
    """Write records over those that are there; at sources that the export does not know, these stay."""
    beside = Copies(store, description)
    given = {one.id: one for one in pending}
    named = {(record, str(metadata["source"])) for record, metadata in copies}
    named |= {(one.id, source_of(one.id, one.metadata)) for one in pending}
    for row in store.get(description, ids=list(given)):
        if "source" in row.metadata and (row.id, row.metadata["source"]) not in named:
            copies.append((row.id, row.metadata))
        # Chroma would keep the metadata that the new record lacks.
        lacking = {name: None for name in row.metadata if name not in given[row.id].metadata}
        given[row.id] = replace(given[row.id], metadata={**lacking, **given[row.id].metadata})
    replaced = [
        one.id
        for record, known in beside.of(given).items()
        for one in known
        if (record, one.metadata["source"]) in named
    ]
    store.upsert(description, list(given.values()))
    beside.drop(replaced)
    beside.write(copies)
    pending.clear()
    copies.clear()


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
            msg = f"{source}, line {number}: is not JSON ({error}); the export may be cut short"
            raise StoreError(msg) from error
        if not isinstance(entry, dict):
            msg = f"{source}, line {number}: expected an object"
            raise StoreError(msg)
        yield entry
