"""Chroma underneath: one cosine collection per space and modality, in a folder or on a server."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, Final, Protocol

import numpy as np

from senseweave.errors import FingerprintError, StoreError
from senseweave.retrieval.records.first_schema import Record
from senseweave.retrieval.stores.description import Description, Key, collection_name
from senseweave.retrieval.stores.filters import Where
from senseweave.retrieval.stores.local_client import close_client, holds_store, open_client, readable, reopen_client
from senseweave.retrieval.stores.lock import FolderLock

ABSENT_SECONDS: Final = 1.0
"""How long a client is believed to lack a collection, so that searches do not ask a server each time."""
PAGE: Final = 1000
"""Records that are listed at a time."""
MOST: Final = 2**31 - 1
"""Records that Chroma can be asked for at once."""
HNSW: Final = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 400}
"""Chroma's defaults (100, 16, 100) miss some of the true nearest; benchmarks/search_latency.py prints how many."""


class Named(Protocol):
    """A collection by its name: a `Description`, or the index's `Copies`."""

    @property
    def name(self) -> str:
        """Of the collection in Chroma."""


@dataclass(frozen=True)
class Found:
    """One row that a collection returned; `similarity` is 0 where nothing was asked."""

    id: str
    metadata: dict[str, Any]
    text: str | None
    similarity: float = 0.0
    vector: np.ndarray | None = None


class Store:
    """Collections of one index. Safe to use from several threads; one process writes to a folder at a time."""

    def __init__(self, place: Any, *, create: bool, prefix: str = "", lock_timeout: float = 600.0) -> None:
        """Open a folder, or take an open Chroma client.

        Args:
            place: A path, or a client (`PersistentClient`, `HttpClient`, `EphemeralClient`).
            create: Whether a folder that holds no store is made into one.
            prefix: Put before collection names, so that several indexes can share a client.
            lock_timeout: Seconds to wait for another process that writes to the folder.

        Raises:
            StoreError: If there is no store and none is to be made.
        """
        there = holds_store(place, create=create)
        # Absolute, so that the index is still found after the process has changed its working directory.
        self.folder = Path(os.path.abspath(place)) if isinstance(place, (str, os.PathLike)) else None
        self.prefix = prefix
        self._timeout = lock_timeout
        self._lock: FolderLock | None = None
        self._seen = 0
        self._unsettled = False
        self._guard = RLock()
        self._handles: dict[str, Any] = {}
        self._descriptions: dict[Key, Description] = {}
        self._names: set[str] = set()
        self._absent: dict[str, float] = {}
        self._closed = False
        if self.folder is None:
            self._client = place
        else:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(self.folder)
            self._client = self._open(self.folder, self._lock, there)
        self.refresh()

    def refresh(self) -> None:
        """Read again which collections there are."""
        self._read_descriptions(self.client)

    @property
    def descriptions(self) -> dict[Key, Description]:
        """The collections of the index, read again if another process has written since."""
        with self._guard:
            if not self._closed:
                _ = self.client
            return self._descriptions

    @property
    def client(self) -> Any:
        """The Chroma client, opened again if another process has written since."""
        with self._guard:
            if self._closed:
                msg = "this index is closed"
                raise StoreError(msg)
            if self._lock is not None and self._has_changed(self._lock):
                # A local client keeps its vector index in memory; after another process has written it would miss
                # records, and what it writes would undo theirs.
                self._look(self._lock)
                self._client = reopen_client(self._client, self._lock.path.parent)
                self._handles.clear()
                self._read_descriptions(self._client)  # the other process may have calibrated anew
            return self._client

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer to the folder, and know what others wrote before.

        On a server, which orders writes itself, nothing is locked.

        Raises:
            StoreError: If another process keeps the lock for longer than the timeout.
        """
        with self._locked():
            # What is written back, calibration above all, must build on what is there now.
            self.refresh()
            yield

    def ensure(self, description: Description) -> Description:
        """Make the collection if it is missing, and check that it holds vectors of this fingerprint.

        Raises:
            FingerprintError: If it holds vectors of another space.
        """
        key = (description.space, description.modality)
        known = self.descriptions.get(key)
        if known is None:
            metadata = self.make(description.name, description.to_metadata(), HNSW)
            known = self.descriptions[key] = Description.from_metadata(description.name, metadata)
        if known.fingerprint != description.fingerprint:
            raise FingerprintError(known.name, known.fingerprint, description.fingerprint)
        return known

    def make(self, name: str, metadata: Mapping[str, Any], hnsw: Mapping[str, Any]) -> dict[str, Any]:
        """Make a collection unless it is there, and return its metadata.

        Raises:
            StoreError: If a collection of that name is not senseweave's.
        """
        with self._write() as client:
            handle = client.get_or_create_collection(
                name, metadata=dict(metadata), configuration={"hnsw": dict(hnsw)}, embedding_function=None
            )
        if not metadata.keys() <= (handle.metadata or {}).keys():
            msg = f"a collection {name!r} exists and is not senseweave's; give the index a prefix"
            raise StoreError(msg)
        self._names.add(name)
        return dict(handle.metadata)

    def has(self, collection: Named) -> bool:
        """Whether there is such a collection; one that another client of a server makes is seen within a second."""
        from chromadb.errors import NotFoundError

        name = collection.name
        with self._guard:
            client = self.client
            if self._lock is None and name not in self._names and time.monotonic() >= self._absent.get(name, 0.0):
                with contextlib.suppress(NotFoundError):
                    client.get_collection(name, embedding_function=None)
                    self._names.add(name)
                self._absent[name] = time.monotonic() + ABSENT_SECONDS
            return name in self._names

    def save(self, description: Description) -> None:
        """Write a description back, for example with new calibration."""
        with self._write():
            self._handle(description).modify(metadata=description.to_metadata())

    def count(self, collection: Named) -> int:
        """Number of records of a collection."""
        return int(self._handle(collection).count())

    def upsert(self, collection: Named, records: Sequence[Record]) -> None:
        """Write records; those whose id is there already are replaced."""
        for chunk in self._chunks(records):
            with self._write():
                self._handle(collection).upsert(
                    ids=[one.id for one in chunk],
                    embeddings=np.stack([one.vector for one in chunk]),
                    documents=[one.text for one in chunk],
                    metadatas=[one.metadata for one in chunk],
                )

    def update_metadata(self, collection: Named, changes: Mapping[str, dict[str, Any]]) -> None:
        """Change metadata of records by id; values of None remove a name."""
        for chunk in self._chunks(list(changes)):
            with self._write():
                self._handle(collection).update(ids=chunk, metadatas=[changes[one] for one in chunk])

    def delete(self, collection: Named, ids: Sequence[str]) -> None:
        """Remove records by id."""
        for chunk in self._chunks(ids):
            with self._write():
                self._handle(collection).delete(ids=chunk)

    def get(
        self,
        collection: Named,
        *,
        ids: Sequence[str] | None = None,
        where: Where | None = None,
        vectors: bool = False,
    ) -> Iterator[Found]:
        """Yield records by id or by condition, or all of them, a page at a time."""
        include = ["metadatas", "documents", *(["embeddings"] if vectors else [])]
        if ids is not None:
            for chunk in self._chunks(ids):
                yield from _rows(self._handle(collection).get(ids=chunk, where=where, include=include))
            return
        offset = 0
        while True:
            page = self._handle(collection).get(where=where, limit=PAGE, offset=offset, include=include)
            yield from _rows(page)
            offset += PAGE
            if len(page["ids"]) < PAGE:
                return

    def some(self, collection: Named, most: int, where: Where | None = None) -> list[str]:
        """Ids of at most so many records of which a condition holds."""
        return list(self._handle(collection).get(where=where, limit=most, include=[])["ids"])

    def existing(self, collection: Named, ids: Sequence[str]) -> list[str]:
        """Those of some ids that are there."""
        return [
            one for chunk in self._chunks(ids) for one in self._handle(collection).get(ids=chunk, include=[])["ids"]
        ]

    def page(self, description: Description, offset: int, limit: int) -> list[Found]:
        """Some records with their vectors, in the order of the store."""
        page = self._handle(description).get(
            limit=limit, offset=offset, include=["metadatas", "documents", "embeddings"]
        )
        return list(_rows(page))

    def query(
        self,
        description: Description,
        vectors: np.ndarray,
        k: int,
        *,
        where: Where | None = None,
        ids: Sequence[str] | None = None,
        with_vectors: bool = False,
    ) -> list[list[Found]]:
        """The nearest records of each query vector, best first, with their cosine similarities.

        `ids` narrows the search to records that are there: Chroma fails at others, see `existing`.
        """
        include = ["metadatas", "documents", "distances", *(["embeddings"] if with_vectors else [])]
        result = self._handle(description).query(
            query_embeddings=vectors, n_results=min(max(k, 1), MOST), where=where, ids=ids, include=include
        )
        return [
            list(
                _rows(
                    {name: values[row] for name, values in result.items() if values is not None and name != "included"}
                )
            )
            for row in range(len(result["ids"]))
        ]

    def close(self) -> None:
        """Let go of the folder; a client that was given stays open."""
        with self._guard:
            if self.folder is not None and not self._closed:
                close_client(self._client)
            self._closed = True
            self._handles.clear()

    def _read_descriptions(self, client: Any) -> None:
        found = {}
        with readable(self._place):
            collections = client.list_collections()
        for collection in collections:
            values = collection.metadata or {}
            # The whole name, not its beginning: an index without a prefix shares the client with those that have one.
            if "senseweave" in values and collection.name == collection_name(
                self.prefix, values["space"], values["modality"]
            ):
                description = Description.from_metadata(collection.name, values)
                found[description.space, description.modality] = description
        self._descriptions = found
        self._names = {one.name for one in collections}

    @property
    def _place(self) -> Any:
        return self.folder or "the Chroma client"

    def _open(self, folder: Path, lock: FolderLock, there: bool) -> Any:
        # Two processes that make one store would both create its tables. Whoever comes first has made the lock file
        # before Chroma's, and has counted no write until Chroma's is complete.
        if there and not (lock.path.is_file() and lock.generation() == 0):
            self._look(lock)
            return open_client(folder)
        with lock.held(self._timeout):
            client = open_client(folder)
            self._seen = lock.advance()
            return client

    def _look(self, lock: FolderLock) -> None:
        """Remember what a client that is opened next will have seen of others' writes."""
        self._seen = lock.generation()
        # Opened in the middle of a write, of which the end is not counted if the writer is killed.
        self._unsettled = lock.busy()

    def _has_changed(self, lock: FolderLock) -> bool:
        return lock.generation() != self._seen or (self._unsettled and not lock.busy())

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if self._lock is None:
            yield
            return
        with self._lock.held(self._timeout):
            yield

    @contextlib.contextmanager
    def _write(self) -> Iterator[Any]:
        with self._locked():
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
                self._seen = self._lock.advance()

    def _handle(self, collection: Named) -> Any:
        with self._guard:
            client = self.client
            handle = self._handles.get(collection.name)
            if handle is None:
                with readable(self._place):
                    handle = client.get_collection(collection.name, embedding_function=None)
                self._handles[collection.name] = handle
            return handle

    def _chunks(self, items: Sequence[Any]) -> Iterator[Sequence[Any]]:
        size = min(2000, int(self.client.get_max_batch_size()))
        for start in range(0, len(items), size):
            yield items[start : start + size]


def _rows(result: Mapping[str, Any]) -> Iterator[Found]:
    ids = result["ids"]
    empty: list[Any] = [None] * len(ids)

    def column(name: str) -> Sequence[Any]:
        values = result.get(name)
        return values if values is not None else empty

    rows = zip(ids, column("metadatas"), column("documents"), column("distances"), column("embeddings"), strict=True)
    for identifier, metadata, text, distance, vector in rows:
        yield Found(
            id=identifier,
            metadata=dict(metadata or {}),
            text=text,
            similarity=1.0 - float(distance) if distance is not None else 0.0,
            vector=np.asarray(vector, dtype=np.float32) if vector is not None else None,
        )
