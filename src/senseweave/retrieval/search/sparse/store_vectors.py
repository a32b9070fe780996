"""The vectors of one sparse space of an index, kept in a store elsewhere, beside the records, for all who use it."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import numpy as np

from senseweave.errors import StoreError
from senseweave.extras import require
from senseweave.forking import RLock
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.calibration.store_statistics import outgrown
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.search.rows_beside import are_enough, listed
from senseweave.retrieval.search.sparse.base import SparseSearch
from senseweave.retrieval.search.sparse.encoding import GeneralPhrases, embed_texts, text_digest
from senseweave.retrieval.search.sparse.scoring import chance, for_query
from senseweave.retrieval.search.sparse.space_vectors import BATCH, SpaceVectors
from senseweave.retrieval.search.sparse.vector_file import is_vector
from senseweave.retrieval.search.words.base import word_row
from senseweave.retrieval.stores.base import SparseRow, SparseVectors, VectorStore
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.description import Description
from senseweave.spaces.sparse_space import SparseSpace

VECTORS: Final = "sparse vectors of senseweave"
"""Under `holds` in the metadata of a collection of sparse vectors."""
NOTES: Final = "what is known of all rows"
"""The id of a row without a vector, which no search finds."""
SAMPLED: Final = 20_000
"""Rows that statistics are estimated from, at most."""
NOTHING: Final = np.zeros(0, np.int32), np.zeros(0, np.float32)


@dataclass(frozen=True)
class Estimates:
    """What is known of the vectors of a collection since it was last gone through.

    Attributes:
        records: Number of its records then.
        statistics: Of the scores of unrelated queries; None if no record had a vector.
        terms: Positions in which vectors had weights, ascending.
        means: The mean weight at each of them, over the records with a vector.
    """

    records: int = 0
    statistics: Statistics | None = None
    terms: np.ndarray = field(default_factory=lambda: NOTHING[0])
    means: np.ndarray = field(default_factory=lambda: NOTHING[1])

    def mean_score(self, terms: np.ndarray, weights: np.ndarray) -> float:
        """Return the mean dot product of a query with the records."""
        _, at, known = np.intersect1d(terms, self.terms, assume_unique=True, return_indices=True)
        return float(weights[at].astype(np.float64) @ self.means[known])

    def to_metadata(self) -> dict[str, Any]:
        """Return the estimates as flat values."""
        return {
            "records": self.records,
            "statistics": json.dumps(self.statistics.to_dict() if self.statistics is not None else None),
            "terms": base64.b64encode(self.terms.astype("<i4").tobytes()).decode(),
            "means": base64.b64encode(self.means.astype("<f4").tobytes()).decode(),
        }

    @classmethod
    def from_metadata(cls, values: Mapping[str, Any]) -> Estimates:
        """Return the estimates that `to_metadata` made into these values; none if they are damaged."""
        try:
            statistics = json.loads(values["statistics"])
            terms = np.frombuffer(base64.b64decode(values["terms"]), "<i4")
            means = np.frombuffer(base64.b64decode(values["means"]), "<f4")
            if terms.shape != means.shape:
                return cls()
            return cls(
                int(values["records"]),
                Statistics.from_dict(statistics) if statistics is not None else None,
                terms,
                means,
            )
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            return cls()


class StoreVectors:
    """The vectors of the texts of an index's records in collections of the store. Safe to use from several threads.

    Each collection has another beside it, with a row for every record; the row of a record without text has no vector.
    Rows are written before their records and removed after them: a process that is killed leaves at most rows of
    records that do not exist, and these are no answers. Whoever removes rows looks afterwards whether the record is
    there again, and whoever writes a record whether its row still is. Fewer rows than records are left by a program
    that knows no sparse spaces; the next search goes through all records then, and embeds what is missing.
    """

    def __init__(self, load: Callable[[], SparseSpace], fingerprint: str, collections: Collections) -> None:
        """Keep the vectors of collections; nothing is made or loaded yet.

        Args:
            load: Returns the space.
            fingerprint: Of the space.
            collections: Of the index.
        """
        self.load = load
        self._fingerprint = fingerprint
        self._collections = collections
        self._guard = RLock()
        self._known: dict[str, Estimates] = {}
        self._made: set[str] = set()
        self._phrases = GeneralPhrases(load)
        self._in_memory: SpaceVectors | None = None

    def begin(self) -> None:
        """Do nothing: collections are made with the first records."""

    @contextlib.contextmanager
    def writing(self, collection: str, records: Sequence[Record], ids: Sequence[str]) -> Iterator[dict[str, str]]:
        """Follow a change of a collection; see `SparseVectorsOfSpace.writing`."""
        if self._in_memory is not None:
            with self._in_memory.writing(collection, records, ids) as faults:
                yield faults
            return
        faults = {}
        if not self._collections.holds(collection):
            yield faults
            return
        texts = {record.id: word_row(record).text for record in records}
        # Nothing that goes wrong in the store may undo what is written; records without rows are counted by a search.
        with contextlib.suppress(StoreError):
            faults.update(self._keep(collection, texts))
        yield faults
        with contextlib.suppress(StoreError):
            self._keep(collection, texts)
            self._remove(collection, ids)

    def search(self, query: np.ndarray) -> SparseSearch:
        """Bring the rows up to date, and return a query; in memory where the store takes no further collections."""
        searched = set()
        for description in list(self._collections.descriptions.values()):
            if self._in_memory is not None or (
                description.name not in self._made and not self._collections.count(description)
            ):
                continue
            if self._is_made(description.name):
                self._update(description)
                searched.add(description.name)
            else:
                self._in_memory = SpaceVectors(self.load, self._fingerprint, self._collections)
        return self._in_memory.search(query) if self._in_memory is not None else _StoreSearch(self, query, searched)

    def find(self, collection: str, terms: np.ndarray, weights: np.ndarray, k: int) -> list[tuple[str, float]]:
        """Return the ids of the rows of a collection with the greatest dot products, each with it, greatest first."""
        return self._sparse.find_sparse(self._name(collection), terms, weights, k)

    def estimates(self, collection: str) -> Estimates:
        """Return what is known of a collection, by this index or by another."""
        if collection not in self._known:
            found = self._store.get(self._name(collection), ids=[NOTES])
            self._known[collection] = Estimates.from_metadata(found[0].metadata) if found else Estimates()
        return self._known[collection]

    def close(self) -> None:
        """Let go of what is in memory."""
        if self._in_memory is not None:
            self._in_memory.close()

    @property
    def _store(self) -> VectorStore:
        return self._collections.store

    @property
    def _sparse(self) -> SparseVectors:
        return cast(SparseVectors, self._collections.store)

    def _name(self, collection: str) -> str:
        return vectors_name(collection, self._fingerprint)

    def _is_made(self, collection: str) -> bool:
        """Return whether there is a collection of rows, which is made if need be; False if the store refuses it."""
        if collection in self._made:
            return True
        try:
            values = self._sparse.make_sparse(self._name(collection), {"holds": VECTORS})
        except StoreError:
            return False
        if values.get("holds") != VECTORS:
            return False
        self._made.add(collection)
        return True

    def _update(self, description: Description) -> None:
        """Go through the records of a collection if rows are missing, or there are far more or fewer than before."""
        if self._is_current(description):
            return
        with self._guard:
            self._known.pop(description.name, None)  # another index may have gone through them meanwhile
            if not self._is_current(description):
                self._go_through(description)

    def _is_current(self, description: Description) -> bool:
        records = self._collections.count(description)
        known = self.estimates(description.name).records
        rows = self._store.count(self._name(description.name)) - 1  # that of the notes
        return are_enough(rows, records) and (not records or not outgrown(known, records))

    def _go_through(self, description: Description) -> None:
        """Make the rows those of every record, and estimate anew what is known of them."""
        name = self._name(description.name)
        left = {row.id: row.metadata.get("digest") for row in listed(self._store, name)}
        left.pop(NOTES, None)
        batch: dict[str, str] = {}
        records = 0
        for record in self._collections.get(description):
            records += 1
            text = word_row(record).text
            if left.pop(record.id, None) != _digest(text):
                batch[record.id] = text
            if len(batch) >= BATCH:
                self._keep(description.name, batch)
                batch = {}
        self._keep(description.name, batch)
        self._remove(description.name, list(left))
        estimates = self._estimate(name, records)
        self._known[description.name] = estimates
        self._sparse.save_sparse(name, [SparseRow(NOTES, *NOTHING, estimates.to_metadata())])

    def _estimate(self, name: str, records: int) -> Estimates:
        """Estimate what unrelated queries find in a collection of rows, and the mean of its vectors."""
        sample = self._sparse.sample_sparse(name, SAMPLED)
        is_whole = len(sample) < SAMPLED
        dimension = self.load().dimension
        rows = [row for row in sample if row.metadata.get("digest") and "fault" not in row.metadata]
        rows = [row for row in rows if is_vector(row.terms, row.weights, dimension)]
        if not rows:
            return Estimates(records)
        sparse = require("scipy.sparse", extra="text")
        matrix = sparse.csr_array(
            (
                np.concatenate([row.weights for row in rows]),
                np.concatenate([row.terms for row in rows]),
                np.cumsum([0, *(len(row.terms) for row in rows)]),
            ),
            shape=(len(rows), dimension),
        )
        means = np.asarray(matrix.mean(axis=0), np.float32).ravel()
        terms = np.flatnonzero(means).astype(np.int32)
        estimates = Estimates(records, None, terms, means[terms])
        queries, prior = self._phrases.vectors()
        averages, tops = [], []
        for at in range(queries.shape[0]):
            asked = _normalized(queries[[at]].toarray()[0])
            averages.append(estimates.mean_score(*asked))
            if is_whole:
                tops.append(float((matrix[:, asked[0]] @ asked[1]).max()) if len(asked[0]) else 0.0)
            else:
                found = self._sparse.find_sparse(name, *asked, 1) if len(asked[0]) else []
                tops.append(found[0][1] if found else 0.0)
        documents = max(round(records * len(rows) / len(sample)), 1) if not is_whole else len(rows)
        return Estimates(records, chance(averages, tops, documents, prior), terms, means[terms])

    def _keep(self, collection: str, texts: Mapping[str, str]) -> dict[str, str]:
        """Give records rows with the vectors of their texts, unless they have them; return by id why some have none."""
        faults: dict[str, str] = {}
        if not texts or not self._is_made(collection):
            return faults
        name = self._name(collection)
        for start in range(0, len(texts), BATCH):
            part = dict(list(texts.items())[start : start + BATCH])
            there = {row.id: row.metadata.get("digest") for row in self._store.get(name, ids=list(part))}
            part = {each: text for each, text in part.items() if there.get(each) != _digest(text)}
            unique = {text_digest(text): text for text in part.values() if text}
            vectors = {each.digest: each for each in embed_texts(self.load(), unique)} if unique else {}
            rows = []
            for identifier, text in part.items():
                vector = vectors[text_digest(text)] if text else None
                metadata = {"digest": _digest(text)}
                if vector is not None and vector.fault is not None:
                    metadata["fault"] = faults[identifier] = vector.fault
                has_vector = vector is not None and vector.fault is None
                terms, weights = (vector.terms, vector.weights) if has_vector and vector is not None else NOTHING
                rows.append(SparseRow(identifier, terms, weights, metadata))
            self._sparse.save_sparse(name, rows)
        return faults

    def _remove(self, collection: str, ids: Collection[str]) -> None:
        """Remove the rows of records that are gone, and put back those that another client has added meanwhile."""
        if ids and self._is_made(collection):
            self._store.delete(self._name(collection), list(ids))
            again = self._store.get(collection, ids=list(ids))
            self._keep(collection, {record.id: word_row(record).text for record in again})


class _StoreSearch:
    """A query of the rows in a store, of those collections that have some."""

    def __init__(self, vectors: StoreVectors, query: np.ndarray, collections: Collection[str]) -> None:
        self._vectors = vectors
        self._collections = collections
        self._terms, self._weights = _normalized(query)

    def best(self, collection: str, k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` records of a collection with the highest scores; see `SparseSearch.best`."""
        if not len(self._terms) or collection not in self._collections:
            return []
        found = self._vectors.find(collection, self._terms, self._weights, k)
        return sorted(
            ((identifier, score) for identifier, score in found if score > 0), key=lambda pair: (-pair[1], pair[0])
        )

    def statistics(self, collection: str) -> Statistics | None:
        """Return what unrelated queries find, with the mean of this one; None if no record has a vector."""
        known = self._vectors.estimates(collection) if collection in self._collections else Estimates()
        if known.statistics is None:
            return None
        return for_query(known.statistics, known.mean_score(self._terms, self._weights), known.statistics.documents)


def vectors_name(collection: str, fingerprint: str) -> str:
    """Return the name of the collection that holds the vectors of a collection by a space."""
    return f"{collection}-sparse-{fingerprint}"


def _normalized(query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the terms of a query and their weights, over its dot product with itself: it finds itself with 1."""
    terms = np.flatnonzero(query)
    weights = query[terms].astype(np.float64)
    return terms, weights / max(float(weights @ weights), 1e-30)


def _digest(text: str) -> str:
    """Return the digest of a text as it is kept; empty for no text."""
    return text_digest(text).hex() if text else ""
