"""Convert collections that version 0.1 wrote: one record per content, with further sources in a second collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from senseweave.retrieval.records.identity import record_id
from senseweave.retrieval.records.schema import Record, default_text, read_metadata
from senseweave.retrieval.stores.base import StoredRecord, VectorStore
from senseweave.retrieval.stores.description import FORMAT, Description

COPY_OF: Final = "senseweave_copy_of"
"""In 0.1, metadata of a row of the second collection: the id of the record whose content has a further source."""
SUFFIX: Final = "-copies"
"""Of the second collection's name in 0.1."""
BATCH: Final = 500


def convert_old(store: VectorStore, description: Description) -> None:
    """Give every source of every content a record of its own, and drop the second collection.

    New records of a batch are written before old ones go, so that a process may be killed at any moment: the next
    write goes on.

    Args:
        store: Of the index; the caller holds the writing lock.
        description: Of the collection; nothing is done if it is in the present format.
    """
    if description.format >= FORMAT:
        return
    copies = stored_copies(store, description)
    ids = [record.id for record in store.get(description.name)]
    for at in range(0, len(ids), BATCH):
        new: dict[str, Record] = {}
        gone = []
        for record in store.get(description.name, ids=ids[at : at + BATCH], vectors=True):
            made = {
                converted.id: converted for converted in convert_record(record, copies.get(record.id, ()), description)
            }
            if list(made) == [record.id]:  # converted before this process, or nothing to convert
                continue
            new |= made
            gone += [record.id] if record.id not in made else []
        store.upsert(description.name, list(new.values()))
        store.delete(description.name, gone)
    description.format = FORMAT
    store.save_metadata(description.name, description.to_metadata())
    if description.name + SUFFIX in store.collections():
        store.drop(description.name + SUFFIX)


def convert_record(record: StoredRecord, copies: Sequence[Mapping[str, Any]], description: Description) -> list[Record]:
    """Return the records that one record of 0.1 becomes: one for each of its sources.

    Args:
        record: With its vector.
        copies: Metadata at its further sources.
        description: Of its collection.
    """
    assert record.vector is not None
    own = read_metadata(record.metadata)
    made = {}
    for metadata in (record.metadata, *copies):
        values = {name: value for name, value in metadata.items() if name != COPY_OF}
        provenance = replace(read_metadata(values), fingerprint=description.fingerprint)
        known = provenance.sha256 is not None and provenance.source is not None
        text = record.text or ""
        if own.source and provenance.source and text == default_text(provenance.modality, own.source):
            text = default_text(provenance.modality, provenance.source)
        identifier = record_id(provenance) if known else record.id
        made[identifier] = Record(identifier, record.vector, text, values)
    return list(made.values())


def stored_copies(store: VectorStore, description: Description) -> dict[str, list[Mapping[str, Any]]]:
    """Return metadata at the further sources of records, by record id, from the second collection of 0.1."""
    name = description.name + SUFFIX
    if name not in store.collections():
        return {}
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in store.get(name):
        found.setdefault(str(row.metadata[COPY_OF]), []).append(row.metadata)
    return found
