"""Statements over the table of one collection: writing, listing and searching records."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from psycopg import sql

from senseweave.forking import Lock
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.conditions import Condition
from senseweave.retrieval.stores.pgvector_conditions import to_sql
from senseweave.retrieval.stores.pgvector_connections import Connection
from senseweave.retrieval.stores.pgvector_tables import INDEXED_DIMENSIONS, Table
from senseweave.retrieval.stores.pgvector_values import Row, from_json, read_id, unescape

BATCH: Final = 500
"""Rows of one statement at most."""
BATCH_BYTES: Final = 8 * 2**20
"""Bytes of the rows of one statement, about, unless a single one has more."""
MOST_BY_INDEX: Final = 5000
"""Neighbors that are looked for by an index; of more, a query is compared with every vector."""
HALF_FACTOR: Final = 2
"""Times `k` records that are taken from an index in half precision, and ranked in full precision."""
PAGE_AGE: Final = 5.0
"""Seconds for which the end of a page is remembered, so that the next page begins there without counting."""
PAGES: Final = 64
"""Listings whose pages are remembered at a time."""


def write_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Write rows, of which each replaces a row of the same key."""
    statement = sql.SQL(
        "INSERT INTO {} (id, long_id, embedding, document, metadata) "
        "SELECT key, long_id, embedding, document, metadata::jsonb FROM unnest(%s::text[], %s::text[], %b::vector[], "
        "%s::text[], %s::text[]) AS written (key, long_id, embedding, document, metadata) "
        "ON CONFLICT (id) DO UPDATE SET embedding = EXCLUDED.embedding, document = EXCLUDED.document, "
        "metadata = EXCLUDED.metadata"
    ).format(table.name)
    for batch in _batches(rows):
        columns = [
            [row.key for row in batch],
            [row.long_id for row in batch],
            [row.vector for row in batch],
            [row.text for row in batch],
            [row.metadata for row in batch],
        ]
        connection.execute(statement, columns)


def update_rows(connection: Connection, table: Table, changes: Sequence[tuple[str, str]]) -> None:
    """Merge changes, pairs of a key and JSON in whose place null removes a name, into the metadata of rows."""
    statement = sql.SQL(
        "UPDATE {table} AS stored SET metadata = jsonb_strip_nulls(stored.metadata || locked.change) FROM ("
        "SELECT stored.id, changed.change::jsonb AS change FROM unnest(%s::text[], %s::text[]) "
        "AS changed (id, change) JOIN {table} AS stored USING (id) ORDER BY stored.id FOR UPDATE OF stored"
        ") AS locked WHERE stored.id = locked.id"
    ).format(table=table.name)
    for at in range(0, len(changes), BATCH):
        batch = changes[at : at + BATCH]
        connection.execute(statement, [[key for key, _ in batch], [change for _, change in batch]])


def delete_rows(connection: Connection, table: Table, keys: Sequence[str]) -> None:
    """Remove rows by key, which are locked in the order in which writers write."""
    statement = sql.SQL(
        "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id = ANY(%s) ORDER BY id FOR UPDATE)"
    ).format(table=table.name)
    for at in range(0, len(keys), BATCH):
        connection.execute(statement, [keys[at : at + BATCH]])


def list_rows(
    connection: Connection,
    table: Table,
    keys: Sequence[str] | None,
    condition: Condition | None,
    *,
    limit: int | None,
    offset: int = 0,
    after: str | None = None,
    vectors: bool = False,
) -> tuple[list[StoredRecord], str | None]:
    """Return rows by key and condition, in the order of their keys, and the key of the last one.

    Args:
        connection: Of the database.
        table: Of the rows.
        keys: Only rows of these keys; None for all.
        condition: That the rows match; None for all.
        limit: Most rows; None for all.
        offset: Rows that are passed over.
        after: The key of the last of these, if it is known: the rows after it need no counting.
        vectors: Whether the vectors are returned too.
    """
    clause, values = to_sql(condition)
    clauses = [clause]
    for text, value in (("id = ANY(%s::text[])", keys), ("id > %s::text", after)):
        if value is not None:
            clauses.append(sql.SQL(text))
            values.append(value)
    statement = sql.SQL(
        "SELECT id, long_id, document, metadata, 1.0::float8, {vector} FROM {table} WHERE {clauses} "
        "ORDER BY id LIMIT %s OFFSET %s"
    ).format(vector=_column(vectors), table=table.name, clauses=sql.SQL(" AND ").join(clauses))
    rows = (
        connection.cursor(binary=True).execute(statement, [*values, limit, offset if after is None else 0]).fetchall()
    )
    return _records(rows), rows[-1][0] if rows else None


def nearest_rows(
    connection: Connection,
    table: Table,
    vectors: np.ndarray,
    k: int,
    condition: Condition | None,
    *,
    with_vectors: bool = False,
) -> list[list[StoredRecord]]:
    """Return the `k` rows nearest to each vector, nearest first.

    An index stops where few rows match, and knows no vectors of zeros: where it gives fewer than `k` rows, all rows
    are compared.
    """
    k = max(k, 1)
    by_index = table.indexed and k <= MOST_BY_INDEX
    ask = _by_index if by_index else _by_comparing
    found = _answers(connection, [ask(table, vector, k, condition, with_vectors) for vector in vectors])
    if by_index:
        short = [at for at, rows in enumerate(found) if len(rows) < k]
        again = [_by_comparing(table, vectors[at], k, condition, with_vectors) for at in short]
        for at, rows in zip(short, _answers(connection, again), strict=True):
            found[at] = rows
    return [_records(rows) for rows in found]


class PageEnds:
    """Where the pages of listings ended, so that the next page need not count all rows before it."""

    def __init__(self) -> None:
        """Begin with none."""
        self._guard = Lock()
        self._ends: OrderedDict[tuple[str, str, int], tuple[str, float]] = OrderedDict()

    def note(self, name: str, condition: Condition | None, offset: int, key: str) -> None:
        """Note the key of the last of `offset` rows."""
        with self._guard:
            self._ends[name, repr(condition), offset] = key, time.monotonic()
            while len(self._ends) > PAGES:
                self._ends.popitem(last=False)

    def take(self, name: str, condition: Condition | None, offset: int) -> str | None:
        """Return the key of the last of `offset` rows, if it was noted just now."""
        with self._guard:
            key, since = self._ends.pop((name, repr(condition), offset), (None, 0.0))
            return key if time.monotonic() - since < PAGE_AGE else None

    def forget(self, name: str) -> None:
        """Forget the pages of a collection, which has changed."""
        with self._guard:
            for known in [known for known in self._ends if known[0] == name]:
                del self._ends[known]


_Question: TypeAlias = tuple[sql.Composed, list[Any]]


def _by_comparing(
    table: Table, vector: np.ndarray, k: int, condition: Condition | None, with_vectors: bool
) -> _Question:
    """Return the statement that compares a vector with those of all rows that match."""
    clause, values = to_sql(condition)
    # The sum keeps the index from being used, which orders by the distance alone.
    statement = sql.SQL(
        "SELECT id, long_id, document, metadata, distance, {vector} FROM ("
        "SELECT *, (embedding <=> %b) + 0 AS distance FROM {table} WHERE {clause}"
        ") AS compared ORDER BY distance, id LIMIT %s"
    ).format(vector=_column(with_vectors), table=table.name, clause=clause)
    return statement, [vector, *values, k]


def _by_index(table: Table, vector: np.ndarray, k: int, condition: Condition | None, with_vectors: bool) -> _Question:
    """Return the statement that takes the nearest rows from the index and orders them by their exact distances."""
    clause, values = to_sql(condition)
    asked: sql.Composable = sql.SQL("%b")
    taken = k
    if table.dimension > INDEXED_DIMENSIONS:
        asked, taken = table.halved(asked), k * HALF_FACTOR
    statement = sql.SQL(
        "SELECT id, long_id, document, metadata, embedding <=> %b AS distance, {vector} FROM ("
        "SELECT * FROM {table} WHERE {clause} ORDER BY {indexed} <=> {asked} LIMIT %s"
        ") AS found ORDER BY distance, id LIMIT %s"
    ).format(vector=_column(with_vectors), table=table.name, clause=clause, indexed=table.indexed_vector, asked=asked)
    return statement, [vector, *values, vector, taken, k]


def _answers(connection: Connection, questions: Sequence[_Question]) -> list[list[Any]]:
    """Return the rows of each statement; several are sent together."""
    if len(questions) == 1:
        return [connection.cursor(binary=True).execute(*questions[0]).fetchall()]
    with connection.pipeline():
        cursors = [connection.cursor(binary=True).execute(*question) for question in questions]
        return [cursor.fetchall() for cursor in cursors]


def _column(vectors: bool) -> sql.Composable:
    return sql.SQL("embedding" if vectors else "NULL")


def _records(rows: Sequence[Any]) -> list[StoredRecord]:
    return [
        StoredRecord(
            id=read_id(key, long_id),
            metadata=from_json(metadata),
            text=None if text is None else unescape(text),
            # The distance of a vector of zeros, which has no direction, is not a number.
            similarity=0.0 if distance != distance else 1.0 - distance,
            vector=vector,
        )
        for key, long_id, text, metadata, distance, vector in rows
    ]


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield rows for one statement each, bounded in number and size."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        if batch and (len(batch) == BATCH or size + row.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.size
    if batch:
        yield batch
