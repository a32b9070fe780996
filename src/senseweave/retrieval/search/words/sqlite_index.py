"""An index of words in a SQLite file or in memory, by its full-text search (FTS5)."""

# ruff: noqa: S608  (tables are named by numbers that this file gives)

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from senseweave.errors import StoreError
from senseweave.retrieval.calibration.probes import PROBES
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.calibration.store_statistics import outgrown
from senseweave.retrieval.search.sqlite_file import SqliteFile, read_statistics
from senseweave.retrieval.search.words.base import WordRow
from senseweave.retrieval.search.words.scoring import (
    NAMES_WEIGHT,
    chance,
    information,
    okapi_weight,
    scale,
    take_rarest,
)
from senseweave.retrieval.search.words.tokens import Term, cut_words, parse_words

FORMAT: Final = "1"
"""Version of the tables and of how texts are cut; a file of another version is made anew."""
WEIGHTS: Final = f"bm25(1.0, 1.0, {NAMES_WEIGHT})"
"""Of words, of whole identifiers and of file names, which all chunks of a file share."""
FREQUENT: Final = 500
"""Records that hold a word which is listed with its count."""
MOST_SAMPLED: Final = 1000
"""Matches of an unrelated query whose scores are taken."""


class SqliteWords(SqliteFile):
    """The words of some collections, each in a table of its own.

    Texts are cut by `tokens`, not by SQLite, which sees words between spaces; a query is never its syntax.
    """

    values_table = "values_"

    def collections(self) -> list[str]:
        """Return the names of the collections of which it holds words."""
        return [name for (name,) in self._all("SELECT name FROM collections ORDER BY number")]

    def add(self, collection: str, rows: Iterable[WordRow]) -> None:
        """Put rows into a collection, which is made if need be; each replaces the row of the same id."""
        with self._guard:
            number = self._number(collection) or self._make(collection)
            added = 0
            for row in rows:
                added += 1
                self._delete(number, [row.id])
                words, name = cut_words(row.text), cut_words(row.name)
                cursor = self._connection.execute(
                    f"INSERT INTO rows_{number} (id, digest) VALUES (?, ?)", (row.id, row.digest)
                )
                wholes = " ".join((*words.wholes, *name.wholes))
                self._connection.execute(
                    f"INSERT INTO words_{number} (rowid, words, wholes, names) VALUES (?, ?, ?, ?)",
                    (cursor.lastrowid, " ".join(words.parts), wholes, " ".join(name.parts)),
                )
            self._connection.execute("UPDATE collections SET records = records + ? WHERE number = ?", (added, number))

    def delete(self, collection: str, ids: Iterable[str]) -> None:
        """Remove rows by id; ids that are not there are passed over."""
        with self._guard:
            if number := self._number(collection):
                self._delete(number, ids)

    def drop(self, collection: str) -> None:
        """Remove a collection with all its rows."""
        with self._guard:
            if number := self._number(collection):
                self._connection.execute(f"DROP TABLE words_{number}")
                self._connection.execute(f"DROP TABLE rows_{number}")
                self._connection.execute("DELETE FROM frequent WHERE collection = ?", (number,))
                self._connection.execute("DELETE FROM collections WHERE number = ?", (number,))

    def digests(self, collection: str) -> Mapping[str, bytes]:
        """Return the digest of each row by its id."""
        number = self._number(collection)
        return dict(self._all(f"SELECT id, digest FROM rows_{number}")) if number else {}

    def search(self, collection: str, terms: Sequence[Term], k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` rows that match best, each with its score, best first."""
        with self._guard:
            number = self._number(collection)
            if number is None:
                return []
            found = self._search(number, terms, k)
            rows = json.dumps([row for row, _ in found])
            names = dict(
                self._all(
                    f"SELECT rowid, id FROM rows_{number} WHERE rowid IN (SELECT value FROM json_each(?))", [rows]
                )
            )
        return [(names[row], score) for row, score in found if row in names]

    def statistics(self, collection: str) -> Statistics | None:
        """Return the distribution of the scores of unrelated queries, or None for an empty collection."""
        with self._guard:
            found = self._all("SELECT statistics FROM collections WHERE name = ?", [collection])
            return read_statistics(found[0][0]) if found else None

    def estimate(self, collection: str) -> None:
        """Estimate the statistics of a collection, and count frequent words, if it has doubled or halved since."""
        with self._guard:
            known = self.statistics(collection)
            number = self._number(collection)
            if number is None:
                return
            count = self._count(number)
            if not count or not outgrown(known.documents if known else 0, count):
                return
            with self.changing():
                self._list_frequent(number)
                values = json.dumps(self._chance(number, count).to_dict())
                self._connection.execute("UPDATE collections SET statistics = ? WHERE number = ?", (values, number))

    def frequent(self, collection: str) -> dict[str, int]:
        """Return the words that many rows held when statistics were estimated, with the number of rows."""
        number = self._number(collection)
        return dict(self._all("SELECT word, count FROM frequent WHERE collection = ?", [number]))

    def check(self) -> str | None:
        """Return what is wrong with the file, or None."""
        with self._guard:
            if (fault := self._quick_check()) is not None:
                return fault
            for number, name in self._all("SELECT number, name FROM collections"):
                try:
                    self._count(number)
                    self.statistics(name)
                    self._connection.execute(f"INSERT INTO words_{number} (words_{number}) VALUES ('integrity-check')")
                except sqlite3.DatabaseError as error:
                    return str(error)
            return None

    def _prepare(self) -> None:
        options = {name for (name,) in self._all("PRAGMA compile_options")}
        if "ENABLE_FTS5" not in options:
            msg = "words=True needs SQLite with FTS5, which the sqlite3 module of this Python lacks: use another build"
            raise StoreError(msg)
        if not self.read_only:
            with self.changing():
                for statement in (
                    "CREATE TABLE IF NOT EXISTS values_ (name TEXT PRIMARY KEY, value TEXT)",
                    "CREATE TABLE IF NOT EXISTS collections "
                    "(number INTEGER PRIMARY KEY, name TEXT UNIQUE, records INTEGER NOT NULL DEFAULT 0, "
                    "statistics TEXT NOT NULL DEFAULT 'null')",
                    "CREATE TABLE IF NOT EXISTS frequent "
                    "(collection INTEGER, word TEXT, count INTEGER, PRIMARY KEY (collection, word)) WITHOUT ROWID",
                ):
                    self._connection.execute(statement)
                if self._value("format") is None:
                    self._set_value("format", FORMAT)
        self._check_format(FORMAT)

    def _make(self, collection: str) -> int:
        self._connection.execute("INSERT INTO collections (name) VALUES (?)", (collection,))
        number = self._number(collection)
        assert number is not None
        self._connection.execute(
            f"CREATE TABLE rows_{number} (rowid INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, digest BLOB NOT NULL)"
        )
        self._connection.execute(
            f"CREATE VIRTUAL TABLE words_{number} USING fts5(words, wholes, names, tokenize = 'ascii')"
        )
        self._connection.execute(f"INSERT INTO words_{number} (words_{number}, rank) VALUES ('rank', '{WEIGHTS}')")
        return number

    def _delete(self, number: int, ids: Iterable[str]) -> None:
        for identifier in ids:
            for (row,) in self._all(f"SELECT rowid FROM rows_{number} WHERE id = ?", [identifier]):
                self._connection.execute(f"DELETE FROM words_{number} WHERE rowid = ?", (row,))
                self._connection.execute(f"DELETE FROM rows_{number} WHERE rowid = ?", (row,))
                self._connection.execute("UPDATE collections SET records = records - 1 WHERE number = ?", (number,))

    def _search(self, number: int, terms: Sequence[Term], k: int) -> list[tuple[int, float]]:
        """Return the rows that match best, with their scores."""
        records = self._count(number)
        if not records:
            return []
        taken = take_rarest((min(max(self._matching(number, term)), records), term) for term in terms)
        if not taken:  # a word that so many hold is no better answer than chance
            return []
        factor = scale(
            [okapi_weight(count, records) for count, _ in taken],
            [information(count, records) for count, _ in taken],
            records,
        )
        asked = " OR ".join(_syntax(phrase, term) for count, term in taken if count for phrase in term.phrases)
        found = self._all(
            f"SELECT rowid, rank FROM words_{number} WHERE words_{number} MATCH ? ORDER BY rank LIMIT ?", [asked, k]
        )
        return [(row, -rank * factor) for row, rank in found]

    def _matching(self, number: int, term: Term) -> list[int]:
        """Return how many rows match each phrase of a term; of a frequent word how many did when they were counted."""
        counts = []
        for phrase in term.phrases:
            known = None
            if len(phrase) == 1 and not term.is_prefix:
                known = next(
                    iter(
                        self._all("SELECT count FROM frequent WHERE collection = ? AND word = ?", [number, phrase[0]])
                    ),
                    None,
                )
            if known is None:
                asked = f"SELECT count(*) FROM words_{number} WHERE words_{number} MATCH ?"
                known = self._all(asked, [_syntax(phrase, term)])[0]
            counts.append(_checked_count(known[0]))
        return counts

    def _list_frequent(self, number: int) -> None:
        """Count the words that many rows hold."""
        self._connection.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary_{number} USING fts5vocab(main, words_{number}, row)"
        )
        self._connection.execute("DELETE FROM frequent WHERE collection = ?", (number,))
        self._connection.execute(
            f"INSERT INTO frequent SELECT ?, term, doc FROM temp.vocabulary_{number} WHERE doc >= ?", (number, FREQUENT)
        )

    def _chance(self, number: int, count: int) -> Statistics:
        """Return what general phrases find, which have nothing to do with most records."""
        found = [self._search(number, parse_words(phrase), MOST_SAMPLED) for phrase in PROBES]
        return chance([[score for _, score in matches] for matches in found], count)

    def _number(self, collection: str) -> int | None:
        found = self._all("SELECT number FROM collections WHERE name = ?", [collection])
        return int(found[0][0]) if found else None

    def _count(self, number: int) -> int:
        """Return the number of rows, which is kept: SQLite counts by walking through them."""
        asked = f"SELECT records, (SELECT max(rowid) FROM rows_{number}) FROM collections WHERE number = ?"
        records, last = self._all(asked, [number])[0]
        return _checked_count(records, most=last or 0)


def _checked_count(value: Any, most: int | None = None) -> int:
    """Return a count that the file holds.

    Raises:
        sqlite3.DatabaseError: If it is no count, or higher than it can be.
    """
    if not isinstance(value, int) or value < 0 or (most is not None and value > most):
        msg = "a number of rows is damaged"
        raise sqlite3.DatabaseError(msg)
    return value


def _syntax(phrase: Sequence[str], term: Term) -> str:
    """Return a phrase in the syntax of FTS5; words hold neither quotes nor spaces."""
    return '"' + " ".join(phrase) + '"' + (" *" if term.is_prefix else "")
