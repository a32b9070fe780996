"""PostgreSQL with pgvector as a vector store: cosine collections in a database that any number of processes share."""

from __future__ import annotations

import contextlib
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, LiteralString, TypeVar

import numpy as np
import psycopg
from psycopg import sql

from senseweave.errors import StoreError
from senseweave.forking import Lock
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.conditions import Condition
from senseweave.retrieval.stores.given import check_vectors, checked_queries
from senseweave.retrieval.stores.pgvector_connections import Address, Connection, Database
from senseweave.retrieval.stores.pgvector_queries import (
    PageEnds,
    delete_rows,
    list_rows,
    nearest_rows,
    update_rows,
    write_rows,
)
from senseweave.retrieval.stores.pgvector_tables import (
    COLLECTIONS,
    STATE,
    Preparation,
    Table,
    check_schema,
    is_due,
    make_indexes,
    make_table,
    make_tables,
    note_indexes,
)
from senseweave.retrieval.stores.pgvector_values import from_json, long_id, make_key, make_row, read_id, to_json
from senseweave.retrieval.stores.pgvector_words import find_texts, index_texts
from senseweave.retrieval.stores.store_errors import readable, reported

T = TypeVar("T")

CONNECTIONS: Final = 8
"""Connections of a store at most; a server takes 100 by default, of all processes together."""
EXACT_BELOW: Final = 10_000
"""Records of a collection up to which a query is compared with every vector, which takes some milliseconds."""
SEEN_WITHIN: Final = 0.1
"""Seconds after which a collection that another process made or described anew is seen."""
SHOWN: Final = 80
"""Characters of the name of a collection in a warning."""


class PgVectorStore:
    """Collections in a PostgreSQL database. Processes and threads read and write side by side.

    Each method is one transaction: a process that is killed leaves all of its last call or nothing. Nobody is kept
    out while an index is written to, and `writing` locks nothing.
    """

    folder = None

    def __init__(
        self,
        url: str,
        *,
        schema: str = "senseweave",
        connections: int = CONNECTIONS,
        exact_below: int = EXACT_BELOW,
    ) -> None:
        """Connect to a database, and make the tables unless they are there.

        Args:
            url: `postgresql://user:password@host:5432/database`; a password may also be in `PGPASSWORD` or `~/.pgpass`.
            schema: Of the tables; stores in other schemas know nothing of each other.
            connections: At most so many at a time; threads that need a further one wait.
            exact_below: Collections of fewer records are searched exactly. Larger ones get an index (HNSW), which is
                made when a call that wrote into them ends.

        Raises:
            StoreError: If the server does not answer, refuses the login, or has no pgvector.
            ValueError: If the schema is not a valid name.
        """
        self.schema = check_schema(schema)
        if isinstance(connections, bool) or not isinstance(connections, int) or connections < 1:
            msg = f"connections must be a number from 1, not {connections!r:.80}"
            raise ValueError(msg)
        self._database = Database(Address(url), connections, Preparation(schema))
        self._exact_below = exact_below
        self._guard = Lock()
        self._tables: dict[str, Table] = {}
        self._searchable: set[str] = set()
        self._ends = PageEnds()
        self._version = 0
        self._seen = -1
        self._looked = 0.0
        self._thread = threading.local()
        with readable(self.place, lambda: self.secrets):
            self._database.run(lambda connection: make_tables(connection, schema), patient=False)
            self._look()

    @property
    def place(self) -> str:
        """What errors and `info` call the store: server, database and schema, without user and password."""
        return f"postgresql://{self._database.address.place} (schema {self.schema})"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What errors do not show: the password."""
        return self._database.address.secrets

    @property
    @reported
    def version(self) -> int:
        """How often collections were seen to have been made, described or removed, by others up to 0.1 s late."""
        if not self._database.is_closed and time.monotonic() - self._looked > SEEN_WITHIN:
            self._look()
        return self._version

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection inside a transaction, for what others keep beside the records; see `table`.

        Texts, ids and metadata are escaped by `pgvector_values.escape` where they hold NUL characters. Call no other
        method of the store meanwhile: making an index would wait for this transaction.
        """
        with readable(self.place, lambda: self.secrets), self._database.transaction() as connection:
            yield connection

    @reported
    def table(self, name: str) -> Table:
        """Return the table of the records of a collection."""
        return self._database.run(lambda connection: self._table(connection, name))

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Lock nobody out, and make the indexes of collections that have become large when the outermost call ends."""
        outermost = not hasattr(self._thread, "written")
        if outermost:
            self._thread.written = set()
        try:
            yield
        except BaseException:
            if outermost:
                del self._thread.written
            raise
        if outermost:
            written = self._thread.written
            del self._thread.written
            for name in sorted(written):
                self._index_if_large(name)

    @reported
    def collections(self) -> dict[str, dict[str, Any]]:
        """Return the metadata of every collection by its name."""
        query = self._sql("SELECT name, long_name, metadata FROM {} ORDER BY number", COLLECTIONS)
        rows = self._database.run(lambda connection: connection.execute(query).fetchall())
        return {read_id(key, long): from_json(values) for key, long, values in rows}

    @reported
    def make(self, name: str, metadata: Mapping[str, Any], dimension: int) -> dict[str, Any]:
        """Make a collection for vectors of a dimension unless it is there, and return its metadata."""
        key = make_key(name)
        values = [key, long_id(name, key), dimension, to_json(metadata)]
        known = self._sql("SELECT metadata FROM {} WHERE name = %s", COLLECTIONS)
        insert = self._sql(
            "INSERT INTO {} (name, long_name, dimension, metadata) VALUES (%s, %s, %s, %s::jsonb) "
            "ON CONFLICT (name) DO NOTHING RETURNING number",
            COLLECTIONS,
        )

        def make(connection: Connection) -> tuple[dict[str, Any], int | None]:
            found = connection.execute(known, [key]).fetchone()
            version = None
            if found is None and (made := connection.execute(insert, values).fetchone()) is not None:
                make_table(connection, Table(self.schema, made[0], dimension, indexed=False))
                version = self._count_change(connection)
            if found is None:
                found = connection.execute(known, [key]).fetchone()
            assert found is not None
            return from_json(found[0]), version

        stored, version = self._database.run(make, transaction=True)
        self._changed(version)
        return stored

    @reported
    def save_metadata(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata of a collection."""
        update = self._sql("UPDATE {} SET metadata = %s::jsonb WHERE name = %s", COLLECTIONS)
        values = [to_json(metadata), make_key(name)]

        def save(connection: Connection) -> int:
            if not connection.execute(update, values).rowcount:
                raise _missing(name)
            return self._count_change(connection)

        self._changed(self._database.run(save, transaction=True))

    @reported
    def drop(self, name: str) -> None:
        """Remove a collection with all its records."""
        delete = self._sql("DELETE FROM {} WHERE name = %s RETURNING number, dimension", COLLECTIONS)

        def drop(connection: Connection) -> int:
            found = connection.execute(delete, [make_key(name)]).fetchone()
            if found is None:
                raise _missing(name)
            table = Table(self.schema, found[0], found[1], indexed=False)
            connection.execute(sql.SQL("DROP TABLE {}").format(table.name))
            return self._count_change(connection)

        self._changed(self._database.run(drop, transaction=True))
        self._tables.pop(name, None)
        self._searchable.discard(name)
        self._ends.forget(name)

    @reported
    def upsert(self, name: str, records: Sequence[Record]) -> None:
        """Write records; each replaces a record of the same id as a whole."""
        check_vectors(records)
        rows = {row.key: row for row in map(make_row, records)}
        # In one order, so that two writers never wait for each other.
        ordered = [rows[key] for key in sorted(rows)]
        self._write(name, lambda connection, table: write_rows(connection, table, ordered))
        if (waiting := getattr(self._thread, "written", None)) is not None:
            waiting.add(name)
        else:
            self._index_if_large(name)

    @reported
    def update_metadata(self, name: str, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change metadata of records by id; a value of None removes a name."""
        values = sorted((make_key(identifier), to_json(change)) for identifier, change in changes.items())
        self._write(name, lambda connection, table: update_rows(connection, table, values))

    @reported
    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove records by id; ids that are not there are passed over."""
        keys = sorted({make_key(identifier) for identifier in ids})
        self._write(name, lambda connection, table: delete_rows(connection, table, keys))

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
        """Return records by id or by condition, or all of them, in the order of the bytes of their ids."""
        keys = None if ids is None else [make_key(identifier) for identifier in ids]

        def read(connection: Connection, table: Table) -> list[StoredRecord]:
            after = self._ends.take(name, condition, offset) if keys is None and offset else None
            found, last = list_rows(
                connection, table, keys, condition, limit=limit, offset=offset, after=after, vectors=vectors
            )
            if keys is None and last is not None and len(found) == limit:
                self._ends.note(name, condition, offset + limit, last)
            return found

        return self._read(name, read)

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
        """Return the `k` records nearest to each row of `vectors`, nearest first.

        A collection that is too small for an index is searched exactly, and so is one whose index gives fewer than
        `k` records: a filter loses none.
        """
        queries = checked_queries(vectors)
        return self._read(
            name,
            lambda connection, table: nearest_rows(connection, table, queries, k, condition, with_vectors=with_vectors),
        )

    @reported
    def find_words(self, name: str, words: Sequence[str], limit: int, *, is_prefix: bool = False) -> list[str]:
        """Return the ids of records whose text holds words that follow each other, by an index made at the first."""
        if name not in self._searchable and self._read(name, self._index_texts):
            self._searchable.add(name)
        return self._read(
            name, lambda connection, table: find_texts(connection, table, words, limit, is_prefix=is_prefix)
        )

    @reported
    def count(self, name: str) -> int:
        """Return the number of records of a collection."""

        def count(connection: Connection, table: Table) -> int:
            (number,) = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table.name)).fetchone() or (0,)
            return int(number)

        return self._read(name, count)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def __repr__(self) -> str:
        return f"PgVectorStore({self.place!r})"

    def _read(self, name: str, work: Callable[[Connection, Table], T], *, transaction: bool = False) -> T:
        def read(connection: Connection) -> T:
            return work(connection, self._table(connection, name))

        try:
            return self._database.run(read, transaction=transaction)
        except psycopg.errors.UndefinedTable:
            # Another process removed the collection, and may have made it again.
            if self._tables.pop(name, None) is None:
                raise
        return self._database.run(read, transaction=transaction)

    def _write(self, name: str, work: Callable[[Connection, Table], None]) -> None:
        self._read(name, work, transaction=True)
        self._ends.forget(name)

    def _table(self, connection: Connection, name: str) -> Table:
        if (table := self._tables.get(name)) is not None:
            return table
        query = self._sql("SELECT number, dimension, indexed FROM {} WHERE name = %s", COLLECTIONS)
        found = connection.execute(query, [make_key(name)]).fetchone()
        if found is None:
            raise _missing(name)
        table = self._tables[name] = Table(self.schema, *found)
        return table

    def _index_if_large(self, name: str) -> None:
        """Index a collection that is too large to be compared with as a whole."""

        def find_due(connection: Connection, table: Table) -> Table | None:
            return table if is_due(connection, table, self._exact_below) else None

        def note(connection: Connection, table: Table) -> int:
            note_indexes(connection, table)
            return self._count_change(connection)

        table = self._read(name, find_due)
        try:
            made = table is not None and self._database.run(lambda connection: make_indexes(connection, table))
        except psycopg.Error as error:
            warnings.warn(
                f"{self.place}: the index of collection {name[:SHOWN]!r} could not be made "
                f"({error.diag.message_primary}); all records are there and searches compare with each of them; the "
                "next write tries again",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            if table is not None and made:
                self._changed(self._database.run(lambda connection: note(connection, table), transaction=True))
                self._tables.pop(name, None)

    def _index_texts(self, connection: Connection, table: Table) -> bool:
        """Return whether the words of a collection are indexed, or can only be read as they are."""
        try:
            return index_texts(connection, table)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
            return True  # they are found all the same, more slowly

    def _sql(self, text: LiteralString, table: str) -> sql.Composed:
        """Return a statement about a table of the store."""
        return sql.SQL(text).format(sql.Identifier(self.schema, table))

    def _look(self) -> None:
        """See whether others changed collections, and if so, look their tables up again."""
        query = self._sql("SELECT version FROM {}", STATE)
        (version,) = self._database.run(lambda connection: connection.execute(query).fetchone()) or (0,)
        with self._guard:
            if version != self._seen:
                self._seen = version
                self._version += 1
                self._tables.clear()
            self._looked = time.monotonic()

    def _count_change(self, connection: Connection) -> int:
        """Count a change of collections and return the new number; others wait until the transaction ends."""
        query = self._sql("UPDATE {} SET version = version + 1 RETURNING version", STATE)
        (version,) = connection.execute(query).fetchone() or (0,)
        return int(version)

    def _changed(self, version: int | None) -> None:
        """Count a change of this store, which is seen with it unless others changed something before."""
        with self._guard:
            if version is not None:
                self._version += 1
            if version == self._seen + 1:
                self._seen = version


def _missing(name: str) -> StoreError:
    return StoreError(f"the store has no collection {name[:SHOWN]!r}; open the index again")
