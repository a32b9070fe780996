"""What can be a copy: a source, or a picture or a file inside a source, with its records of all spaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from senseweave.media import Media, Modality
from senseweave.retrieval.listing import IndexRecord
from senseweave.retrieval.records.identity import picture_provenance


@dataclass
class Item:
    """A source, or a picture or a file inside a source.

    Attributes:
        modality: Of its records.
        source: Absolute path, URL or label.
        part: Path inside the source, or None.
        page: Page of a picture, or None.
        records: Its records without their vectors: passages, windows, spaces.
        sums: By space, the sum of the unit vectors of its records.
    """

    modality: Modality
    source: str
    part: str | None
    page: int | None
    records: list[IndexRecord] = field(default_factory=list)
    sums: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def content(self) -> object:
        """What equal items share; None where it is not known."""
        if self.modality == "text":
            return " ".join(" ".join(self.texts).split())
        sha256 = self.records[0].provenance.sha256
        return None if sha256 is None else (sha256, None if self.part else self.page)

    @property
    def is_drawn(self) -> bool:
        """Whether it is a page of a document: its pixels are those of its drawing, and not of the photo on it."""
        return self.page is not None and not (self.records[0].provenance.mime_type or "").startswith("image/")

    @property
    def texts(self) -> list[str]:
        """The passages of a text, each once, in order."""
        space = self.records[0].space
        found = [record for record in self.records if record.space == space]
        found.sort(key=lambda record: (record.provenance.page or 0, record.provenance.span or (0, 0), _start(record)))
        return [record.text for record in found]

    @property
    def added_at(self) -> float:
        """When it was first added, in seconds since 1970, or 0."""
        return min(record.provenance.added_at or 0.0 for record in self.records)

    @property
    def name(self) -> str:
        """Its source with its part, as errors call it."""
        return f"{self.source}{self.part or ''}"

    def media(self) -> Media:
        """Return the whole media, without the span of a window.

        Raises:
            MediaError: If the index does not say where it is.
        """
        record = self.records[0]
        media = record.media
        if media.span is None:
            return media
        return type(media)(record.source, part=self.part, policy=record.policy)


def gather_items(records: Iterable[IndexRecord]) -> list[Item]:
    """Return the items of records with vectors, in a stable order; words that were read in pictures are left out."""
    items: dict[Any, Item] = {}
    for record in records:
        provenance = record.provenance
        if picture_provenance(provenance) is not None:
            continue
        page = provenance.page if provenance.modality == "image" else None
        key = provenance.modality, record.source, provenance.part, page
        item = items.setdefault(key, Item(*key))
        item.records.append(IndexRecord(record.id, record.space, record.text, provenance, policy=record.policy))
        if record.vector is not None:
            length = float(np.linalg.norm(record.vector)) or 1.0
            total = item.sums.get(record.space)
            unit = record.vector / length
            item.sums[record.space] = unit if total is None else total + unit
    return [items[key] for key in sorted(items, key=lambda key: tuple(str(value or "") for value in key))]


def _start(record: IndexRecord) -> float:
    value = record.provenance.own.get("character_start", 0)
    return float(value) if isinstance(value, int | float) else 0.0
