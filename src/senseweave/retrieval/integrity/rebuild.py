"""Rebuild a damaged folder from its database and from the sources of its records, in a new folder beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.errors import MediaError, SenseweaveError, StoreError, VectorError
from senseweave.media import Media, MediaPolicy
from senseweave.retrieval.integrity.database import Database, RawCollection, RawRecord
from senseweave.retrieval.integrity.records import Sources, record_problems, vector_problem
from senseweave.retrieval.integrity.report import Problems, RepairReport
from senseweave.retrieval.integrity.vectors import HeldVectors, held_vectors
from senseweave.retrieval.records.folders import folder_values
from senseweave.retrieval.records.identity import record_id
from senseweave.retrieval.records.schema import Record, read_metadata, record_source, write_metadata
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.description import JUDGMENTS, Description
from senseweave.spaces.space import Space

BATCH: Final = 256
"""Records that are written, or embedded, together."""
LoadSpace = Callable[[Description], Space]
"""Returns the space of a collection; called when a vector has to be computed."""
Write = Callable[[str, Sequence[Record]], None]
"""Writes records to a collection of the new folder."""


class Rebuild:
    """The rebuilding of one collection after the other."""

    def __init__(self, folder: Path, write: Write, load: LoadSpace, policy: MediaPolicy, report: RepairReport) -> None:
        """Rebuild what is in a folder.

        Args:
            folder: The damaged one, which is only read.
            write: Writes to the new one.
            load: Returns the space of a collection.
            policy: What may be read of sources.
            report: What is counted in.
        """
        self._folder = folder
        self._write = write
        self._load = load
        self._policy = policy
        self._report = report
        self._problems = Problems()

    def run(self, database: Database, collection: RawCollection) -> None:
        """Write every record of a collection that has a vector, or can have one again."""
        held = held_vectors(self._folder, database, collection)
        description = _description(collection)
        for raw in _batches(database.records(collection), BATCH):
            waiting = [record for record in raw if not self._is_sound(description, record, held)]
            embedded = self._embedded(collection, description, waiting)
            lost = {record.id for record in waiting} - embedded.keys()
            ready = [
                embedded.get(record.id) or Record(record.id, held.latest[record.id], record.text, record.metadata)  # type: ignore[arg-type]
                for record in raw
                if record.id not in lost
            ]
            self._report.kept += len(raw) - len(waiting)
            self._report.embedded += len(embedded)
            if ready:
                self._write(collection.name, ready)
            self._report.records += len(ready)
        self._report.lost = self._problems.listed()

    def _is_sound(self, description: Description | None, record: RawRecord, held: HeldVectors) -> bool:
        """Return whether a record's vector can be taken over."""
        vector = held.latest.get(record.id)
        if vector is None or record.id in held.differing:
            return False
        if description is None:
            return vector_problem(vector, len(vector)) is None
        stored = StoredRecord(record.id, record.metadata, record.text, vector=vector)
        return not any(kind in ("vector", "fingerprint") for kind, _ in record_problems(description, stored))

    def _embedded(
        self, collection: RawCollection, description: Description | None, records: list[RawRecord]
    ) -> dict[str, Record]:
        """Return records, by id, with vectors computed again from their text or their source."""
        if not records:
            return {}
        if description is None and collection.metadata.get("holds") == JUDGMENTS:
            return {raw.id: Record(raw.id, np.ones(1, np.float32), raw.text or "", raw.metadata) for raw in records}
        if description is None:
            self._lose(collection, records, "vector", "its vector is lost, and its collection is not senseweave's")
            return {}
        space = self._space(description)
        sources = Sources(self._policy)
        media: list[Media] = []
        chosen: list[RawRecord] = []
        for record in records:
            provenance = read_metadata(record.metadata)
            stored = StoredRecord(record.id, record.metadata, record.text)
            try:
                if provenance.modality != "text" and (problem := sources.problem(stored)):
                    self._lose(collection, [record], problem[0], f"its vector is lost, and {problem[1]}")
                    continue
                if not record.text and provenance.modality == "text":
                    self._lose(collection, [record], "text", "its vector and its text are lost")
                    continue
                media.append(provenance.media(record.text, policy=self._policy))
                chosen.append(record)
            except MediaError as error:
                self._lose(collection, [record], "source unreadable", f"its vector is lost, and {error.reason}")
        return self._encoded(collection, description, space, media, chosen)

    def _space(self, description: Description) -> Space:
        """Return the space of a collection.

        Raises:
            StoreError: If it does not load: its records could be rebuilt elsewhere, and must not be lost here.
        """
        try:
            return self._load(description)
        except (SenseweaveError, ImportError, ValueError) as error:
            msg = (
                f"{self._folder}: vectors of space {description.space!r} have to be computed again, and it does not "
                f"load ({error}); nothing was changed: senseweave.Index(folder, spaces=[space], check=False).repair()"
            )
            raise StoreError(msg) from error

    def _encoded(
        self,
        collection: RawCollection,
        description: Description,
        space: Space,
        media: list[Media],
        records: list[RawRecord],
    ) -> dict[str, Record]:
        found: dict[str, Record] = {}
        if not media:
            return found
        batch = space.encode(media, role="document", on_error="skip")
        for vector, at in zip(batch.vectors, batch.kept, strict=True):
            record = records[at]
            identifier, metadata = record.id, record.metadata
            provenance = replace(read_metadata(metadata), fingerprint=description.fingerprint)
            if metadata.get("fingerprint") != description.fingerprint:
                metadata = {**write_metadata(provenance), **folder_values(provenance.source)}
                if provenance.sha256 is not None and provenance.source is not None:
                    identifier = record_id(provenance)
            found[record.id] = Record(identifier, vector, record.text or "", metadata)
        for failure in batch.failed:
            self._lose(
                collection,
                [records[failure.position or 0]],
                "vector" if isinstance(failure, VectorError) else "source unreadable",
                f"its vector is lost, and {failure.reason}",
            )
        return found

    def _lose(self, collection: RawCollection, records: Iterable[RawRecord], kind: Any, reason: str) -> None:
        for record in records:
            self._problems.add(kind, reason, collection.name, record.id, record_source(record.id, record.metadata))


def _description(collection: RawCollection) -> Description | None:
    """Return the description of a collection of senseweave; None for another program's."""
    if "senseweave" not in collection.metadata:
        return None
    return Description.from_metadata(collection.name, collection.metadata)


def _batches(records: Iterator[RawRecord], size: int) -> Iterator[list[RawRecord]]:
    while batch := list(islice(records, size)):
        yield batch
