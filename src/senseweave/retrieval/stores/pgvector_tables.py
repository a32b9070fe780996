"""The tables of a store in PostgreSQL: one of collections, and one of records for each collection."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.types import TypeInfo

from senseweave.errors import StoreError
from senseweave.extras import require
from senseweave.retrieval.stores.pgvector_connections import Connection

FORMAT: Final = 1
"""Version of the tables; raised when older code could not read them."""
STATE: Final = "senseweave_state"
COLLECTIONS: Final = "senseweave_collections"
RECORDS: Final = "senseweave_records"
OLDEST: Final = (0, 7)
"""The first version of pgvector with `halfvec`, which indexes vectors of more than 2,000 dimensions."""
ITERATIVE: Final = (0, 8)
"""The first version whose search by an index goes on where a filter leaves too few."""
LONGEST_NAME: Final = 63
"""Bytes of a name in PostgreSQL; of a longer one it takes the beginning."""
LONGEST_VECTOR: Final = 16_000
"""Dimensions that pgvector stores."""
INDEXED_DIMENSIONS: Final = 2000
"""Dimensions that pgvector's index takes in full precision."""
HALF_DIMENSIONS: Final = 4000
"""Dimensions that it takes in half precision; of more, a search compares with every vector."""
HNSW: Final = sql.SQL("WITH (m = 16, ef_construction = 128)")
EF_SEARCH: Final = 200
"""Candidates of a search by the index; pgvector's default of 40 misses more of the true nearest."""
PAGE_BYTES: Final = 8160
"""Of a row that lies on one page of 8 kB."""
OTHER_BYTES: Final = 2040
"""Of a row besides its vector, beyond which PostgreSQL keeps the text apart; by default this includes the vector."""


@dataclass(frozen=True)
class Table:
    """The table of the records of a collection.

    Attributes:
        schema: Of the store.
        number: Of the collection.
        dimension: Of its vectors.
        indexed: Whether a search may use an index of its vectors.
    """

    schema: str
    number: int
    dimension: int
    indexed: bool

    @property
    def name(self) -> sql.Identifier:
        """The table, for a statement."""
        return sql.Identifier(self.schema, f"{RECORDS}_{self.number}")

    def index(self, suffix: str) -> str:
        """Return the name of an index of the table, which is in the same schema."""
        return f"{RECORDS}_{self.number}_{suffix}"

    @property
    def is_indexable(self) -> bool:
        """Whether pgvector can index vectors of this dimension."""
        return self.dimension <= HALF_DIMENSIONS

    @property
    def indexed_vector(self) -> sql.Composable:
        """What the index of vectors is over."""
        column = sql.SQL("embedding")
        return column if self.dimension <= INDEXED_DIMENSIONS else self.halved(column)

    def halved(self, vector: sql.Composable) -> sql.Composable:
        """Return a vector in half precision."""
        return sql.SQL("({}::halfvec({}))").format(vector, sql.Literal(self.dimension))


class Preparation:
    """What a new connection is told: the schema of the extension, its type, and how thoroughly to search."""

    def __init__(self, schema: str) -> None:
        """Prepare connections for a store in a schema."""
        self.schema = schema
        self._extension: tuple[str, tuple[int, ...]] | None = None
        self._type: TypeInfo | None = None

    def __call__(self, connection: Connection) -> None:
        """Prepare a connection.

        Raises:
            StoreError: If the database has no pgvector, or too old a version.
        """
        if self._extension is None:
            self._extension = self._find(connection)
        schema, version = self._extension
        settings = {"search_path": sql.Identifier(schema).as_string(connection), "hnsw.ef_search": str(EF_SEARCH)}
        if version >= ITERATIVE:
            settings["hnsw.iterative_scan"] = "relaxed_order"
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        if self._type is None:
            self._type = TypeInfo.fetch(connection, "vector")
        require("pgvector.psycopg.vector", extra="pgvector").register_vector_info(connection, self._type)

    def _find(self, connection: Connection) -> tuple[str, tuple[int, ...]]:
        """Return the schema and the version of pgvector, which is added to the database if it is missing."""
        found = _extension(connection)
        if found is None:
            try:
                with connection.transaction():
                    _lock_database(connection)
                    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            except psycopg.Error as error:
                msg = (
                    f"the database has no extension 'vector', and it cannot be added ({error.diag.message_primary}); "
                    "install pgvector on the server, and run CREATE EXTENSION vector as a superuser"
                )
                raise StoreError(msg) from error
            found = _extension(connection)
        assert found is not None
        schema, text = found
        version = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
        if version < OLDEST:
            msg = (
                f"pgvector {text} is too old: a store takes {'.'.join(map(str, OLDEST))} or newer; upgrade it on the "
                "server, and run ALTER EXTENSION vector UPDATE"
            )
            raise StoreError(msg)
        return schema, version


def check_schema(schema: str) -> str:
    """Return the name of a schema after checking that PostgreSQL takes it as it is.

    Raises:
        ValueError: If it does not.
    """
    if not isinstance(schema, str) or not schema or "\0" in schema or len(schema.encode()) > LONGEST_NAME:
        msg = f"schema must be a name of 1 to {LONGEST_NAME} bytes, not {schema!r:.80}"
        raise ValueError(msg)
    return schema


def make_tables(connection: Connection, schema: str) -> None:
    """Make the table of collections unless it is there; several processes may do so at once.

    Raises:
        StoreError: If a newer version of senseweave made it.
    """
    if not _has_tables(connection, schema):
        with connection.transaction():
            _lock_database(connection)
            if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchone():
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
            if not _has_tables(connection, schema):
                _make_tables(connection, schema)
    row = connection.execute(sql.SQL("SELECT format FROM {}").format(sql.Identifier(schema, STATE))).fetchone()
    if row is not None and row[0] > FORMAT:
        msg = (
            f"schema {schema!r} was written by a newer senseweave (format {row[0]}; this version reads up to "
            f"{FORMAT}); upgrade senseweave"
        )
        raise StoreError(msg)


def make_table(connection: Connection, table: Table) -> None:
    """Make the table of the records of a new collection.

    Raises:
        ValueError: If pgvector does not store vectors of its dimension.
    """
    if not 1 <= table.dimension <= LONGEST_VECTOR:
        msg = f"pgvector stores vectors of 1 to {LONGEST_VECTOR:,} dimensions, not {table.dimension:,}"
        raise ValueError(msg)
    inline = min(PAGE_BYTES, 4 * table.dimension + OTHER_BYTES)
    connection.execute(
        sql.SQL(
            'CREATE TABLE {} (id text COLLATE "C" PRIMARY KEY, long_id text, embedding vector({}) NOT NULL, '
            "document text, metadata jsonb NOT NULL) WITH (toast_tuple_target = {})"
        ).format(table.name, sql.Literal(table.dimension), sql.Literal(inline))
    )
    # Vectors stay in their rows, where a comparison with all of them finds them without a second look-up.
    connection.execute(sql.SQL("ALTER TABLE {} ALTER COLUMN embedding SET STORAGE MAIN").format(table.name))
    for field in ("sha256", "source"):
        connection.execute(
            sql.SQL("CREATE INDEX {} ON {} USING hash ((metadata -> {}))").format(
                sql.Identifier(table.index(field)), table.name, sql.Literal(field)
            )
        )


def is_due(connection: Connection, table: Table, least: int) -> bool:
    """Return whether a collection has no index of its vectors, can have one, and has at least so many records."""
    if table.indexed or not table.is_indexable:
        return False
    query = sql.SQL("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT %s) AS counted").format(table.name)
    (number,) = connection.execute(query, [least]).fetchone() or (0,)
    return bool(number >= least)


def note_indexes(connection: Connection, table: Table) -> None:
    """Let searches use the indexes of a collection."""
    collections = sql.Identifier(table.schema, COLLECTIONS)
    query = sql.SQL("UPDATE {} SET indexed = true WHERE number = %s").format(collections)
    connection.execute(query, [table.number])


def make_indexes(connection: Connection, table: Table) -> bool:
    """Index the vectors and the metadata of a collection while others read and write; returns whether it did.

    Nothing is done where another process makes indexes in this schema: two at a time may wait for each other.
    """
    with _held(connection, f"senseweave indexes {table.schema}") as held:
        if held:
            vector = sql.SQL("USING hnsw ({} {}) {}").format(
                table.indexed_vector,
                sql.SQL("vector_cosine_ops" if table.dimension <= INDEXED_DIMENSIONS else "halfvec_cosine_ops"),
                HNSW,
            )
            _make_index(connection, table, "metadata", sql.SQL("USING gin (metadata jsonb_path_ops)"))
            _make_index(connection, table, "embedding", vector)
            connection.execute(sql.SQL("ANALYZE {}").format(table.name))
        return held


def make_word_index(connection: Connection, table: Table, definition: sql.Composable) -> bool:
    """Index the words of the texts of a collection while others read and write; returns whether it did."""
    with _held(connection, f"senseweave indexes {table.schema}") as held:
        if held:
            _make_index(connection, table, "words", definition)
        return held


def _make_index(connection: Connection, table: Table, suffix: str, definition: sql.Composable) -> None:
    name = table.index(suffix)
    found = connection.execute(
        "SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
        [table.schema, name],
    ).fetchone()
    if found is not None and found[0]:
        return
    if found is not None:  # its making was interrupted
        connection.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(table.schema, name)))
    connection.execute(
        sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} {}").format(sql.Identifier(name), table.name, definition)
    )


@contextlib.contextmanager
def _held(connection: Connection, lock: str) -> Iterator[bool]:
    """Hold a lock of the database, unless another session does; it ends with the session at the latest."""
    number = _lock_number(lock)
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [number]).fetchone()
    held = bool(row and row[0])
    try:
        yield held
    finally:
        if held and not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", [number])


def _lock_database(connection: Connection) -> None:
    """Keep other processes that make schemas and tables out until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_lock_number("senseweave tables")])


def _lock_number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _extension(connection: Connection) -> Any:
    return connection.execute(
        "SELECT n.nspname, e.extversion FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace "
        "WHERE e.extname = 'vector'"
    ).fetchone()


def _has_tables(connection: Connection, schema: str) -> bool:
    query = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = %s"
    return connection.execute(query, [schema, STATE]).fetchone() is not None


def _make_tables(connection: Connection, schema: str) -> None:
    connection.execute(
        sql.SQL(
            'CREATE TABLE {} (name text COLLATE "C" PRIMARY KEY, long_name text, number bigint NOT NULL UNIQUE '
            "GENERATED ALWAYS AS IDENTITY, dimension integer NOT NULL, metadata jsonb NOT NULL, "
            "indexed boolean NOT NULL DEFAULT false)"
        ).format(sql.Identifier(schema, COLLECTIONS))
    )
    state = sql.Identifier(schema, STATE)
    connection.execute(sql.SQL("CREATE TABLE {} (format integer NOT NULL, version bigint NOT NULL)").format(state))
    connection.execute(sql.SQL("INSERT INTO {} VALUES (%s, 0)").format(state), [FORMAT])
