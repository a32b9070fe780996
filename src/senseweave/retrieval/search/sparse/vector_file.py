"""Sparse vectors of the texts of records, in a SQLite file or in memory; equal texts have one vector."""

# ruff: noqa: S608  (statements hold marks for values, and no value)

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.search.sqlite_file import WAIT, SqliteFile, find_fault, locate_file, read_statistics

FORMAT: Final = "1"
"""Version of the tables; a file of another version is made anew."""
SPARSE_FILE: Final = "senseweave.sparse"
"""Beginning of the names of files; each prefix of collections and each space has its own."""
NAMES: Final = 500
"""Values in a statement."""


@dataclass(frozen=True)
class SparseVector:
    """The vector of a text.

    Attributes:
        digest: Of the text.
        terms: Positions of its weights, ascending, int32; empty if nothing of the text is weighed.
        weights: Its weights, float32.
        fault: Why the model could not compute it, or None.
    """

    digest: bytes
    terms: np.ndarray
    weights: np.ndarray
    fault: str | None = None


class VectorFile(SqliteFile):
    """Vectors by the digest of their text, and the texts of the records of collections.

    Safe to use from several threads. Changes are made inside `changing`, all of them or none.
    """

    values_table = "notes"

    @contextmanager
    def changing(self, wait: float = WAIT) -> Iterator[None]:
        """Be the only one who changes the file, and count the change; see `SqliteFile.changing`."""
        with super().changing(wait):
            yield
            self._set_value("revision", str(self.revision + 1))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one state of the file, whatever another process changes meanwhile."""
        with self._guard:
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.rollback()

    @property
    def revision(self) -> int:
        """The number of changes so far, by any process."""
        written = self._value("revision") or "0"
        if not written.isdecimal():
            msg = "the number of changes is damaged"
            raise sqlite3.DatabaseError(msg)
        return int(written)

    def collections(self) -> list[str]:
        """Return the names of the collections whose records have texts here."""
        return [name for (name,) in self._all("SELECT DISTINCT collection FROM records")]

    def digests(self, collection: str) -> dict[str, bytes]:
        """Return the digest of the text of each record of a collection by its id."""
        return dict(self._all("SELECT id, digest FROM records WHERE collection = ?", [collection]))

    def missing(self, digests: Iterable[bytes]) -> set[bytes]:
        """Return those of some digests of which there is no vector."""
        left = set(digests)
        for part in _parts(sorted(left)):
            marks = ", ".join("?" * len(part))
            left -= {digest for (digest,) in self._all(f"SELECT digest FROM texts WHERE digest IN ({marks})", part)}
        return left

    def add_vectors(self, vectors: Iterable[SparseVector]) -> None:
        """Keep vectors; of a text that has one, that stays."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO texts (digest, terms, weights, fault) VALUES (?, ?, ?, ?)",
            (
                (vector.digest, _bytes(vector.terms, "<i4"), _bytes(vector.weights, "<f4"), vector.fault)
                for vector in vectors
            ),
        )

    def add_records(self, collection: str, digests: Mapping[str, bytes]) -> None:
        """Say which texts records of a collection have, by their ids; each replaces what was said of it."""
        self.delete(collection, digests)
        rows = ((collection, identifier, digest) for identifier, digest in digests.items())
        self._connection.executemany("INSERT INTO records (collection, id, digest) VALUES (?, ?, ?)", rows)

    def delete(self, collection: str, ids: Iterable[str]) -> None:
        """Remove records by id, and the vectors of texts that no record has any more; others are passed over."""
        for part in _parts(list(ids)):
            named = f"collection = ? AND id IN ({', '.join('?' * len(part))})"
            values = [collection, *part]
            gone = [digest for (digest,) in self._all(f"SELECT DISTINCT digest FROM records WHERE {named}", values)]
            self._connection.execute(f"DELETE FROM records WHERE {named}", values)
            self._connection.executemany(
                "DELETE FROM texts WHERE digest = ? AND NOT EXISTS (SELECT 1 FROM records WHERE digest = texts.digest)",
                ((digest,) for digest in gone),
            )

    def numbers(self) -> list[int]:
        """Return the number of each text that has a vector, ascending; numbers are never given again."""
        return [number for (number,) in self._all("SELECT number FROM texts WHERE fault IS NULL ORDER BY number")]

    def vectors(self, after: int, dimension: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield the number, the terms and the weights of texts whose number is higher, ascending.

        Raises:
            sqlite3.DatabaseError: If one is no vector of `dimension` terms; SciPy would write outside of its memory.
        """
        found = self._all(
            "SELECT number, terms, weights FROM texts WHERE number > ? AND fault IS NULL ORDER BY number", [after]
        )
        for number, terms, weights in found:
            yield number, *_checked_vector(terms, weights, dimension)

    def records(self, collection: str) -> list[tuple[str, int]]:
        """Return the id of each record of a collection and the number of its text."""
        return self._all(
            "SELECT id, number FROM records JOIN texts USING (digest) "
            "WHERE collection = ? AND fault IS NULL ORDER BY id",
            [collection],
        )

    def statistics(self, collection: str) -> Statistics | None:
        """Return what was kept by `set_statistics`."""
        return read_statistics(self._value(f"statistics {collection}"))

    def set_statistics(self, collection: str, statistics: Statistics) -> None:
        """Keep what unrelated queries find in a collection."""
        self._set_value(f"statistics {collection}", json.dumps(statistics.to_dict()))

    def copy(self) -> VectorFile:
        """Return a copy in memory."""
        copied = VectorFile(None)
        with self._guard:
            self._connection.backup(copied._connection)
        return copied

    def check(self) -> str | None:
        """Return what is wrong with the file, or None."""
        return self._quick_check()

    def _prepare(self) -> None:
        if not self.read_only and self._all("SELECT COUNT(*) FROM sqlite_master") == [(0,)]:
            with self._guard:
                self._connection.executescript(
                    """
                    BEGIN IMMEDIATE;
                    CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT);
                    CREATE TABLE IF NOT EXISTS texts (number INTEGER PRIMARY KEY AUTOINCREMENT,
                        digest BLOB UNIQUE NOT NULL, terms BLOB NOT NULL, weights BLOB NOT NULL, fault TEXT);
                    CREATE TABLE IF NOT EXISTS records (collection TEXT, id TEXT, digest BLOB NOT NULL,
                        PRIMARY KEY (collection, id)) WITHOUT ROWID;
                    CREATE INDEX IF NOT EXISTS by_digest ON records (digest);
                    COMMIT;
                    """
                )
                self._connection.execute("INSERT OR IGNORE INTO notes VALUES ('format', ?)", (FORMAT,))
        self._check_format(FORMAT)


def is_vector(terms: np.ndarray, weights: np.ndarray, dimension: int) -> bool:
    """Return whether terms and weights, as data say them, are a vector: SciPy believes them, and writes where they say.

    Args:
        terms: Positions, shape (n,), integers.
        weights: Shape (m,), float32.
        dimension: Of the space.
    """
    if len(terms) != len(weights) or not np.isfinite(weights).all():
        return False
    return not len(terms) or bool(terms[0] >= 0 and terms[-1] < dimension and (np.diff(terms) > 0).all())


def sparse_path(folder: Path, prefix: str, fingerprint: str) -> Path:
    """Return where the vectors of a space are kept in the folder of an index."""
    return locate_file(folder, SPARSE_FILE, prefix, fingerprint)


def sparse_files(folder: Path) -> list[Path]:
    """Return the files of sparse vectors in a folder."""
    return sorted(folder.glob(f"{SPARSE_FILE}*.sqlite3"))


def sparse_fault(path: Path) -> str | None:
    """Return what is wrong with a file of sparse vectors, or None."""
    return find_fault(VectorFile, path)


def _checked_vector(terms: Any, weights: Any, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    with suppress(ValueError, TypeError):
        found = np.frombuffer(terms, "<i4"), np.frombuffer(weights, "<f4")
        if is_vector(*found, dimension):
            return found
    msg = "a vector is damaged"
    raise sqlite3.DatabaseError(msg)


def _bytes(values: np.ndarray, kind: str) -> bytes:
    return np.ascontiguousarray(values, dtype=kind).tobytes()


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), NAMES):
        yield values[start : start + NAMES]
