"""Chroma as a vector store: cosine collections in a folder or on a server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.concurrency import Pool
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.chroma_connection import ChromaConnection
from senseweave.retrieval.stores.conditions import Condition
from senseweave.retrieval.stores.filters import chroma_where
from senseweave.retrieval.stores.given import checked_changes, checked_queries, checked_records
from senseweave.retrieval.stores.local_client import client_place, client_secrets, is_remote
from senseweave.retrieval.stores.pacing import WRITTEN, Pace, fitting_size
from senseweave.retrieval.stores.store_errors import ask_again, reported
from senseweave.retrieval.stores.watching import Watch

PAGE: Final = 1000
"""Records that are listed at a time."""
MOST: Final = 2**31 - 1
"""Most records to request from Chroma at once."""
CORES: Final = os.cpu_count() or 1
"""Calls to a local client that share the queries of one search at most."""
QUERIES_PER_CORE: Final = 8
"""Fewest queries of such a call: they take some milliseconds, and to hand them to a thread takes a tenth of one."""
HNSW: Final = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 400}
"""Chroma's defaults (100, 16, 100) miss some of the true nearest; benchmarks/search_latency.py prints how many."""

_ASKING: Final = Pool("senseweave-chroma", CORES, drops=False)


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
        self._connection = ChromaConnection(place, create=create, lock_timeout=lock_timeout, check=check)
        self._name = name
        self._is_sent = self.folder is None and is_remote(place)
        self._pace = Pace()
        self._described = 0
        self._watch = Watch(lambda: self.collections())

    @property
    def folder(self) -> Path | None:
        """The folder, absolute; None for a client that was given."""
        return self._connection.folder

    @property
    def place(self) -> str:
        """What errors and `info` call the store: its folder, its address, or the kind of its client."""
        return str(self.folder) if self.folder is not None else self._name or client_place(self._connection.given)

    @property
    def is_exclusive(self) -> bool:
        """Whether `writing` keeps every other index out: in a folder; clients of a server write side by side."""
        return self._connection.lock is not None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What errors do not show: keys and passwords of a client of a server."""
        return client_secrets(self._connection.given) if self.folder is None else ()

    @property
    @reported
    def version(self) -> int:
        """How often collections changed here, or the folder was opened again because another process had written.

        Of a server, how often they were seen to have changed.
        """
        version = self._connection.version + self._described
        # What one client of a server writes, another learns only by asking.
        return version if self._connection.is_closed or self.is_exclusive else version + self._watch.changes

    @property
    def client(self) -> Any:
        """The Chroma client, opened again if another process has written since.

        That of a folder is closed with the store, and after a store that is dropped.

        Raises:
            StoreError: If the store is closed, or cannot be used in this forked process.
        """
        return self._connection.client

    def writing(self) -> AbstractContextManager[None]:
        """Be the only writer to the folder; on a server, which orders writes itself, nothing is locked.

        Raises:
            StoreError: If another process keeps the lock for longer than the timeout, or the folder is read-only.
        """
        return self._connection.writing()

    @reported
    def collections(self) -> dict[str, dict[str, Any]]:
        """Return the metadata of every collection by its name."""
        return {collection.name: dict(collection.metadata or {}) for collection in self.client.list_collections()}

    @reported
    def make(self, name: str, metadata: Mapping[str, Any], dimension: int) -> dict[str, Any]:
        """Make a collection unless it is there, and return its metadata; Chroma learns the dimension by itself."""
        del dimension
        with self._connection.write() as client:
            handle = client.get_or_create_collection(
                name, metadata=dict(metadata), configuration={"hnsw": dict(HNSW)}, embedding_function=None
            )
            self._described += 1
        return dict(handle.metadata or {})

    @reported
    def save_metadata(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata of a collection."""
        with self._connection.write():
            self._connection.handle(name).modify(metadata=dict(metadata))
            self._described += 1

    @reported
    def drop(self, name: str) -> None:
        """Remove a collection with all its records."""
        with self._connection.write() as client:
            client.delete_collection(name)
            self._connection.forget(name)
            self._described += 1

    @reported
    def upsert(self, name: str, records: Sequence[Record]) -> None:
        """Write records; each replaces a record of the same id as a whole."""
        checked = checked_records(records)
        for chunk in self._chunks(checked, fitting_size(checked) if self._is_sent else WRITTEN):
            with self._connection.write():
                handle = self._connection.handle(name)
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
            with self._connection.write():
                handle = self._connection.handle(name)
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
        asked = {"n_results": min(max(k, 1), MOST), "where": chroma_where(condition), "include": include}
        # A local client answers the queries of one call one after another, and lets other threads run meanwhile.
        cores = 1 if self._is_sent else min(CORES, len(queries) // QUERIES_PER_CORE)
        own, *others = np.array_split(queries, cores) if cores > 1 else [queries]
        waiting = [_ASKING.submit_or_call(partial(self._nearest, name, part, asked)) for part in others]
        return [*self._nearest(name, own, asked), *(rows for part in waiting for rows in part.result())]

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
        return int(self._connection.handle(name).count())

    @reported
    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove records by id; ids that are not there are passed over."""
        for chunk in self._chunks(list(dict.fromkeys(ids))):
            with self._connection.write():
                handle = self._connection.handle(name)
                for part in self._pace.parts(chunk):
                    handle.delete(ids=part)

    def close(self) -> None:
        """Let go of the folder; a client that was given stays open."""
        self._connection.close()

    def _nearest(self, name: str, queries: np.ndarray, asked: Mapping[str, Any]) -> list[list[StoredRecord]]:
        """Return the records nearest to each query, asked for at once."""
        result = ask_again(lambda: self._connection.handle(name).query(query_embeddings=queries, **asked))
        columns = {column: values for column, values in result.items() if values is not None and column != "included"}
        return [_rows({column: values[at] for column, values in columns.items()}) for at in range(len(result["ids"]))]

    def _read(self, name: str, **asked: Any) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = ask_again(lambda: self._connection.handle(name).get(**asked))
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
