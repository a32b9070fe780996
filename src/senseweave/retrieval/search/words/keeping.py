"""Keep an index of words up to date with the records of a store, which decides what exists."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from senseweave.concurrency import checkpoint
from senseweave.errors import StoreError
from senseweave.forking import RLock, abandon, forks
from senseweave.retrieval.integrity.read_only import is_read_only
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.search.words.base import WordIndex, WordRow, word_row
from senseweave.retrieval.search.words.files import remove_words, words_path
from senseweave.retrieval.search.words.sqlite_index import SqliteWords
from senseweave.retrieval.search.words.tokens import Term
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.lock import FolderLock

BATCH: Final = 1000
"""Records that are cut into words between two looks whether the caller still wants them."""
PATIENCE: Final = 5.0
"""Seconds that a writer of records waits for the words; what it leaves out is found missing at the next search."""
LOOK_SECONDS: Final = 60.0
"""Seconds after which the records of a server are compared though their number is the same: others may have written."""
LONG_SECONDS: Final = 0.5
"""A comparison of a server's records that takes longer is not made again before `PAUSE` times as long have passed."""
PAUSE: Final = 20
COUNTED: Final = "writes "
"""Beginning of the stamp of a store that counts its writes."""


class KeptWords:
    """The words of the records of an index, in a file in its folder or in memory. Safe to use from several threads.

    The file is made when words are first searched for, and follows every later change that is made through an index.
    Changes made otherwise, or by a process that was killed before it could note the words, show in the folder's count
    of writes: the next search compares all records.
    """

    def __init__(self, collections: Collections) -> None:
        """Keep the words of collections, which tell of their changes; nothing is opened yet."""
        self._collections = collections
        self._guard = RLock()
        self._index: SqliteWords | None = None
        self._forks = forks()
        self._file: tuple[int, int] | None = None
        self._compared = self._took = 0.0
        folder = collections.store.folder
        self._lock = FolderLock(folder) if folder is not None else None
        self._path = words_path(folder, collections.prefix) if folder is not None else None
        collections.observers.append(self)

    def current(self) -> WordIndex:
        """Return the index of words, brought up to date.

        Raises:
            StoreError: If Python's SQLite has no full-text search, or the store fails.
        """
        with self._guard:
            try:
                return self._updated(self._opened())
            except sqlite3.Error:
                self._discard()
            try:
                return self._updated(self._opened())
            except sqlite3.Error:  # no room on the disk, a medium that fails
                return self._updated(self._open_in_memory())

    def search(self, collection: str, terms: Sequence[Term], k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` records whose words match best, with their scores; see `WordIndex.search`."""
        with self._guard:
            try:
                return (self._index or self.current()).search(collection, terms, k)
            except sqlite3.Error:  # damaged where nobody has looked before
                self._discard()
                return self.current().search(collection, terms, k)

    @contextlib.contextmanager
    def writing(self, collection: str, records: Sequence[Record], ids: Sequence[str]) -> Iterator[None]:
        """Follow a change of a collection, which is made inside."""
        if self._index is None and (self._path is None or not self._path.exists()):
            yield
            return
        with self._collections.store.writing():
            before = self._stamp()
            yield
            # Nothing that goes wrong here may undo what was written; the stamp tells the next search of it.
            with contextlib.suppress(sqlite3.Error, StoreError), self._guard:
                index = self._opened()
                with index.changing(wait=PATIENCE):
                    is_current = index.stamp == before
                    if any(description.name == collection for description in self._collections.descriptions.values()):
                        index.add(collection, map(word_row, records))
                        index.delete(collection, ids)
                    if is_current:
                        index.set_stamp(self._stamp())

    def close(self) -> None:
        """Close the file."""
        with self._guard:
            if self._index is not None and self._forks == forks():
                self._index.close()
            self._index = None

    def _updated(self, index: SqliteWords) -> SqliteWords:
        """Compare the index with the store if that has changed, and return it."""
        if self._is_due(index):
            is_written_to = self._lock is not None and self._lock.busy()
            if index.read_only:
                index = self._open_in_memory()
            # While records are being written, the writer notes their words; nobody waits for its end.
            if not (index.stamp and is_written_to):
                self._compare(index)
        if not index.read_only:
            for description in self._collections.descriptions.values():
                index.estimate(description.name)
        return index

    def _is_due(self, index: SqliteWords) -> bool:
        """Return whether the index is to be compared with the store now.

        The number of records, all that is known of a server's writes, is the same where others added as many as they
        removed; and whoever compares reads all records.
        """
        stamp = self._stamp()
        if not index.stamp or self._lock is not None or stamp.startswith(COUNTED):
            return index.stamp != stamp
        since = time.monotonic() - self._compared
        pause = PAUSE * self._took if self._took > LONG_SECONDS else 0.0
        return since >= pause and (since >= LOOK_SECONDS or index.stamp != stamp)

    def _compare(self, index: SqliteWords) -> None:
        """Make the index hold the words of every record, and of no other."""
        began = time.monotonic()
        with index.changing():
            stamp = self._stamp()
            if index.stamp == stamp and self._lock is not None:
                return  # another process has done it meanwhile
            names = [description.name for description in self._collections.descriptions.values()]
            for name in set(index.collections()) - set(names):
                index.drop(name)
            for description in self._collections.descriptions.values():
                left = dict(index.digests(description.name))
                batch: list[WordRow] = []
                for record in self._collections.get(description):
                    row = word_row(record)
                    if left.pop(row.id, None) != row.digest:
                        batch.append(row)
                    if len(batch) >= BATCH:
                        checkpoint()
                        index.add(description.name, batch)
                        batch = []
                index.add(description.name, batch)
                index.delete(description.name, left)
            index.set_stamp(stamp)
        self._compared = time.monotonic()
        self._took = self._compared - began

    def _stamp(self) -> str:
        """Return what changes when records change: the store's count of writes, else the numbers of records."""
        generation = (
            self._lock.generation() if self._lock is not None else getattr(self._collections.store, "writes", 0)
        )
        if generation:
            return f"{COUNTED}{generation}"
        descriptions = self._collections.descriptions.values()
        return json.dumps({description.name: self._collections.count(description) for description in descriptions})

    def _opened(self) -> SqliteWords:
        """Return the index, opened again if its file was replaced or the process was forked."""
        if self._forks != forks():
            abandon(self._index)
            self._index, self._forks = None, forks()
        if self._index is not None and self._index.path is not None and _identity(self._index.path) != self._file:
            self.close()
        if self._index is None:
            self._index = self._open()
        return self._index

    def _open(self) -> SqliteWords:
        if self._path is None or self._lock is None:
            return SqliteWords(None)
        read_only = is_read_only(self._path.parent)
        try:
            index = SqliteWords(self._path, read_only=read_only)
        except sqlite3.DatabaseError as error:
            if read_only:
                return SqliteWords(None)
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise
            remove_words(self._path)
            index = SqliteWords(self._path)
        self._file = _identity(self._path)
        return index

    def _open_in_memory(self) -> SqliteWords:
        self.close()
        self._index = SqliteWords(None)
        return self._index

    def _discard(self) -> None:
        """Close the index and remove its file, which is damaged."""
        self.close()
        if self._path is not None and not is_read_only(self._path.parent):
            remove_words(self._path)


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another that was put in its place, or None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
