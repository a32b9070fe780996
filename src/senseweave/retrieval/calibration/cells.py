"""Keeps statistics of every cell (space, query modality, document modality) beside the collection they describe."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from senseweave.media import Modality, Text
from senseweave.retrieval.calibration.learning import fit_logistic
from senseweave.retrieval.calibration.probes import PROBES
from senseweave.retrieval.calibration.statistics import SAME, Statistics, background, pack, unit_rows, unpack
from senseweave.retrieval.calibration.store_statistics import outgrown
from senseweave.retrieval.fusion.above_chance import AboveChance
from senseweave.retrieval.stores.chroma import Store
from senseweave.retrieval.stores.description import Description
from senseweave.spaces.space import Space

VERSION: Final = 3
"""Of the statistics' meaning; those of another version are estimated anew by the next `add`."""
READABLE: Final = (2, 3)
"""Versions that can be used until then."""
SAMPLE: Final = 1024
"""Most records whose similarities to the sample queries are looked at, taken from places all over the collection."""
PROBE_RECORDS: Final = 96
"""Most records of a modality that stand in for unrelated queries of that modality."""
LEAST_PROBES: Final = 8
"""With fewer records of a modality, general phrases stand in for its queries."""
NEAREST: Final = 4
"""Records that are looked at for the best that is not the same content as what stands in for a query."""
KEPT_QUERIES: Final = 64
"""Most of the user's queries that are kept, as vectors alone, to be asked again when the collection has grown."""
LEAST_POSITIVES: Final = 10
"""With fewer relevant examples in a cell, its probability of relevance is that of all cells together."""


@dataclass(frozen=True)
class Label:
    """A query's vector in one collection, and the ids of the records there that answer it."""

    vector: np.ndarray
    modality: Modality
    relevant: frozenset[str]


class Calibration:
    """Estimates, stores and gives out the statistics of one index."""

    def __init__(self, store: Store, spaces: Callable[[], Mapping[str, Space]]) -> None:
        """Calibrate the collections of `store`, whose spaces `spaces()` gives by name when they are needed."""
        self._store = store
        self._spaces = spaces
        self._probes: dict[str, np.ndarray] = {}

    def statistics(self, description: Description, query_modality: Modality) -> Statistics | None:
        """What is known of queries of this modality against this collection, or None."""
        stored = description.calibration
        if stored.get("version") not in READABLE:
            return None
        values = stored["cells"].get(query_modality)
        return Statistics.from_dict({**values, "centre": stored["centre"]}) if values is not None else None

    def renew(self) -> None:
        """Estimate anew what is stale."""
        for description in self._store.descriptions.values():
            if self.is_stale(description):
                self.refit(description)

    def is_stale(self, description: Description) -> bool:
        """Whether the collection has no statistics, or has doubled or halved since they were made."""
        stored = description.calibration
        count = self._store.count(description)
        known = int(stored.get("documents", 0)) if stored.get("version") == VERSION else 0
        return count > 0 and outgrown(known, count)

    def refit(self, description: Description) -> None:
        """Estimate every query modality of the collection's space against it, and store the result."""
        space = self._spaces()[description.space]
        count = self._store.count(description)
        sample = self._sample(description, count, SAMPLE)
        if not len(sample):
            return
        old = description.calibration if description.calibration.get("version") in READABLE else {}
        cells: dict[str, Any] = {}
        centre = np.zeros(description.dimension)
        for modality in space.modalities:
            probes, origin = self._probe_vectors(space, modality)
            if probes is None:
                continue
            best = self._best(description, probes) if count > len(sample) else None
            cell = background(probes, sample, size=count, best=best, origin=origin)
            assert cell.centre is not None
            centre = cell.centre
            known = old.get("cells", {}).get(modality, {})
            cell = replace(cell, slope=known.get("slope"), intercept=known.get("intercept"))
            asked = old.get("queries", {}).get(modality)
            if asked is not None:
                cell = self._with_queries(description, cell, unpack(asked).reshape(-1, description.dimension))
            cells[modality] = replace(cell, centre=None).to_dict()  # one centre serves all cells
        description.calibration = {
            "version": VERSION,
            "documents": count,
            "centre": pack(centre, "<f4"),
            "cells": cells,
            "queries": old.get("queries", {}),
        }
        self._store.save(description)

    def learn_queries(self, description: Description, modality: Modality, vectors: np.ndarray) -> None:
        """Take the best matches of the user's queries into account, for `pseudo_positive`.

        Args:
            description: The collection.
            modality: Of the queries.
            vectors: Shape (n, dimension).
        """
        cell = self.statistics(description, modality)
        if cell is None or not len(vectors):
            return
        kept = unit_rows(vectors)[-KEPT_QUERIES:]
        description.calibration["cells"][modality] = replace(
            self._with_queries(description, cell, kept), centre=None
        ).to_dict()
        description.calibration["queries"][modality] = pack(kept, "<f2")
        self._store.save(description)

    def learn_labels(self, labels: Sequence[tuple[Description, Label]]) -> None:
        """Fit the probability of relevance from labelled queries, per cell where there are enough, else over all.

        Raises:
            ValueError: If no record of the index is relevant to any of the queries.
        """
        cells: dict[tuple[str, Modality], tuple[Description, list[np.ndarray], list[np.ndarray]]] = {}
        for description, label in labels:
            cell = self.statistics(description, label.modality)
            if cell is None:
                continue
            rows = self._store.query(description, unit_rows(label.vector), SAMPLE)[0]
            found = {row.id: row.similarity for row in rows}
            missing = [one for one in label.relevant if one not in found]
            for row in self._store.get(description, ids=missing, vectors=True) if missing else ():
                assert row.vector is not None
                found[row.id] = float((unit_rows(label.vector) @ unit_rows(row.vector).T)[0, 0])
            scores = AboveChance().score(np.array(list(found.values())), cell.for_query(label.vector))
            _, xs, ys = cells.setdefault((description.name, label.modality), (description, [], []))
            xs.append(scores)
            ys.append(np.array([one in label.relevant for one in found]))
        everything = [(np.concatenate(xs), np.concatenate(ys)) for _, xs, ys in cells.values()]
        if not everything or not any(y.any() for _, y in everything):
            msg = "none of the labelled answers is in the index; name them by source or record id"
            raise ValueError(msg)
        pooled = fit_logistic(np.concatenate([x for x, _ in everything]), np.concatenate([y for _, y in everything]))
        for (_, modality), (description, _, _), (x, y) in zip(cells, cells.values(), everything, strict=True):
            slope, intercept = fit_logistic(x, y) if LEAST_POSITIVES <= y.sum() < len(y) else pooled
            description.calibration["cells"][modality] |= {"slope": slope, "intercept": intercept}
        for description in self._store.descriptions.values():
            for values in description.calibration.get("cells", {}).values():
                values.setdefault("slope", pooled[0])
                values.setdefault("intercept", pooled[1])
            self._store.save(description)

    def _with_queries(self, description: Description, cell: Statistics, vectors: np.ndarray) -> Statistics:
        found = self._store.query(description, vectors, 1)
        best = np.array([rows[0].similarity for rows in found if rows])
        spread = max(float(best.std()), cell.std / 10)
        return replace(cell, top1_mean=float(best.mean()), top1_std=spread, queries=len(best), origin="queries")

    def _best(self, description: Description, vectors: np.ndarray) -> np.ndarray:
        """Similarity of each vector and its best record that is not the same content, nan if there is none."""
        found = self._store.query(description, vectors, NEAREST)
        return np.array([next((row.similarity for row in rows if row.similarity <= SAME), math.nan) for rows in found])

    def _probe_vectors(self, space: Space, modality: Modality) -> tuple[np.ndarray | None, str]:
        """Vectors that stand in for unrelated queries: the index's own records for media, general phrases else."""
        own = self._store.descriptions.get((space.name, modality)) if modality != "text" else None
        if own is not None and (count := self._store.count(own)) >= LEAST_PROBES:
            return self._sample(own, count, PROBE_RECORDS), "documents"
        if "text" not in space.modalities:
            return None, ""
        if space.fingerprint not in self._probes:
            self._probes[space.fingerprint] = space.encode([Text(phrase) for phrase in PROBES], role="query").vectors
        return self._probes[space.fingerprint], "probes"

    def _sample(self, description: Description, count: int, most: int) -> np.ndarray:
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
