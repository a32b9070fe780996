"""Conditions as SQL over a column of JSON; every name and value is a parameter."""

from __future__ import annotations

from typing import Any, Final

from psycopg import sql

from senseweave.retrieval.stores.conditions import AllOf, AnyOf, Compare, Condition, divide
from senseweave.retrieval.stores.pgvector_values import escape, name_json, scalar_json

EVERYTHING: Final = sql.SQL("TRUE")
HASHED: Final = {
    "sha256": sql.SQL("(metadata -> 'sha256')"),
    "source": sql.SQL("(metadata -> 'source')"),
}
"""Fields that an index asks for all the time; each has an index of hashes, which is found by this expression alone."""
FEW: Final = 20
"""Values of a list that are looked up one by one in the index of all metadata; of more, a table of hashes is made."""
ORDERS: Final = {"gt": sql.SQL(">"), "gte": sql.SQL(">="), "lt": sql.SQL("<"), "lte": sql.SQL("<=")}
NUMBER: Final = sql.SQL("(CASE jsonb_typeof({0}) WHEN 'number' THEN {0}::numeric END {1} %s::numeric)")
"""A single comparison, which PostgreSQL expects to hold for a third of the rows: of a second one for the type it would
expect one row in two hundred, and would read them all in place of the nearest."""


def to_sql(condition: Condition | None) -> tuple[sql.Composable, list[Any]]:
    """Return a condition as SQL, and the values of its parameters; it holds for what `conditions.matches` holds for.

    JSON compares numbers by their value and keeps them apart from booleans, as Python's comparisons here do.

    Raises:
        ValueError: If it is larger than one query takes; `divide` makes it smaller.
    """
    if condition is None:
        return EVERYTHING, []
    if len(divide(condition)) > 1:
        msg = "the condition is too large for one query: divide it"
        raise ValueError(msg)
    values: list[Any] = []
    return _clause(condition, values), values


def _clause(condition: Condition, values: list[Any]) -> sql.Composable:
    if isinstance(condition, (AllOf, AnyOf)):
        word = sql.SQL(" AND " if isinstance(condition, AllOf) else " OR ")
        return sql.SQL("({})").format(word.join([_clause(part, values) for part in condition.parts]))
    if condition.operator in ORDERS:
        field = _field(condition.field, values)
        _field(condition.field, values)  # it is named twice
        values.append(scalar_json(condition.field, condition.value))
        return NUMBER.format(field, ORDERS[condition.operator])
    found = _equality(condition, values)
    # A field that is missing compares as unknown, which is neither true nor false.
    return sql.SQL("({} IS NOT TRUE)").format(found) if condition.operator in ("ne", "nin") else found


def _equality(comparison: Compare, values: list[Any]) -> sql.Composable:
    """Return whether a field equals the value, or one of the values, of a comparison."""
    name = comparison.field
    listed = comparison.operator in ("in", "nin")
    operands = [scalar_json(name, value) for value in (comparison.value if listed else (comparison.value,))]
    if name not in HASHED and len(operands) <= FEW:
        values.append([f"{{{name_json(name)}:{operand}}}" for operand in operands])
        return sql.SQL("(metadata @> ANY(%s::text[]::jsonb[]))")
    field = _field(name, values)
    values.append(operands)
    return sql.SQL("({} = ANY(%s::text[]::jsonb[]))").format(field)


def _field(name: str, values: list[Any]) -> sql.Composable:
    if name in HASHED:
        return HASHED[name]
    values.append(escape(name))
    return sql.SQL("(metadata -> %s::text)")
