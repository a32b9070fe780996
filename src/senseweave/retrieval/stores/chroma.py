"""Chroma as a vector store: cosine collections in a folder or on a server."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.errors import StoreError
from senseweave.forking import RLock, abandon, call_in_child
from senseweave.retrieval.integrity.file_locks import PATIENCE, wait_until_free
from senseweave.retrieval.integrity.folder import check_folder, remember_own
from senseweave.retrieval.integrity.read_only import ReadOnlyCopy, is_read_only, read_only_error
from senseweave.retrieval.integrity.swap import finish_swap
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.conditions import Condition
from senseweave.retrieval.stores.filters import chroma_where
from senseweave.retrieval.stores.given import checked_changes, checked_queries, checked_records
from senseweave.retrieval.stores.local_client import (
    DATABASE,
    client_in_child,
    client_place,
    client_secrets,
    close_client,
    close_with,
    holds_store,
    is_remote,
    open_client,
    reopen_client,
)
from senseweave.retrieval.stores.lock import FolderLock
from senseweave.retrieval.stores.pacing import WRITTEN, Pace, fitting_size
from senseweave.retrieval.stores.store_errors import ask_again, readable, reported
from senseweave.retrieval.stores.watching import Watch

PAGE: Final = 1000
"""Records that are listed at a time."""
PROBED_EVERY: Final = 0.1
"""Seconds between two looks for a program that keeps readers out; one look takes up to half a millisecond."""
MOST: Final = 2**31 - 1
"""Most records to request from Chroma at once."""
HNSW: Final = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 400}
"""Chroma's defaults (100, 16, 100) miss some of the true nearest; benchmarks/search_latency.py prints how many."""


class ChromaStore:
    """Collections of a Chroma folder or client. One process writes to a folder at a time; a server orders writes."""

    def __init__(
        self,
        place: Any,
        *,
        create: bool = True,
        lock_timeout: float = 600.0,
        check: bool = True,
        name: str | None = None,
    ) -> None:
        """Open a folder, or take an open Chroma client.

        Args:
            place: A path, or a client (`PersistentClient`, `HttpClient`, `EphemeralClient`).
            create: Whether a folder that holds no store is made into one.
            lock_timeout: Seconds to wait for another process that writes to the folder.
            check: Whether the files of a folder are checked before they are trusted.
            name: What errors call the store of a client, such as its address; None for the kind of the client.

        Raises:
            StoreError: If there is no store and none is to be made, or files are missing or damaged.
        """
        there = holds_store(place, create=create)
        # Absolute, so that the store is still found after the process has changed its working directory.
        self.folder = Path(os.path.abspath(place)) if isinstance(place, (str, os.PathLike)) else None
        self._timeout = lock_timeout
        self._check = check
        self._copy: ReadOnlyCopy | None = None
        self._lock: FolderLock | None = None
        self._generation = 0
        self._unsettled = False
        self._version = 0
        self._probed = 0.0
        self._guard = RLock()
        self._handles: dict[str, Any] = {}
        self._pace = Pace()
        self._name = name
        self._is_sent = False
        self._watch = Watch(lambda: self.collections())
        self._closed = False
        self._forked = False
        self._disown: Callable[[], object] = lambda: None
        call_in_child(self._leave_to_parent)
        if self.folder is None:
            self._client = place
            self._is_sent = is_remote(place)
        else:
            with readable(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock = FolderLock(self.folder)
                self._own(self._open(self.folder, self._lock, there))

    @property
    def place(self) -> str:
        """What errors and `info` call the store: its folder, its address, or the kind of its client."""
        return str(self.folder) if self.folder is not None else self._name or client_place(self._client)

    @property
    def is_exclusive(self) -> bool:
        """Whether `writing` keeps every other index out: in a folder; clients of a server write side by side."""
        return self._lock is not None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What errors do not show: keys and passwords of a client of a server."""
        return client_secrets(self._client) if self.folder is None else ()

    @property
    @reported
    def version(self) -> int:
        """How often the folder was opened again because another process had written; of a server, changes seen."""
        with self._guard:
            if not self._closed:
                self._keep_up()
            version = self._version
        # What one client of a server writes, another learns only by asking.
        return version if self._closed or self._lock is not None else version + self._watch.changes

    @property
    def client(self) -> Any:
        """The Chroma client, opened again if another process has written since.

        That of a folder is closed with the store, and after a store that is dropped.

        Raises:
            StoreError: If the store is closed, or cannot be used in this forked process.
        """
        with self._guard:
            if self._closed:
                msg = "this index is closed"
                raise StoreError(msg)
            self._keep_up()
            return self._client

    def _keep_up(self) -> None:
        """Open the client again if another process has written since; the caller holds the guard."""
        if self._lock is not None and time.monotonic() - self._probed > PROBED_EVERY:
            database = self._lock.path.parent / DATABASE
            wait_until_free(database, PATIENCE, writing=True, is_ours=self._lock.busy)
            self._probed = time.monotonic()
        if self._forked:
            self._reopen_in_child()
        if self._lock is not None and self._has_changed(self._lock):
            folder = self._lock.path.parent
            finish_swap(folder)
            if not (folder / DATABASE).is_file():
                msg = f"{folder}: the index is gone from this folder; put it back, or create a new one"
                raise StoreError(msg)
            # A local client keeps its vector index in memory; after another process has written it would miss
            # records, and what it writes would undo theirs.
            self._observe(self._lock)
            self._own(reopen_client(self._client, self._place_to_open(folder)))
            self._handles.clear()
            self._version += 1

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer to the folder; on a server, which orders writes itself, nothing is locked.

        Raises:
            StoreError: If another process keeps the lock for longer than the timeout, or the folder is read-only.
        """
        if self._lock is None:
            yield
            return
        if self._copy is not None:
            raise read_only_error(self._lock.path.parent)
        with contextlib.ExitStack() as held:
            with readable(self.place):
                held.enter_context(self._lock.held(self._timeout))
            since = time.time()
            yield
            if self._check:
                remember_own(self._lock.path.parent, since)

    @reported
    def collections(self) -> dict[str, dict[str, Any]]:
        """Return the metadata of every collection by its name."""
        return {collection.name: dict(collection.metadata or {}) for collection in self.client.list_collections()}

    @reported
    def make(self, name: str, metadata: Mapping[str, Any], dimension: int) -> dict[str, Any]:
        """Make a collection unless it is there, and return its metadata; Chroma learns the dimension by itself."""
        del dimension
        with self._write() as client:
            handle = client.get_or_create_collection(
                name, metadata=dict(metadata), configuration={"hnsw": dict(HNSW)}, embedding_function=None
            )
        return dict(handle.metadata or {})

    @reported
    def save_metadata(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata of a collection."""
        with self._write():
            self._handle(name).modify(metadata=dict(metadata))

    @reported
    def drop(self, name: str) -> None:
        """Remove a collection with all its records."""
        with self._write() as client:
            client.delete_collection(name)
            self._handles.pop(name, None)

    @reported
    def upsert(self, name: str, records: Sequence[Record]) -> None:
        """Write records; each replaces a record of the same id as a whole."""
        checked = checked_records(records)
        for chunk in self._chunks(checked, fitting_size(checked) if self._is_sent else WRITTEN):
            with self._write():
                handle = self._handle(name)
                # Chroma keeps the metadata that a new version of a record lacks, unless they are named as None.
                there = handle.get(ids=[record.id for record in chunk], include=["metadatas"])
                before = dict(zip(there["ids"], there["metadatas"], strict=True))
                for part in self._pace.parts(chunk):
                    handle.upsert(
                        ids=[record.id for record in part],
                        embeddings=np.stack([record.vector for record in part]),
                        documents=[record.text for record in part],
                        metadatas=[
                            {**dict.fromkeys(before.get(record.id) or {}), **record.metadata} or None for record in part
                        ],
                    )

    @reported
    def update_metadata(self, name: str, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change metadata of records by id; a value of None removes a name."""
        checked = checked_changes(changes)
        for chunk in self._chunks(list(checked), WRITTEN):
            with self._write():
                handle = self._handle(name)
                for part in self._pace.parts(chunk):
                    handle.update(ids=part, metadatas=[checked[identifier] for identifier in part])

    @reported
    def get(
        self,
        name: str,
        *,
        ids: Sequence[str] | None = None,
        condition: Condition | None = None,
        limit: int | None = None,
        offset: int = 0,
        vectors: bool = False,
    ) -> list[StoredRecord]:
        """Return records by id or by condition, or all of them, a page at a time."""
        include = ["metadatas", "documents", *(["embeddings"] if vectors else [])]
        where = chroma_where(condition)
        found: list[StoredRecord] = []
        if ids is not None:
            for chunk in self._chunks(list(dict.fromkeys(ids))):
                found += _rows(self._read(name, ids=chunk, where=where, include=include))
            return found[offset : None if limit is None else offset + limit]
        while limit is None or len(found) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            page = self._read(name, where=where, limit=size, offset=offset + len(found), include=include)
            found += _rows(page)
            if len(page["ids"]) < size:
                break
        return found

    @reported
    def query(
        self,
        name: str,
        vectors: np.ndarray,
        k: int,
        *,
        condition: Condition | None = None,
        with_vectors: bool = False,
    ) -> list[list[StoredRecord]]:
        """Return the `k` records nearest to each row of `vectors`, nearest first."""
        queries = checked_queries(vectors)
        if not len(queries):
            return []
        include = ["metadatas", "documents", "distances", *(["embeddings"] if with_vectors else [])]
        where = chroma_where(condition)
        result = ask_again(
            lambda: self._handle(name).query(
                query_embeddings=queries, n_results=min(max(k, 1), MOST), where=where, include=include
            )
        )
        columns = {column: values for column, values in result.items() if values is not None and column != "included"}
        return [_rows({column: values[at] for column, values in columns.items()}) for at in range(len(result["ids"]))]

    @reported
    def list_ids(self, name: str, condition: Condition | None, limit: int) -> list[str]:
        """Return the ids of at most `limit` records that match a condition, without reading the records."""
        return list(self._read(name, where=chroma_where(condition), limit=limit, include=[])["ids"])

    @reported
    def find_words(self, name: str, words: Sequence[str], limit: int, *, is_prefix: bool = False) -> list[str]:
        """Return the ids of records whose text holds words that follow each other, by Chroma's `$contains`."""
        sought = {"$contains": f" {' '.join(words)}" + ("" if is_prefix else " ")}
        return list(self._read(name, where_document=sought, limit=limit, include=[])["ids"])

    @reported
    def count(self, name: str) -> int:
        """Return the number of records of a collection."""
        return int(self._handle(name).count())

    @reported
    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove records by id; ids that are not there are passed over."""
        for chunk in self._chunks(list(dict.fromkeys(ids))):
            with self._write():
                handle = self._handle(name)
                for part in self._pace.parts(chunk):
                    handle.delete(ids=part)

    def close(self) -> None:
        """Let go of the folder; a client that was given stays open."""
        with self._guard:
            if self.folder is not None and not self._closed and not self._forked:
                self._disown()
                close_client(self._client)
                if self._copy is not None:
                    self._copy.close()
            self._closed = True
            self._handles.clear()

    def _open(self, folder: Path, lock: FolderLock, there: bool) -> Any:
        # Two processes that make one store would both create its tables. Whoever comes first has made the lock file
        # before Chroma's, and has counted no write until Chroma's is complete.
        if there and not (lock.path.is_file() and lock.generation() == 0):
            wait_until_free(folder / DATABASE, PATIENCE, writing=True, is_ours=lock.busy)
            self._observe(lock)
            place = self._place_to_open(folder)
            if self._check:
                self._check_files(place, lock)
            return open_client(place)
        with lock.held(self._timeout):
            client = open_client(folder)
            self._generation = lock.advance()
            return client

    def _own(self, client: Any) -> None:
        """Use a client that this store has opened, in place of the one before."""
        self._disown()
        self._client = client
        self._disown = close_with(self, client)

    def _leave_to_parent(self) -> None:
        abandon(self._client)
        abandon(self._handles)
        self._handles = {}
        self._forked = True

    def _reopen_in_child(self) -> None:
        """Open the store again in a forked child: Chroma's threads are the parent's."""
        if self._lock is None:
            self._client = client_in_child(self._client.get_settings(), self._client)
        else:
            self._observe(self._lock)
            self._own(open_client(self._place_to_open(self._lock.path.parent)))
        self._forked = False
        self._version += 1

    def _place_to_open(self, folder: Path) -> Path:
        """Return the folder that Chroma opens: a new copy of one that cannot be written to."""
        if self._copy is not None:
            self._copy.close()
        self._copy = ReadOnlyCopy(folder) if is_read_only(folder) else None
        return folder if self._copy is None else self._copy.folder

    def _check_files(self, place: Path, lock: FolderLock) -> None:
        """Check the files that Chroma is about to open.

        Raises:
            StoreError: If something is missing or damaged, and still is when no other process writes.
        """
        folder = lock.path.parent
        try:
            check_folder(place, folder, busy=lock.busy())
            return
        except StoreError:
            if self._copy is not None:
                raise
        with lock.held(self._timeout):
            check_folder(place, folder)

    def _observe(self, lock: FolderLock) -> None:
        """Remember which of others' writes a client that is opened next will have seen."""
        self._generation = lock.generation()
        # Opened in the middle of a write, whose end is not counted if the writer is killed.
        self._unsettled = lock.busy()

    def _has_changed(self, lock: FolderLock) -> bool:
        return lock.generation() != self._generation or (self._unsettled and not lock.busy())

    @contextlib.contextmanager
    def _write(self) -> Iterator[Any]:
        with self.writing():
            if self._lock is not None:
                wait_until_free(self._lock.path.parent / DATABASE, self._timeout, writing=True)
            client = self.client
            # Counted before as well: a process that is killed between writing and counting leaves a number by which
            # open readers notice.
            self._advance()
            try:
                yield client
            finally:
                self._advance()

    def _advance(self) -> None:
        if self._lock is not None:
            with self._guard:
                self._generation = self._lock.advance()

    def _handle(self, name: str) -> Any:
        with self._guard:
            client = self.client
            handle = self._handles.get(name)
            if handle is None:
                handle = client.get_collection(name, embedding_function=None)
                self._handles[name] = handle
            return handle

    def _read(self, name: str, **asked: Any) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = ask_again(lambda: self._handle(name).get(**asked))
        return answer

    def _chunks(self, items: Sequence[Any], size: int = 2000) -> Iterator[Sequence[Any]]:
        size = min(size, int(self.client.get_max_batch_size()))
        for start in range(0, len(items), size):
            yield items[start : start + size]


def _rows(result: Mapping[str, Any]) -> list[StoredRecord]:
    ids = result["ids"]
    empty: list[Any] = [None] * len(ids)

    def column(name: str) -> Sequence[Any]:
        values = result.get(name)
        return values if values is not None else empty

    rows = zip(ids, column("metadatas"), column("documents"), column("distances"), column("embeddings"), strict=True)
    return [
        StoredRecord(
            id=identifier,
            metadata=metadata or {},
            text=text,
            similarity=1.0 - float(distance) if distance is not None else 0.0,
            vector=np.asarray(vector, dtype=np.float32) if vector is not None else None,
        )
        for identifier, metadata, text, distance, vector in rows
    ]
