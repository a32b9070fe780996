"""The words of an index whose store can search texts: kept in the store, beside the records, for all who use it."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import numpy as np

from senseweave.concurrency import checkpoint
from senseweave.errors import StoreError
from senseweave.forking import RLock
from senseweave.retrieval.calibration.statistics import LEAST_CHANCE, Statistics, expected_best
from senseweave.retrieval.calibration.store_statistics import outgrown
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.search.rows_beside import are_enough, listed
from senseweave.retrieval.search.words.base import IndexWords, WordRow, WordSearch, word_row
from senseweave.retrieval.search.words.keeping import BATCH, KeptWords
from senseweave.retrieval.search.words.scoring import MOST_ALONE, information, okapi, okapi_weight, scale, take_rarest
from senseweave.retrieval.search.words.sqlite_index import SqliteWords
from senseweave.retrieval.search.words.store_texts import TEXTS_FORMAT, WordText
from senseweave.retrieval.search.words.tokens import Term
from senseweave.retrieval.stores.base import StoredRecord, TextSearch, VectorStore
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.description import Description

WORDS: Final = "words of senseweave"
"""Under `holds` in the metadata of a collection of words, whose vectors say nothing."""
SAMPLED: Final = 20_000
"""Records that statistics are estimated from, at most."""
WEIGHED: Final = 300
"""Records whose words are counted: those that hold most of the query. Of further matches it counts which they hold."""
Phrase = tuple[str, ...]


def open_words(collections: Collections) -> IndexWords:
    """Return the words of an index: in its folder, in its store where that can search texts, else in memory."""
    is_elsewhere = collections.store.folder is None
    return (
        StoreWords(collections)
        if is_elsewhere and isinstance(collections.store, TextSearch)
        else KeptWords(collections)
    )


@dataclass(frozen=True)
class Estimates:
    """What is known of the words of a collection since it was last gone through.

    Attributes:
        statistics: Of the scores of unrelated queries; None for an empty collection.
        frequent: Words that many records hold, with their number.
        length: Mean number of words of a record.
    """

    statistics: Statistics | None = None
    frequent: Mapping[str, int] = field(default_factory=dict)
    length: float = 1.0

    def to_metadata(self) -> dict[str, Any]:
        """Return the estimates as flat values."""
        statistics = self.statistics.to_dict() if self.statistics is not None else None
        return {
            "holds": WORDS,
            "statistics": json.dumps(statistics),
            "frequent": json.dumps(dict(self.frequent), ensure_ascii=False),
            "length": self.length,
        }

    @classmethod
    def from_metadata(cls, values: Mapping[str, Any]) -> Estimates:
        """Return the estimates that `to_metadata` made into these values; none if they are damaged."""
        try:
            statistics = json.loads(values["statistics"])
            return cls(
                Statistics.from_dict(statistics) if statistics is not None else None,
                {str(word): int(count) for word, count in json.loads(values["frequent"]).items()},
                float(values["length"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            return cls()


class StoreWords:
    """The words of the records of an index, in a collection beside each of its collections. Safe to use from threads.

    Such a collection is made when words are first searched for, and whoever writes records finds it by its name. Its
    rows have the ids of the records and are written before these and removed after them, so that of a process that is
    killed at most words of records that do not exist are left, and these are no answers. Whoever removes words looks
    afterwards whether the record is there again, and whoever writes a record whether its words still are, so that of
    two clients that do both at once one sees the other. Fewer words than records are left by a program that knows no
    words; the next search goes through all records then.
    """

    def __init__(self, collections: Collections) -> None:
        """Keep the words of collections, which tell of their changes; nothing is made yet."""
        self._collections = collections
        self._guard = RLock()
        self._known: dict[str, Estimates] = {}
        self._counts: dict[str, int] = {}
        self._in_memory: KeptWords | None = None
        collections.observers.append(self)

    def current(self) -> WordSearch:
        """Return what is searched, brought up to date; in memory where the store does not take further collections.

        Raises:
            StoreError: If the store fails.
        """
        if self._in_memory is None:
            for description in list(self._collections.descriptions.values()):
                if not self._is_kept(description.name) and not self._make(description):
                    self._in_memory = KeptWords(self._collections)
                    break
                self._update(description)
        return self._in_memory.current() if self._in_memory is not None else self

    def search(self, collection: str, terms: Sequence[Term], k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` records whose words match best, with their scores; see `WordSearch.search`."""
        if self._in_memory is not None:
            return self._in_memory.search(collection, terms, k)
        records = self._counts.get(collection, 0)
        estimates = self._known.get(collection, Estimates())
        found: dict[tuple[Phrase, bool], list[str]] = {}
        counts: dict[tuple[Phrase, bool], int] = {}
        for term in terms:
            for phrase in term.phrases:
                key = phrase, term.is_prefix
                known = estimates.frequent.get(phrase[0]) if len(phrase) == 1 and not term.is_prefix else None
                if known is None and key not in found:
                    found[key] = self._find(collection, *key)
                counts[key] = min(len(found[key]) if known is None else known, records)
        taken = take_rarest((max(counts[phrase, term.is_prefix] for phrase in term.phrases), term) for term in terms)
        keys = list(dict.fromkeys((phrase, term.is_prefix) for _, term in taken for phrase in term.phrases))
        if not records or not keys:
            return []
        weights = {key: okapi_weight(counts[key], records) for key in keys}
        sums: dict[str, float] = {}
        for key in keys:
            for identifier in found[key] if key in found else self._find(collection, *key):
                sums[identifier] = sums.get(identifier, 0.0) + weights[key]
        order = sorted(sums, key=lambda identifier: (-sums[identifier], identifier))[: max(k, WEIGHED)]
        factor = scale(
            [okapi_weight(count, records) for count, _ in taken],
            [information(count, records) for count, _ in taken],
            records,
        )
        scored = []
        for row in self._rows(collection, order[:WEIGHED]):
            text = WordText(row.text or "")
            score = sum(
                weights[key] * okapi(text.frequency(key[0], is_prefix=key[1]), text.length, estimates.length)
                for key in keys
            )
            if score > 0:
                scored.append((row.id, score * factor))
        scored.sort(key=lambda pair: (-pair[1], pair[0]))
        least = scored[-1][1] if scored else 0.0
        scored += [(identifier, min(sums[identifier] * factor, least)) for identifier in order[WEIGHED:]]
        return scored[:k]

    def statistics(self, collection: str) -> Statistics | None:
        """Return the distribution of the scores of unrelated queries, or None for an empty collection."""
        return self._known.get(collection, Estimates()).statistics

    @contextlib.contextmanager
    def writing(self, collection: str, records: Sequence[Record], ids: Sequence[str]) -> Iterator[None]:
        """Follow a change of a collection, which is made inside."""
        if self._in_memory is not None:
            with self._in_memory.writing(collection, records, ids):
                yield
            return
        if not self._collections.holds(collection):
            yield
            return
        rows = list(map(word_row, records))
        # Nothing that goes wrong with words may undo what is written; records without are counted by the next search.
        if rows and self._is_kept(collection):
            with contextlib.suppress(StoreError):
                self._put(collection, rows)
        yield
        with contextlib.suppress(StoreError):
            if self._is_kept(collection):
                there = {row.id for row in self._rows(collection, [row.id for row in rows])}
                self._put(collection, [row for row in rows if row.id not in there])
                self._remove(collection, ids)

    def close(self) -> None:
        """Let go of what is in memory."""
        if self._in_memory is not None:
            self._in_memory.close()

    @property
    def _store(self) -> VectorStore:
        return self._collections.store

    def _is_kept(self, collection: str) -> bool:
        """Return whether the words of a collection are kept, by this index or by another."""
        if collection not in self._known:
            values = self._store.collections().get(words_name(collection))
            if values is None or values.get("holds") != WORDS:
                return False
            self._known[collection] = Estimates.from_metadata(values)
        return True

    def _make(self, description: Description) -> bool:
        """Make the collection of the words of a collection; return False if the store refuses it."""
        try:
            values = self._store.make(words_name(description.name), Estimates().to_metadata(), 2)
        except StoreError:
            return False
        if values.get("holds") != WORDS:
            return False
        self._known[description.name] = Estimates.from_metadata(values)
        return True

    def _update(self, description: Description) -> None:
        """Go through the records of a collection if words are missing, or there are far more or fewer than before."""
        records = self._collections.count(description)
        self._counts[description.name] = records
        if not self._is_current(description, records):
            with self._guard:
                records = self._counts[description.name] = self._collections.count(description)
                if not self._is_current(description, records):
                    self._go_through(description, records)

    def _is_current(self, description: Description, records: int) -> bool:
        words = self._store.count(words_name(description.name))
        statistics = self._known[description.name].statistics
        known = statistics.documents if statistics is not None else 0
        return are_enough(words, records) and (not records or not outgrown(known, records))

    def _go_through(self, description: Description, records: int) -> None:
        """Make the words those of every record, and estimate anew what is known of them."""
        left = {row.id: row.metadata.get("digest") for row in listed(self._store, words_name(description.name))}
        step = max(math.ceil(records / SAMPLED), 1)
        lengths: list[int] = []
        batch: list[WordRow] = []
        with contextlib.closing(SqliteWords(None)) as sample, sample.changing():
            for at, record in enumerate(self._collections.get(description)):
                row = word_row(record)
                if left.pop(row.id, None) != row.digest.hex():
                    batch.append(row)
                if len(batch) >= BATCH:
                    checkpoint()
                    self._put(description.name, batch)
                    batch = []
                if at % step == 0:
                    lengths.append(WordText.from_row(row).length)
                    sample.add(description.name, [row])
            self._put(description.name, batch)
            self._remove(description.name, list(left))
            sample.estimate(description.name)
            statistics = sample.statistics(description.name)
            frequent = {word: count * step for word, count in sample.frequent(description.name).items()}
        if statistics is not None:
            spread = (statistics.best or 0.0) / expected_best(max(records, LEAST_CHANCE))
            statistics = replace(statistics, documents=records, std=spread, spread=spread)
        estimates = Estimates(statistics, frequent, float(np.mean(lengths)) if lengths else 1.0)
        self._known[description.name] = estimates
        self._store.save_metadata(words_name(description.name), estimates.to_metadata())

    def _find(self, collection: str, phrase: Phrase, is_prefix: bool) -> list[str]:
        store = cast(TextSearch, self._store)
        return store.find_words(words_name(collection), phrase, MOST_ALONE + 1, is_prefix=is_prefix)

    def _rows(self, collection: str, ids: Sequence[str]) -> list[StoredRecord]:
        return self._store.get(words_name(collection), ids=ids) if ids else []

    def _put(self, collection: str, rows: Sequence[WordRow]) -> None:
        if rows:
            self._store.upsert(words_name(collection), list(map(_record, rows)))

    def _remove(self, collection: str, ids: Collection[str]) -> None:
        """Remove the words of records that are gone, and put back those that another client has added meanwhile."""
        if ids:
            self._store.delete(words_name(collection), list(ids))
            self._put(collection, [word_row(record) for record in self._store.get(collection, ids=list(ids))])


def words_name(collection: str) -> str:
    """Return the name of the collection that holds the words of a collection."""
    return f"{collection}-words{TEXTS_FORMAT}"


def _record(row: WordRow) -> Record:
    """Return the words of a record as a store keeps them.

    The vector says nothing, but differs from those of others: many equal vectors would make a graph of neighbors slow.
    """
    angle = int.from_bytes(row.digest[:4], "big") / 2**32 * 2 * math.pi
    vector = np.array([math.cos(angle), math.sin(angle)], np.float32)
    return Record(row.id, vector, WordText.from_row(row).text, {"digest": row.digest.hex()})
