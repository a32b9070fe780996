"""Read a Chroma database by SQLite alone, where Chroma cannot be trusted to open it or would hide what is missing."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from senseweave.errors import StoreError
from senseweave.retrieval.integrity.file_locks import PATIENCE, locked_message, wait_until_free
from senseweave.retrieval.integrity.vector_files import UnreadableError, check_graph, check_ids, read_vectors

DATABASE: Final = "chroma.sqlite3"
"""The file that every folder of a Chroma store holds."""
TABLES: Final = (
    "databases",
    "collections",
    "collection_metadata",
    "segments",
    "embeddings",
    "embedding_metadata",
    "embeddings_queue",
    "max_seq_id",
)
"""Tables without which a store cannot be read; every version of Chroma since 0.4 has them."""
ESSENTIAL: Final = TABLES[:-2]
"""Those without which nothing can be rebuilt: the last two say which vectors are not in the files yet."""
DOCUMENT: Final = "chroma:document"
"""The key under which Chroma keeps the text of a record among its metadata."""
DELETE: Final = 3
"""The operation of a queue entry that removes a record; the others may bring a vector."""


@dataclass(frozen=True)
class RawCollection:
    """A collection as the database describes it.

    Attributes:
        id: Chroma's id of the collection.
        name: Its name.
        dimension: Length of its vectors, or None before the first.
        metadata: Its metadata.
        vectors: Id of its vector segment, which is also the name of its folder.
        records: Id of its metadata segment.
        saved: Number of the last write that the vector segment's files hold, or None if there are none yet.
        place: Names of its tenant and database.
        settings: Of its vector index, as Chroma takes them: `space` (`cosine`, `l2` or `ip`) and HNSW parameters.
    """

    id: str
    name: str
    dimension: int | None
    metadata: dict[str, Any]
    vectors: str | None
    records: str | None
    saved: int | None
    place: tuple[str, str]
    settings: dict[str, Any]


@dataclass
class RawRecord:
    """A record as the database keeps it, without its vector.

    Attributes:
        id: Its id.
        text: Its text, or None.
        metadata: Flat values.
    """

    id: str
    text: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class Database:
    """An open database of Chroma, only read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Read through an open connection."""
        self._connection = connection
        self._tables = {name for (name,) in self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def missing_tables(self) -> list[str]:
        """Return the tables that a store needs and this one lacks."""
        return [name for name in TABLES if name not in self._tables]

    def is_empty(self) -> bool:
        """Return whether there is no table at all, as in a file of 0 bytes."""
        return not self._tables

    def faults(self) -> list[str]:
        """Return what SQLite's own check of the whole file finds, a line for each."""
        return [line for (line,) in self._rows("PRAGMA integrity_check(20)") if line != "ok"]

    def collections(self) -> list[RawCollection]:
        """Return all collections, senseweave's and others'."""
        found = []
        columns = {row[1] for row in self._rows("PRAGMA table_info(collections)")}
        described = [f"c.{name}" if name in columns else "NULL" for name in ("schema_str", "config_json_str")]
        listed = self._rows(
            f"SELECT c.id, c.name, c.dimension, d.tenant_id, d.name, {', '.join(described)} "  # noqa: S608
            "FROM collections c JOIN databases d ON d.id = c.database_id ORDER BY c.name"
        )
        for identifier, name, dimension, tenant, database, schema, configuration in listed:
            segments = dict(self._rows("SELECT scope, id FROM segments WHERE collection = ?", identifier))
            vectors = segments.get("VECTOR")
            saved = (
                self._rows("SELECT seq_id FROM max_seq_id WHERE segment_id = ?", vectors)
                if "max_seq_id" in self._tables
                else []
            )
            metadata = self._values(
                "SELECT key, str_value, int_value, float_value, bool_value FROM collection_metadata "
                "WHERE collection_id = ?",
                identifier,
            )
            found.append(
                RawCollection(
                    id=identifier,
                    name=name,
                    dimension=dimension,
                    metadata=metadata,
                    vectors=vectors,
                    records=segments.get("METADATA"),
                    saved=_number(saved[0][0]) if saved else None,
                    place=(tenant, database),
                    settings=_settings(schema, configuration, metadata),
                )
            )
        return found

    def count(self, collection: RawCollection) -> int:
        """Return the number of records of a collection."""
        return int(self._rows("SELECT COUNT(*) FROM embeddings WHERE segment_id = ?", collection.records)[0][0])

    def count_queued(self, collection: RawCollection) -> int:
        """Return the number of records whose vectors are in the queue and not yet in the collection's files."""
        found = self._rows(
            "SELECT COUNT(DISTINCT id) FROM embeddings_queue WHERE seq_id > ? AND topic LIKE ? AND operation != ? "
            "AND vector IS NOT NULL",
            -1 if collection.saved is None else collection.saved,
            f"%/{collection.id}",
            DELETE,
        )
        return int(found[0][0])

    def ids(self, collection: RawCollection) -> list[str]:
        """Return the ids of a collection's records, the first written first."""
        rows = self._rows("SELECT embedding_id FROM embeddings WHERE segment_id = ? ORDER BY id", collection.records)
        return [identifier for (identifier,) in rows]

    def queued(self, collection: RawCollection) -> Iterator[tuple[int, str, np.ndarray | None]]:
        """Yield what the queue holds of a collection: number of the write, id, and vector or None for a deletion."""
        if "embeddings_queue" not in self._tables:
            return
        rows = self._connection.execute(
            "SELECT seq_id, operation, id, vector, encoding FROM embeddings_queue WHERE topic LIKE ? ORDER BY seq_id",
            (f"%/{collection.id}",),
        )
        for number, operation, identifier, blob, encoding in rows:
            if operation == DELETE:
                yield _number(number), identifier, None
            elif blob is not None:
                layout = "<i4" if encoding == "INT32" else "<f4"
                yield _number(number), identifier, np.frombuffer(blob, layout).astype(np.float32)

    def records(self, collection: RawCollection) -> Iterator[RawRecord]:
        """Yield a collection's records with text and metadata, the first written first."""
        lists = self._lists(collection)
        rows = self._connection.execute(
            "SELECT e.id, e.embedding_id, m.key, m.string_value, m.int_value, m.float_value, m.bool_value "
            "FROM embeddings e LEFT JOIN embedding_metadata m ON m.id = e.id WHERE e.segment_id = ? ORDER BY e.id",
            (collection.records,),
        )
        number, record = None, RawRecord("")
        for row, identifier, key, *values in rows:
            if row != number:
                if number is not None:
                    yield record
                number, record = row, RawRecord(identifier, metadata=lists.get(row, {}))
            if key == DOCUMENT:
                record.text = values[0]
            elif key is not None:
                record.metadata[key] = _plain(*values)
        if number is not None:
            yield record

    def _lists(self, collection: RawCollection) -> dict[int, dict[str, Any]]:
        """Return the values of records that are lists, by row; senseweave writes none, other programs may."""
        found: dict[int, dict[str, Any]] = {}
        if "embedding_metadata_array" in self._tables:
            rows = self._rows(
                "SELECT e.id, m.key, m.string_value, m.int_value, m.float_value, m.bool_value FROM embeddings e "
                "JOIN embedding_metadata_array m ON m.id = e.id WHERE e.segment_id = ? ORDER BY m.rowid",
                collection.records,
            )
            for row, key, *values in rows:
                found.setdefault(row, {}).setdefault(key, []).append(_plain(*values))
        return found

    def _values(self, query: str, *given: Any) -> dict[str, Any]:
        return {key: _plain(*values) for key, *values in self._rows(query, *given)}

    def _rows(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, given).fetchall()


def check_collection(folder: Path, collection: RawCollection) -> None:
    """Check that a collection's vector files are whole.

    Raises:
        DamageError: If not.
    """
    segment, cosine = folder / str(collection.vectors), collection.settings["space"] == "cosine"
    check_ids(segment, check_graph(segment, collection.dimension, cosine=cosine))


def read_collection(folder: Path, collection: RawCollection) -> tuple[list[str], np.ndarray]:
    """Return the ids of the records that a collection's vector files hold, and their vectors.

    Raises:
        DamageError: If the vectors cannot be read.
    """
    cosine = collection.settings["space"] == "cosine"
    return read_vectors(folder / str(collection.vectors), collection.dimension, cosine=cosine)


@contextlib.contextmanager
def open_database(folder: Path) -> Iterator[Database]:
    """Open a folder's database, in one transaction, so that what is read fits together beside a writer.

    Raises:
        UnreadableError: If it cannot be read; the message says why.
        StoreError: If another program keeps it locked.
    """
    # Not "ro": what a killed process left in the journal has to be rolled back first, as Chroma does when it opens.
    mode = "rw" if os.access(folder, os.W_OK) and os.access(folder / DATABASE, os.W_OK) else "ro"
    address = f"file:{quote(os.fsencode(folder / DATABASE))}?mode={mode}"
    wait_until_free(folder / DATABASE, PATIENCE, writing=False)
    try:
        with contextlib.closing(
            sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)
        ) as connection:
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            connection.execute("BEGIN")
            yield Database(connection)
    except sqlite3.Error as error:
        if "database is locked" in str(error):
            raise StoreError(locked_message(folder, PATIENCE)) from error
        msg = f"{DATABASE} cannot be read ({error})"
        raise UnreadableError(msg) from error


def _plain(text: Any, number: Any, fraction: Any, truth: Any) -> Any:
    if truth is not None:
        return bool(truth)
    return next((value for value in (text, number, fraction) if value is not None), None)


def _settings(schema: str | None, configuration: str | None, metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a vector index from wherever the version of Chroma that made it wrote them."""
    own = {name.removeprefix("hnsw:"): value for name, value in metadata.items() if name.startswith("hnsw:")}
    settings: dict[str, Any] = {"space": own.get("space", "l2")}
    try:
        keys = json.loads(schema or "{}").get("keys", {})
        config = keys.get("#embedding", {}).get("float_list", {}).get("vector_index", {}).get("config")
        if config is not None:
            return {"space": config.get("space") or settings["space"], **(config.get("hnsw") or {})}
        known = json.loads(configuration or "{}")
        return {**settings, **(known.get("hnsw") or known.get("hnsw_configuration") or {})}
    except (ValueError, AttributeError, TypeError):
        return settings


def _number(value: Any) -> int:
    return int.from_bytes(value, "big") if isinstance(value, bytes) else int(value)
