"""The vectors that a local Chroma folder holds, read from its files and its queue without Chroma."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from senseweave.retrieval.integrity.database import Database, RawCollection, check_collection, read_collection
from senseweave.retrieval.integrity.records import same_direction
from senseweave.retrieval.integrity.vector_files import IDS, DamageError


@dataclass
class HeldVectors:
    """The vectors of one collection.

    Attributes:
        latest: Vector by record id: that of the queue where it has one, else that of the files.
        differing: Ids whose vector in the files differs from that in the queue, though the files are the newer.
        damage: What is wrong with the files, or None.
    """

    latest: Mapping[str, np.ndarray] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)
    damage: str | None = None


def held_vectors(folder: Path, database: Database, collection: RawCollection) -> HeldVectors:
    """Return the vectors that a collection's files and the queue hold."""
    saved: dict[str, np.ndarray] = {}
    damage = None
    segment = folder / str(collection.vectors)
    if collection.saved is not None or (segment / IDS).exists():
        try:
            saved = dict(zip(*read_collection(folder, collection), strict=True))
            check_collection(folder, collection)  # where only links are damaged, the vectors can be used
        except DamageError as error:
            damage = f"{collection.vectors}/{error}"
    queued: dict[str, tuple[int, np.ndarray | None]] = {}
    for number, identifier, vector in database.queued(collection):
        queued[identifier] = number, vector
    latest, differing = dict(saved), []
    for identifier, (number, vector) in queued.items():
        if vector is None:
            latest.pop(identifier, None)
            continue
        old = saved.get(identifier)
        if old is not None and number <= (collection.saved or 0) and not same_direction(old, vector):
            differing.append(identifier)
        latest[identifier] = vector
    return HeldVectors(latest, differing, damage)
