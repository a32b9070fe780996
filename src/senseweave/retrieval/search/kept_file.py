"""Keep a SQLite file open that follows the records of an index, and make it anew where it is damaged."""

from __future__ import annotations

import json
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from senseweave.forking import RLock, abandon
from senseweave.retrieval.integrity.links import check_links
from senseweave.retrieval.integrity.read_only import is_read_only
from senseweave.retrieval.search.sqlite_file import SqliteFile, remove_file
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.lock import FolderLock

COUNTED: Final = "writes "
"""Beginning of the stamp of a store that counts its writes."""

File = TypeVar("File", bound=SqliteFile)


class KeptFile(ABC, Generic[File]):
    """What an index computes from its records and keeps beside them, in a file in its folder or in memory.

    The store decides what exists. Its stamp, which the file notes, tells whether the file is up to date.
    """

    def __init__(self, collections: Collections, kind: type[File], locate: Callable[[Path], Path]) -> None:
        """Keep a file beside collections; nothing is opened yet.

        Args:
            collections: Of the index.
            kind: Of the file.
            locate: Returns the path of the file in the folder of the index.
        """
        folder = collections.store.folder
        if folder is not None:
            check_links(folder)
        self._collections = collections
        self._kind = kind
        self._guard = RLock()
        self._file: File | None = None
        self._lock = FolderLock(folder) if folder is not None else None
        self._path = locate(folder) if folder is not None else None

    def stamp(self) -> str:
        """Return what changes when records change: the store's count of writes, else the numbers of records."""
        store = self._collections.store
        if writes := self._lock.generation() if self._lock is not None else getattr(store, "writes", 0):
            return f"{COUNTED}{writes}"
        descriptions = self._collections.descriptions.values()
        return json.dumps({description.name: self._collections.count(description) for description in descriptions})

    def close(self) -> None:
        """Close the file."""
        with self._guard:
            if self._file is not None and not self._file.is_inherited:
                self._file.close()
            self._file = None

    @abstractmethod
    def _is_damage(self, error: sqlite3.DatabaseError) -> bool:
        """Return whether a file that cannot be opened is to be made anew because of an error."""

    def _opened(self) -> File:
        """Return the file, opened again if it was replaced or the process was forked; the caller holds the guard."""
        if self._file is not None and self._file.is_inherited:
            abandon(self._file)
            self._file = None
        if self._file is not None and self._file.is_replaced:
            self.close()
        if self._file is None:
            self._file = self._open()
        return self._file

    def _open(self) -> File:
        if self._path is None:
            return self._kind(None)
        read_only = is_read_only(self._path.parent)
        try:
            return self._kind(self._path, read_only=read_only)
        except sqlite3.DatabaseError as error:
            if read_only:
                return self._kind(None)
            if not self._is_damage(error):
                raise
            remove_file(self._path)
            return self._kind(self._path)

    def _discard(self) -> None:
        """Close the file and remove it, because it is damaged."""
        self.close()
        if self._path is not None and not is_read_only(self._path.parent):
            remove_file(self._path)
