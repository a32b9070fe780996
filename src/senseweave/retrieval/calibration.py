"""Keeps statistics of every cell (space, query modality, document modality) beside the collection they describe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from senseweave.media import Modality, Text
from senseweave.retrieval.probes import PROBES
from senseweave.retrieval.statistics import Statistics, of_similarities
from senseweave.retrieval.store import Description, Store
from senseweave.spaces.space import Space

VERSION: Final = 1
"""Of the statistics' meaning; those of another version are estimated anew."""
SAMPLE: Final = 1024
"""Most records whose similarities to the sample queries are looked at, taken from places all over the collection."""
LEAST_RECORDS: Final = 1
"""A collection with fewer records has no statistics."""
REFIT_GROWTH: Final = 2.0
"""Statistics are estimated again once a collection has grown or shrunk by this factor."""


class Calibration:
    """Estimates, stores and gives out the statistics of one index."""

    def __init__(self, store: Store, spaces: Callable[[], Mapping[str, Space]]) -> None:
        """Calibrate the collections of `store`, whose spaces `spaces()` gives by name when they are needed."""
        self._store = store
        self._spaces = spaces
        self._probes: dict[tuple[str, Modality], np.ndarray] = {}

    def statistics(self, description: Description, query_modality: Modality) -> Statistics | None:
        """What is known of queries of this modality against this collection, or None."""
        stored = description.calibration
        if stored.get("version") != VERSION:
            return None
        values = stored.get("cells", {}).get(query_modality)
        return Statistics.from_dict(values) if values is not None else None

    def is_stale(self, description: Description) -> bool:
        """Whether the collection has no statistics, or has doubled or halved since they were made."""
        stored = description.calibration
        count = self._store.count(description)
        if count < LEAST_RECORDS:
            return False
        known = int(stored.get("documents", 0)) if stored.get("version") == VERSION else 0
        return known == 0 or count >= REFIT_GROWTH * known or count * REFIT_GROWTH <= known

    def refit(self, description: Description) -> None:
        """Estimate every query modality of the collection's space against it, and store the result."""
        space = self._spaces()[description.space]
        count = self._store.count(description)
        sample = self._sample(description, count)
        if not len(sample):
            return
        cells: dict[str, Any] = {}
        for modality in space.modalities:
            probes = self._probe_vectors(space, modality)
            if probes is None:
                continue
            statistics = of_similarities(
                _unit(probes) @ _unit(sample).T, size=count, origin="probes" if modality == "text" else "documents"
            )
            cells[modality] = statistics.to_dict()
        description.calibration = {"version": VERSION, "documents": count, "cells": cells}
        self._store.save(description)

    def _probe_vectors(self, space: Space, modality: Modality) -> np.ndarray | None:
        """Vectors of queries of this modality: general phrases for text, the index's own records for the others."""
        if modality == "text":
            key = (space.fingerprint, modality)
            if key not in self._probes:
                self._probes[key] = space.encode([Text(phrase) for phrase in PROBES], role="query").vectors
            return self._probes[key]
        own = self._store.descriptions.get((space.name, modality))
        if own is None or not (count := self._store.count(own)):
            return None
        return self._sample(own, count, most=96)

    def _sample(self, description: Description, count: int, *, most: int = SAMPLE) -> np.ndarray:
        """Vectors of records from evenly spaced places of a collection, shape (n, dimension)."""
        pages = 16 if count > most else 1
        size = most // pages
        starts = sorted({int(start) for start in np.linspace(0, max(count - size, 0), pages)})
        vectors: dict[str, np.ndarray] = {}
        for start in starts:
            for row in self._store.page(description, start, size):
                if row.vector is not None:
                    vectors[row.id] = row.vector
        if not vectors:
            return np.zeros((0, description.dimension), np.float32)
        return np.stack(list(vectors.values()))


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
