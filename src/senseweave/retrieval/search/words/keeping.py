"""Keep an index of words up to date with the records of a store, which decides what exists."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from senseweave.concurrency import checkpoint
from senseweave.errors import StoreError
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.search.kept_file import COUNTED, KeptFile
from senseweave.retrieval.search.words.base import WordIndex, WordRow, word_row
from senseweave.retrieval.search.words.files import words_path
from senseweave.retrieval.search.words.sqlite_index import SqliteWords
from senseweave.retrieval.search.words.tokens import Term
from senseweave.retrieval.stores.collections import Collections

BATCH: Final = 1000
"""Records that are cut into words between two looks whether the caller still wants them."""
PATIENCE: Final = 5.0
"""Seconds that a writer of records waits for the words; what it leaves out is found missing at the next search."""
LOOK_SECONDS: Final = 60.0
"""Seconds after which the records of a server are compared though their number is the same: others may have written."""
LONG_SECONDS: Final = 0.5
"""A comparison of a server's records that takes longer is not made again before `PAUSE` times as long have passed."""
PAUSE: Final = 20


class KeptWords(KeptFile[SqliteWords]):
    """The words of the records of an index, in a file in its folder or in memory. Safe to use from several threads.

    The file is made when words are first searched for, and follows every later change that is made through an index.
    Changes made otherwise, or by a process that was killed before it could note the words, show in the folder's count
    of writes: the next search compares all records.
    """

    def __init__(self, collections: Collections) -> None:
        """Keep the words of collections, which tell of their changes; nothing is opened yet."""
        super().__init__(collections, SqliteWords, partial(words_path, prefix=collections.prefix))
        self._compared = self._took = 0.0
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
                return (self._file or self.current()).search(collection, terms, k)
            except sqlite3.Error:  # damaged where nobody has looked before
                self._discard()
                return self.current().search(collection, terms, k)

    @contextlib.contextmanager
    def writing(self, collection: str, records: Sequence[Record], ids: Sequence[str]) -> Iterator[None]:
        """Follow a change of a collection, which is made inside."""
        if self._file is None and (self._path is None or not self._path.exists()):
            yield
            return
        with self._collections.store.writing():
            before = self.stamp()
            yield
            # Nothing that goes wrong here may undo what was written; the stamp tells the next search of it.
            with contextlib.suppress(sqlite3.Error, StoreError), self._guard:
                index = self._opened()
                with index.changing(wait=PATIENCE):
                    is_current = index.stamp == before
                    if self._collections.holds(collection):
                        index.add(collection, map(word_row, records))
                        index.delete(collection, ids)
                    if is_current:
                        index.set_stamp(self.stamp())

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
        stamp = self.stamp()
        if not index.stamp or self._lock is not None or stamp.startswith(COUNTED):
            return index.stamp != stamp
        since = time.monotonic() - self._compared
        pause = PAUSE * self._took if self._took > LONG_SECONDS else 0.0
        return since >= pause and (since >= LOOK_SECONDS or index.stamp != stamp)

    def _compare(self, index: SqliteWords) -> None:
        """Make the index hold the words of every record, and of no other."""
        began = time.monotonic()
        with index.changing():
            stamp = self.stamp()
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

    def _is_damage(self, error: sqlite3.DatabaseError) -> bool:
        return not (isinstance(error, sqlite3.OperationalError) and "locked" in str(error))

    def _open_in_memory(self) -> SqliteWords:
        self.close()
        self._file = SqliteWords(None)
        return self._file
