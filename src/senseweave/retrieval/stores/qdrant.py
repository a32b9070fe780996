"""Qdrant as a vector store: cosine collections on a server or cluster, in a local folder, or in memory."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from senseweave.errors import StoreError
from senseweave.forking import RLock, abandon, call_in_child
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import SparseRow, StoredRecord
from senseweave.retrieval.stores.conditions import Condition, matches
from senseweave.retrieval.stores.given import check_vectors, checked_changes, checked_queries, checked_records
from senseweave.retrieval.stores.qdrant_errors import explain_qdrant
from senseweave.retrieval.stores.qdrant_filters import QdrantFilters
from senseweave.retrieval.stores.qdrant_places import Place, write_ahead
from senseweave.retrieval.stores.qdrant_points import (
    DEFAULT_INDEXES,
    change_operations,
    field_path,
    parts_by_size,
    point_id,
    read_point,
    write_point,
)
from senseweave.retrieval.stores.qdrant_reading import PAGE, QdrantReader
from senseweave.retrieval.stores.qdrant_sparse import QdrantSparse, sparse_config
from senseweave.retrieval.stores.qdrant_tokens import TOKENS, QdrantTokens
from senseweave.retrieval.stores.store_errors import readable, reported
from senseweave.retrieval.stores.watching import Watch

QUERIES: Final = 100
"""Query vectors of one request."""
COUNTED_FROM: Final = 10_000
"""A search for more records than this asks for their number first: a server makes room for all that it is asked for."""
DESCRIPTION: Final = "senseweave"
"""The name in a collection's own metadata, under which ours are, as JSON: Qdrant merges names and replaces values."""
LINKS: Final = 32
EF_CONSTRUCTION: Final = 200
EF_SEARCH: Final = 400
"""Twice Qdrant's default of links, and more candidates: the same numbers as for Chroma, where they were measured."""


class QdrantStore:
    """Collections of a Qdrant server, cluster, folder or client.

    A server orders writes itself, so that any number of processes write at once. A folder is Qdrant's local mode: it
    serves one process, compares a query with every vector, and is meant for up to 20,000 records.
    """

    folder = None
    explain = staticmethod(explain_qdrant)

    def __init__(
        self,
        place: Any,
        *,
        api_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        indexed: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        keeps_tokens: bool = False,
    ) -> None:
        """Open a place; a server is first asked when it is needed.

        Args:
            place: The URL or address of a server (port 6333 where it names none), a folder, `:memory:`, or an open
                `QdrantClient`.
            api_key: Key of the server. It is never shown or stored.
            headers: Further headers for a server, for example of a proxy in front of it. Never shown either.
            timeout: Seconds that one request to a server may take.
            indexed: Metadata of yours that a server indexes for filters, each with its type: `keyword`, `integer`,
                `float` or `bool`. What is `integer` is compared with whole numbers alone.
            options: Further arguments of `QdrantClient.create_collection`, for example
                `{"shard_number": 6, "replication_factor": 2}`.
            keeps_tokens: Whether searches that rerank by a multi-vector model keep its vectors of the records that they
                reach, in collections beside: 2 bytes for each number, or 77 kB for 300 tokens of 128 dimensions.

        Raises:
            ValueError: If the place or a type is none of these, or a URL holds a password.
            StoreError: If a folder is open elsewhere, damaged, not Qdrant's, or holds what could run code.
        """
        self._place = Place(place, api_key=api_key, headers=headers, timeout=timeout)
        self._filters = QdrantFilters(indexed or {})
        self._indexes = {**DEFAULT_INDEXES, **self._filters.types}
        self._options = dict(options or {})
        self.keeps_tokens = keeps_tokens
        self._tokens = QdrantTokens(self._ask, self._create)
        self._sparse = QdrantSparse(self._ask)
        self._guard = RLock()
        self._writing = RLock()
        self._watch = Watch(lambda: self.collections())
        self._described = 0
        if self._place.is_local:
            self.writes = 0
        self._reader = QdrantReader(self._ask, self._filters)
        self._indexed: set[str] = set()
        self._foreign: set[str] = set()
        self._closed = False
        self._forked = False
        with readable(self.place, lambda: self.secrets, explain_qdrant):
            self._client = self._place.open()
        call_in_child(self._leave_to_parent)

    @property
    def place(self) -> str:
        """What errors and `info` call the store: its folder or URL."""
        return self._place.name

    @property
    def secrets(self) -> tuple[str, ...]:
        """What errors do not show: the key and the headers that go to a server."""
        return self._place.secrets

    @property
    def keeps_sparse(self) -> bool:
        """Whether an index keeps sparse vectors in the store: everywhere but in memory, where they are found slower."""
        return self._place.lasts

    @property
    def is_exclusive(self) -> bool:
        """Whether `writing` keeps every other writer out: in a folder; clients of a server write side by side."""
        return self._place.is_local

    @property
    @reported
    def version(self) -> int:
        """How often collections changed here and, of a server, were seen to have changed."""
        return self._described + (0 if self._place.is_local or self._closed else self._watch.changes)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer to a folder; on a server, which orders writes itself, nothing is locked."""
        with self._writing if self._place.is_local else contextlib.nullcontext():
            yield

    @reported
    def collections(self) -> dict[str, dict[str, Any]]:
        """Return the metadata of every collection by its name."""
        names = {found.name for found in self._ask("get_collections").collections}
        self._foreign &= names
        described = {name: self._metadata(name) for name in sorted(names - self._foreign)}
        # Others' are not asked about again, as long as they are there: each costs a request.
        self._foreign |= {name for name, metadata in described.items() if metadata is None}
        return {name: described.get(name) or {} for name in sorted(names)}

    @reported
    def make(self, name: str, metadata: Mapping[str, Any], dimension: int) -> dict[str, Any]:
        """Make a collection unless it is there, and return its metadata.

        Raises:
            StoreError: If the server keeps no metadata with a collection, as before Qdrant 1.16.
        """
        return self._make(name, metadata, _vectors(dimension))

    @reported
    def make_sparse(self, name: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Make a collection for sparse vectors unless it is there, and return its metadata; see `make`."""
        return self._make(name, metadata, {}, sparse_vectors_config=sparse_config())

    def _make(self, name: str, metadata: Mapping[str, Any], vectors: Any, **more: Any) -> dict[str, Any]:
        self._foreign.discard(name)
        made = not self._ask("collection_exists", collection_name=name) and self._create(
            name, metadata, vectors, **more
        )
        self._described += made
        kept = self._metadata(name)
        if made and kept is None:
            self._ask("delete_collection", collection_name=name)
            msg = f"{self.place}: this server keeps no metadata with a collection; Qdrant does from version 1.16 on"
            raise StoreError(msg)
        return kept or {}

    @reported
    def save_metadata(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata of a collection."""
        self._ask("update_collection", collection_name=name, metadata={DESCRIPTION: json.dumps(dict(metadata))})
        self._described += 1

    @reported
    def drop(self, name: str) -> None:
        """Remove a collection with all its records, and with their token vectors."""
        self._metadata(name)  # a collection that is gone is told
        for beside in self._tokens.names(name):
            if (self._metadata(beside) or {}).get("holds") == TOKENS:
                self._ask("delete_collection", collection_name=beside)
                self._tokens.forget(beside)
        self._ask("delete_collection", collection_name=name)
        self._described += 1
        self._has_written(name)
        self._indexed.discard(name)

    @reported
    def upsert(self, name: str, records: Sequence[Record]) -> None:
        """Write records; each replaces a record of the same id as a whole.

        Raises:
            ValueError: If a store cannot hold one of them.
        """
        checked = checked_records(records)
        self._index_fields(name)
        for part in parts_by_size(checked):
            self._ask("upsert", collection_name=name, points=[write_point(record) for record in part], wait=True)
            self._has_written(name)
        self._tokens.delete(name, [record.id for record in checked])

    @reported
    def update_metadata(self, name: str, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change metadata of records by id; a value of None removes a name."""
        checked = checked_changes(changes)
        there = [record.id for record in self._reader.by_id(name, list(checked))]
        for start in range(0, len(there), PAGE):
            operations = [
                operation
                for identifier in there[start : start + PAGE]
                for operation in change_operations(identifier, checked[identifier], by_filter=not self._place.is_local)
            ]
            if operations:
                self._ask("batch_update_points", collection_name=name, update_operations=operations, wait=True)
                self._has_written(name)

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
        """Return records by id, in the order of the ids, or by condition, in the order of Qdrant's own ids."""
        if ids is None:
            return self._reader.page(name, condition, limit, offset, vectors=vectors)
        found = [
            record
            for record in self._reader.by_id(name, list(dict.fromkeys(ids)), vectors=vectors)
            if matches(condition, record.metadata)
        ]
        return found[offset : None if limit is None else offset + limit]

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
        from qdrant_client import models

        most = max(k, 1) if k <= COUNTED_FROM else max(1, min(k, self.count(name)))
        asked: dict[str, Any] = {
            "filter": self._filters.translate(condition),
            "limit": most,
            "with_payload": True,
            "with_vector": with_vectors,
        }
        if not self._place.is_local:
            asked["params"] = models.SearchParams(hnsw_ef=EF_SEARCH)
        rows = checked_queries(vectors).tolist()
        answers = [
            answer
            for start in range(0, len(rows), QUERIES)
            for answer in self._ask(
                "query_batch_points",
                collection_name=name,
                requests=[models.QueryRequest(query=row, **asked) for row in rows[start : start + QUERIES]],
            )
        ]
        return [[read_point(point, point.score) for point in answer.points] for answer in answers]

    @reported
    def count(self, name: str) -> int:
        """Return the number of records of a collection."""
        return int(self._ask("count", collection_name=name, exact=True).count)

    @reported
    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove records by id; ids that are not there are passed over."""
        points = list(map(point_id, ids))
        for start in range(0, len(points), PAGE):
            part = points[start : start + PAGE]
            self._ask("delete", collection_name=name, points_selector=part, wait=True)
            self._has_written(name)
        self._tokens.delete(name, ids)

    @reported
    def save_tokens(self, name: str, fingerprint: str, records: Sequence[Record]) -> None:
        """Write token vectors of records for a model; what is larger than Qdrant takes is left out."""
        check_vectors(records)
        self._tokens.save(name, fingerprint, records)

    @reported
    def compare_tokens(self, name: str, fingerprint: str, query: np.ndarray, ids: Sequence[str]) -> list[StoredRecord]:
        """Return those of some records that have token vectors of a model, with their MaxSim as `similarity`."""
        return self._tokens.compare(name, fingerprint, query, ids)

    @reported
    def save_sparse(self, name: str, rows: Sequence[SparseRow]) -> None:
        """Write sparse vectors; each replaces one of the same id as a whole."""
        self._sparse.save(name, rows)
        self._reader.forget(name)

    @reported
    def find_sparse(self, name: str, terms: np.ndarray, weights: np.ndarray, k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` rows with the greatest dot product with a query, each with it, greatest first."""
        return self._sparse.find(name, terms, weights, k)

    @reported
    def sample_sparse(self, name: str, limit: int) -> list[SparseRow]:
        """Return at most `limit` sparse vectors, of which any is as likely as any other."""
        return self._sparse.sample(name, limit)

    def close(self) -> None:
        """Let go of the folder or the connections; a client that was given stays open."""
        with self._guard:
            if not self._closed and not self._forked and self._place.opened_here:
                self._client.close()
            self._closed = True

    def __repr__(self) -> str:
        return f"QdrantStore({self.place!r})"

    def _ask(self, method: str, **arguments: Any) -> Any:
        """Call a method of the client: one call at a time for a local one, which no thread protects but this lock."""
        if not self._place.is_local:
            return getattr(self._usable_client(), method)(**arguments)
        with self._guard, warnings.catch_warnings():
            # Qdrant's own word that 20,000 records are many; the documentation says so.
            warnings.filterwarnings("ignore", "Local mode is not recommended", UserWarning)
            return getattr(self._usable_client(), method)(**arguments)

    def _has_written(self, name: str) -> None:
        if self._place.is_local:
            with self._guard:
                self.writes += 1
        self._reader.forget(name)

    def _usable_client(self) -> Any:
        if self._closed:
            msg = f"{self.place}: this store is closed"
            raise StoreError(msg)
        if self._forked:
            with self._guard:
                if self._forked:
                    self._client = self._place.open_in_child()
                    self._forked = False
        return self._client

    def _leave_to_parent(self) -> None:
        abandon(self._client)  # closing it would release the parent's lock of the folder
        self._forked = True

    def _create(self, name: str, metadata: Mapping[str, Any], vectors: Any, **more: Any) -> bool:
        """Create a collection for vectors as described; return True, or False if another process was faster."""
        from qdrant_client import models

        try:
            self._ask(
                "create_collection",
                collection_name=name,
                vectors_config=vectors,
                metadata={DESCRIPTION: json.dumps(dict(metadata))},
                **{
                    "hnsw_config": models.HnswConfigDiff(m=LINKS, ef_construct=EF_CONSTRUCTION),
                    **self._options,
                    **more,
                },
            )
        except Exception:
            if self._ask("collection_exists", collection_name=name):
                return False
            raise
        if self._place.path is not None:
            write_ahead(self._place.path, name)
        return True

    def _metadata(self, name: str) -> dict[str, Any] | None:
        """Return the metadata of a collection, or None where there are none of ours."""
        kept = (self._ask("get_collection", collection_name=name).config.metadata or {}).get(DESCRIPTION)
        metadata = json.loads(kept) if isinstance(kept, str) else None
        return metadata if isinstance(metadata, dict) else None

    def _index_fields(self, name: str) -> None:
        """Let a server index what filters ask for, before the first write of this process to a collection."""
        if self._place.is_local or name in self._indexed:
            return
        for field, kind in self._indexes.items():
            self._ask(
                "create_payload_index", collection_name=name, field_name=field_path(field), field_schema=kind, wait=True
            )
        self._indexed.add(name)


def _vectors(dimension: int) -> Any:
    from qdrant_client import models

    return models.VectorParams(size=dimension, distance=models.Distance.COSINE)
