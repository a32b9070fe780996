"""Keeps the statistics of every cell (space, query modality, document modality) beside the collection they describe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from senseweave.errors import SenseweaveError
from senseweave.media import Modality
from senseweave.retrieval.calibration.learning import fit_logistic
from senseweave.retrieval.calibration.probes import embed_probes
from senseweave.retrieval.calibration.statistics import SAME, Statistics, background, pack, unpack
from senseweave.retrieval.calibration.store_statistics import outgrown
from senseweave.retrieval.calibration.stored import check_calibration
from senseweave.retrieval.fusion.above_chance import AboveChance
from senseweave.retrieval.fusion.composition import EmbeddedPart
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.description import Description
from senseweave.spaces.batch import unit_rows
from senseweave.spaces.space import Space

VERSION: Final = 3
"""Version of the meaning of stored statistics; the next `add` estimates those of another version again."""
SAMPLE: Final = 1024
"""Largest number of records, evenly spaced over the collection, that are compared with the sample queries."""
PROBE_RECORDS: Final = 96
"""Largest number of records of a modality that stand in for unrelated queries of that modality."""
LEAST_PROBES: Final = 8
"""Smallest number of records of a modality that stand in for its queries; below it general phrases do."""
NEAREST: Final = 4
"""Number of nearest records among which the best is sought that is not the query's own content."""
KEPT_QUERIES: Final = 64
"""Largest number of the user's queries that are kept, as vectors only, to be used again when the collection grows."""
LEAST_POSITIVES: Final = 10
"""Smallest number of relevant examples for which a cell gets its own fit; below it the fit over all cells is used."""


@dataclass(frozen=True)
class Label:
    """A query with known answers in one collection.

    Attributes:
        vector: The query's vector, shape (dimension,).
        modality: The query's modality.
        relevant: Ids of the records in the collection that answer the query.
    """

    vector: np.ndarray
    modality: Modality
    relevant: frozenset[str]


class Calibration:
    """Estimates, stores and returns the statistics of an index."""

    def __init__(self, store: Collections, spaces: Callable[[], Mapping[str, Space]]) -> None:
        """Calibrate the collections of `store`, whose spaces `spaces()` gives by name when they are needed."""
        self._store = store
        self._spaces = spaces
        self._probes: dict[str, np.ndarray] = {}
        self._decoded: dict[tuple[str, Modality], tuple[dict[str, Any], Statistics]] = {}
        self._checked: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    def statistics(self, description: Description, query_modality: Modality) -> Statistics | None:
        """Return the statistics of queries of a modality against a collection, or None if there are none."""
        stored = self._usable(description)
        values = stored["cells"].get(query_modality) if stored else None
        if values is None:
            return None
        values = {**values, "centre": stored["centre"]}
        place = description.name, query_modality
        known = self._decoded.get(place)
        if known is None or known[0] != values:
            known = self._decoded[place] = values, Statistics.from_dict(values)
        return known[1]

    def has_statistics(self, description: Description) -> bool:
        """Return whether there are statistics of queries of any modality against a collection."""
        stored = self._usable(description)
        return bool(stored and stored["cells"])

    def _usable(self, description: Description) -> dict[str, Any]:
        """Return what a collection keeps; an empty dict if that is of another version, or damaged: it is made anew."""
        kept = description.calibration
        known = self._checked.get(description.name)
        if known is None or known[0] is not kept:
            try:
                usable = check_calibration(kept, description.dimension)
            except ValueError:
                usable = {}
            known = self._checked[description.name] = kept, usable
        return known[1]

    def renew(self, *, if_loadable: bool = False) -> None:
        """Estimate the statistics of every stale collection again.

        Args:
            if_loadable: Whether to leave them for a later call where the spaces are needed and cannot be loaded.
        """
        if not self._store.is_exclusive:  # others may have calibrated while this index added, which must not be undone
            self._store.refresh()
        stale = [description for description in self._store.descriptions.values() if self.is_stale(description)]
        if if_loadable and stale:
            try:
                self._spaces()
            except (SenseweaveError, ImportError):
                return
        for description in stale:
            self.refit(description)

    def is_stale(self, description: Description) -> bool:
        """Return whether a collection has no statistics, or has doubled or halved since they were estimated."""
        stored = self._usable(description)
        count = self._store.count(description)
        known = int(stored.get("documents", 0)) if stored.get("version") == VERSION else 0
        return count > 0 and outgrown(known, count)

    def refit(self, description: Description) -> None:
        """Estimate and store the statistics of a collection for every query modality of its space."""
        space = self._spaces()[description.space]
        count = self._store.count(description)
        sample = self._sample(description, count, SAMPLE)
        if not len(sample):
            return
        old = self._usable(description)
        cells: dict[str, Any] = {}
        center = np.zeros(description.dimension)
        for modality in space.modalities:
            probes, origin = self._probe_vectors(space, modality)
            if probes is None:
                continue
            best = self._best(description, probes) if count > len(sample) else None
            cell = background(probes, sample, size=count, best=best, origin=origin)
            assert cell.center is not None
            center = cell.center
            known = old.get("cells", {}).get(modality, {})
            cell = replace(cell, slope=known.get("slope"), intercept=known.get("intercept"))
            queries = old.get("queries", {}).get(modality)
            if queries is not None:
                cell = self._with_queries(description, cell, unpack(queries).reshape(-1, description.dimension))
            cells[modality] = replace(cell, center=None).to_dict()  # one center serves all cells
        description.calibration = {
            "version": VERSION,
            "documents": count,
            "centre": pack(center, "<f4"),
            "cells": cells,
            "queries": old.get("queries", {}),
        }
        self._store.save(description)

    def learn(self, queries: Iterable[Mapping[str, EmbeddedPart]]) -> None:
        """Update the statistics of best matches of every collection by sample queries, each a part by space."""
        embedded = list(queries)
        for description in self._store.descriptions.values():
            if not self._store.count(description):
                continue
            parts = [parts[description.space] for parts in embedded if description.space in parts]
            for modality in dict.fromkeys(part.modality for part in parts):
                rows = [part.vector for part in parts if part.modality == modality]
                self.learn_queries(description, modality, np.stack(rows))

    def learn_queries(self, description: Description, modality: Modality, vectors: np.ndarray) -> None:
        """Update the statistics of best matches, which `pseudo_positive` uses, by the user's queries.

        Args:
            description: The collection.
            modality: The modality of the queries.
            vectors: The queries' vectors, shape (n, dimension).
        """
        cell = self.statistics(description, modality)
        if cell is None or not len(vectors):
            return
        kept = unit_rows(vectors, allow_zero=True)[-KEPT_QUERIES:]
        description.calibration["cells"][modality] = replace(
            self._with_queries(description, cell, kept), center=None
        ).to_dict()
        description.calibration["queries"][modality] = pack(kept, "<f2")
        self._store.save(description)

    def learn_labels(self, labels: Sequence[tuple[Description, Label]]) -> None:
        """Fit the probability of relevance to labeled queries, per cell where there are enough, otherwise over all.

        Args:
            labels: Pairs of a collection and a query with its answers there.

        Raises:
            ValueError: If no record of the index is relevant to any of the queries.
        """
        cells: dict[tuple[str, Modality], tuple[Description, list[np.ndarray], list[np.ndarray]]] = {}
        for description, label in labels:
            cell = self.statistics(description, label.modality)
            if cell is None:
                continue
            query = unit_rows(label.vector, allow_zero=True)
            rows = self._store.query(description, query, SAMPLE)[0]
            found = {row.id: row.similarity for row in rows}
            missing = [identifier for identifier in label.relevant if identifier not in found]
            for row in self._store.get(description, ids=missing, vectors=True) if missing else ():
                assert row.vector is not None
                found[row.id] = float((query @ unit_rows(row.vector, allow_zero=True).T)[0, 0])
            scores = AboveChance().score(np.array(list(found.values())), cell.for_query(label.vector))
            _, xs, ys = cells.setdefault((description.name, label.modality), (description, [], []))
            xs.append(scores)
            ys.append(np.array([identifier in label.relevant for identifier in found]))
        everything = [(np.concatenate(xs), np.concatenate(ys)) for _, xs, ys in cells.values()]
        if not everything or not any(y.any() for _, y in everything):
            msg = "none of the labeled answers is in the index; name them by source or record id"
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
        """Return the similarity of each vector to its best record of other content, nan if there is none."""
        found = self._store.query(description, vectors, NEAREST)
        return np.array([next((row.similarity for row in rows if row.similarity <= SAME), math.nan) for rows in found])

    def _probe_vectors(self, space: Space, modality: Modality) -> tuple[np.ndarray | None, str]:
        """Return vectors in place of unrelated queries (records for media, otherwise phrases) and their origin."""
        own = self._store.descriptions.get((space.name, modality)) if modality != "text" else None
        if own is not None and (count := self._store.count(own)) >= LEAST_PROBES:
            return self._sample(own, count, PROBE_RECORDS), "documents"
        if "text" not in space.modalities:
            return None, ""
        if space.fingerprint not in self._probes:
            self._probes[space.fingerprint] = embed_probes(lambda media: space.encode(media, role="query").vectors)
        probes = self._probes[space.fingerprint]
        return (probes, "probes") if len(probes) else (None, "")

    def _sample(self, description: Description, count: int, most: int) -> np.ndarray:
        """Return vectors of evenly spaced records of a collection, shape (n, dimension)."""
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
