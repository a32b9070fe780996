"""Export an index of any store to a file of JSON lines, and import it into another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from senseweave.errors import FingerprintError, StoreError
from senseweave.retrieval.records.conversion import convert_record, stored_copies
from senseweave.retrieval.records.export_entries import ExportedJudgment
from senseweave.retrieval.records.export_file import read_export, readable_export, written_whole
from senseweave.retrieval.records.judgments import check_free, merge_judgments, stored_judgments
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import NAMES
from senseweave.retrieval.stores.description import FORMAT as COLLECTION_FORMAT
from senseweave.retrieval.stores.description import Description, collection_name

BATCH: Final = 1000


def export_index(store: Collections, path: str | Path) -> int:
    """Write every collection with its records, in the order of their ids; `.gz` files are compressed.

    The first line names the format, each `collection` line comes before its `record` lines, `judgment` lines hold the
    judged searches of what is exported, and the last line holds the number of records and a checksum. The file appears
    at its place when it is whole.

    Returns:
        The number of records.

    Raises:
        StoreError: If the file cannot be written; what was at its place is unchanged.
    """
    with written_whole(Path(path)) as writer:
        for description in store.descriptions.values():
            writer.collection(replace(description, format=COLLECTION_FORMAT))
            for record in _records(store, description):
                writer.record(record)
        for judgment, _ in sorted(stored_judgments(store), key=lambda pair: pair[0].id):
            writer.judgment(judgment)
    return writer.records


def import_index(store: Collections, path: str | Path, allow: Callable[[Description], None] | None = None) -> int:
    """Read a file of `export_index`, of this version or 0.1, into a store, replacing records with the same ids.

    All of the file is read and checked before anything is written. Of two judgments of one query and content the newer
    stays.

    Args:
        store: Where the records go.
        path: The export.
        allow: Raises an error for a collection that the index does not have and whose space it may not load.

    Returns:
        The number of records.

    Raises:
        StoreError: If the file is not an export, or not a whole one; the message names the line.
        FingerprintError: If the store holds a collection of the same name with another fingerprint.
    """
    source = Path(path)
    with readable_export(source) as file, store.writing():
        _check(store, file, source, allow or (lambda description: None))
        return _import(store, file, source)


def _check(store: Collections, file: BinaryIO, source: Path, allow: Callable[[Description], None]) -> None:
    """Read an export once, and check that the store can take its collections.

    Raises:
        StoreError: If the file is not whole, or a collection of the store is in the way.
    """
    there = store.store.collections()
    names: set[str] = set()
    judged = False
    for entry in read_export(file, source):
        if isinstance(entry, Description):
            taken = _renamed(store, entry)
            known = store.descriptions.get((taken.space, taken.modality))
            if (known is None and taken.name in there) or taken.name in names:
                msg = f"{source}: a collection {taken.name!r} is there already and holds something else; use a prefix"
                raise StoreError(msg)
            if known is not None and known.fingerprint != taken.fingerprint:
                raise FingerprintError(known.name, known.fingerprint, taken.fingerprint)
            if known is not None and known.dimension != taken.dimension:
                msg = (
                    f"{source}: its collection {taken.name!r} holds vectors of {taken.dimension} dimensions, that of "
                    f"the index {known.dimension}; use another index"
                )
                raise StoreError(msg)
            if known is None:
                allow(taken)
            names.add(taken.name)
        elif isinstance(entry, ExportedJudgment):
            judged = True
    if judged:
        check_free(store)


def _import(store: Collections, file: BinaryIO, source: Path) -> int:
    description: Description | None = None
    pending: list[Record] = []
    judgments: list[Record] = []
    count = 0
    for entry in read_export(file, source):
        if isinstance(entry, ExportedJudgment):
            judgments.append(Record(entry.id, np.ones(1, np.float32), entry.text or "", entry.metadata))
            continue
        if isinstance(entry, Description):
            if description is not None:
                _write(store, description, pending)
            description = _take(store, _renamed(store, entry))
            continue
        assert description is not None
        pending += convert_record(entry, entry.copies, description)
        count += 1
        if len(pending) >= BATCH:
            _write(store, description, pending)
    if description is not None:
        _write(store, description, pending)
    if judgments:
        merge_judgments(store, judgments)
    return count


def _renamed(store: Collections, exported: Description) -> Description:
    """Return the description of a collection as the store keeps it."""
    name = collection_name(store.prefix, exported.space, exported.modality)
    return replace(exported, name=name, format=COLLECTION_FORMAT)


def _take(store: Collections, exported: Description) -> Description:
    """Make a collection if it is missing; one without records takes over the calibration."""
    description = store.ensure(exported)
    if description.calibration != exported.calibration and not store.count(description):
        description.calibration = exported.calibration
        store.save(description)
    return description


def _records(store: Collections, description: Description) -> Iterator[Record]:
    """Yield the records of a collection in the order of their ids, those of version 0.1 with one for each source."""
    old = description.format < COLLECTION_FORMAT
    copies = stored_copies(store.store, description) if old else {}
    given: set[str] = set()
    ids = sorted(record.id for record in store.get(description))
    for at in range(0, len(ids), NAMES):
        page = store.get(description, ids=ids[at : at + NAMES], vectors=True)
        for stored in sorted(page, key=lambda record: record.id):
            assert stored.vector is not None
            for record in (
                convert_record(stored, copies.get(stored.id, ()), description)
                if old
                else [Record(stored.id, stored.vector, stored.text or "", stored.metadata)]
            ):
                if record.id not in given:
                    yield record
                given.add(record.id)


def _write(store: Collections, description: Description, pending: list[Record]) -> None:
    store.upsert(description, list({record.id: record for record in pending}.values()))
    pending.clear()
