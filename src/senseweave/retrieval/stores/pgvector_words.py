"""Words of texts in PostgreSQL, found by an index of words that are cut already: no dictionary cuts them anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from psycopg import sql

from senseweave.retrieval.stores.pgvector_connections import Connection
from senseweave.retrieval.stores.pgvector_tables import Table, make_word_index
from senseweave.retrieval.stores.pgvector_values import read_id

WORDS: Final = sql.SQL("array_to_tsvector(array_remove(string_to_array(document, ' '), ''))")
"""The words of a text between spaces, as `tsvector`; without their places, which has a limit in long texts."""


def index_texts(connection: Connection, table: Table) -> bool:
    """Index the words of the texts of a collection while others read and write; returns whether they are indexed."""
    return make_word_index(connection, table, sql.SQL("USING gin ({})").format(WORDS))


def find_texts(connection: Connection, table: Table, words: Sequence[str], limit: int, *, is_prefix: bool) -> list[str]:
    """Return the ids of at most `limit` rows whose text holds words that follow each other, each between spaces.

    Args:
        connection: To the database.
        table: Of the collection.
        words: At least one, without spaces.
        limit: Most ids to return.
        is_prefix: Whether the last word may go on.
    """
    *firsts, last = map(_quoted, words)
    asked = " & ".join([*firsts, f"{last}:*" if is_prefix else last])
    sought = f" {' '.join(words)}" + ("" if is_prefix else " ")
    statement = sql.SQL(
        "SELECT id, long_id FROM {} WHERE {} @@ %s::tsquery AND position(%s in document) > 0 LIMIT %s"
    ).format(table.name, WORDS)
    rows = connection.execute(statement, [asked, sought, limit]).fetchall()
    return [read_id(key, long) for key, long in rows]


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
