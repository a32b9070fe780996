"""What an index holds: its records, its sources, and what it is made of."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from senseweave.extras import require
from senseweave.media import Media, MediaPolicy, Modality
from senseweave.redaction import redact_repr
from senseweave.retrieval.contents import SourceSummary, summarize_sources
from senseweave.retrieval.records.schema import DISPLACED, Provenance, read_metadata
from senseweave.retrieval.search.plan import chosen_modalities, held_modalities
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.filters import Filter, parse_filter
from senseweave.retrieval.stores.ids import listed_ids

if TYPE_CHECKING:
    import pandas as pd


@redact_repr
@dataclass(frozen=True)
class IndexRecord:
    """A record of an index.

    Attributes:
        id: Its id.
        space: Name of the space that embedded it.
        text: The text itself, the transcript, or the line of labels.
        provenance: Where it comes from, with the user's own metadata.
        vector: Shape (dimension,), float32; None unless vectors were asked for.
        policy: What may be read when `media` is used.
    """

    id: str
    space: str
    text: str
    provenance: Provenance
    vector: np.ndarray | None = field(default=None, repr=False, compare=False)
    policy: MediaPolicy | None = field(default=None, repr=False, compare=False)

    @property
    def source(self) -> str:
        """Absolute path, URL or label; the id of a record that another program wrote without a source."""
        return self.provenance.source or self.id

    @property
    def modality(self) -> Modality:
        """`text`, `image`, `audio` or `video`."""
        return self.provenance.modality

    @property
    def media(self) -> Media:
        """The media itself; nothing is read yet.

        Raises:
            MediaError: If the record does not say where its media are.
        """
        return self.provenance.media(self.text, policy=self.policy)


class Listed:
    """The part of an index that lists its records and sources."""

    policy: MediaPolicy
    _store: Collections

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that can be added."""
        return held_modalities(self._store.descriptions)

    def records(
        self,
        *,
        filter: Filter | None = None,  # noqa: A002  (what every store calls it)
        modalities: Collection[Modality] | None = None,
        ids: Collection[str] | str | None = None,
        vectors: bool = False,
    ) -> Iterator[IndexRecord]:
        """Yield the records of the index, a page of the store at a time; a content has one for each space and source.

        Args:
            filter: A condition on metadata, as in `search`; None for all records.
            modalities: Only these modalities of records; None for all.
            ids: Only the records of these ids; ids that are not in the index are left out.
            vectors: Whether to read their vectors too.

        Raises:
            TypeError: If `ids` are not strings.
            ValueError: If the filter is not valid.
            UnsupportedModalityError: If the index does not hold a requested modality.
        """
        condition = parse_filter(filter)
        chosen = chosen_modalities(modalities, self.modalities)
        wanted = None if ids is None else listed_ids(ids)
        return self._records(chosen, condition, wanted, vectors=vectors)

    def to_pandas(
        self,
        *,
        filter: Filter | None = None,  # noqa: A002  (what every store calls it)
        modalities: Collection[Modality] | None = None,
        vectors: bool = True,
    ) -> pd.DataFrame:
        """Return the records as a table: provenance, text, the user's metadata, and vectors.

        A user's value under the name of another column is in `user_` and the name.

        Args:
            filter: A condition on metadata, as in `search`; None for all records.
            modalities: Only these modalities of records; None for all.
            vectors: Whether to add the column `vector`, an array of float32 in each row.

        Raises:
            ImportError: If pandas is not installed; the message has the line that installs it.
        """
        pandas = require("pandas", extra="explore", feature="index.to_pandas")
        rows = [_row(record) for record in self.records(filter=filter, modalities=modalities, vectors=vectors)]
        names = list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))
        if vectors:
            names = [*(name for name in names if name != "vector"), "vector"]
        return pandas.DataFrame(rows, columns=names)

    def sources(self, below: Collection[str | Path] | None = None) -> dict[str, set[Modality]]:
        """Return the sources in the index, with the modalities of their records.

        Args:
            below: Only these files, and files below these folders, whether they are still there or not.
        """
        return self._store.sources(None if below is None else [os.fspath(path) for path in below])

    def contents(self, filter: Filter | None = None) -> list[SourceSummary]:  # noqa: A002  (what every store calls it)
        """Return a summary of each source with records that match a filter, by name; None for every source."""
        return summarize_sources(self._store, parse_filter(filter))

    def record_modalities(self, ids: Collection[str]) -> dict[str, Modality]:
        """Return the modality of each record by its id; ids that are not in the index are left out."""
        return {
            identifier: description.modality
            for description in self._store.descriptions.values()
            for identifier in self._store.existing(description, listed_ids(ids))
        }

    def info(self) -> dict[str, Any]:
        """Return the place and size on disk and, per collection, its space, modality, records and fingerprint."""
        return {
            "place": self._store.store.place,
            "records": len(self),
            "bytes": self._store.size,
            "spaces": list(dict.fromkeys(space for space, _ in self._store.descriptions)),
            "modalities": list(self.modalities),
            "collections": self._store.describe(),
            **({"sparse": sparse} if (sparse := [asdict(space) for space in self._store.sparse]) else {}),
        }

    def __len__(self) -> int:
        return sum(self._store.count(description) for description in self._store.descriptions.values())

    def _records(
        self, modalities: Collection[Modality], condition: Any, ids: list[str] | None, *, vectors: bool
    ) -> Iterator[IndexRecord]:
        for description in list(self._store.descriptions.values()):
            if description.modality not in modalities:
                continue
            for record in self._store.get(description, ids=ids, condition=condition, vectors=vectors):
                provenance = read_metadata({"modality": description.modality, **record.metadata})
                yield IndexRecord(
                    record.id, description.space, record.text or "", provenance, record.vector, self.policy
                )


COLUMNS = (
    "id",
    "space",
    "modality",
    "source",
    "part",
    "page",
    "start",
    "end",
    "mime_type",
    "sha256",
    "added_at",
    "text",
)
"""Columns of every table, whatever the records hold."""


def _row(record: IndexRecord) -> dict[str, Any]:
    """Return a record as a row of a table."""
    provenance = record.provenance
    start, end = provenance.span or (None, None)
    row: dict[str, Any] = {
        "id": record.id,
        "space": record.space,
        "modality": provenance.modality,
        "source": record.source,
        "part": provenance.part,
        "page": provenance.page,
        "start": start,
        "end": end,
        "mime_type": provenance.mime_type,
        "sha256": provenance.sha256,
        "added_at": provenance.added_at,
        "text": record.text,
    }
    taken = {*row, "vector"}
    row |= {f"{DISPLACED}{name}" if name in taken else name: value for name, value in provenance.own.items()}
    return row if record.vector is None else {**row, "vector": record.vector}
