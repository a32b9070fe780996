"""Filters on metadata: a small language of plain dicts, compiled to what Chroma's `where` takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from senseweave.retrieval.records.first_schema import plain

Filter = Mapping[str, Any]
Where = dict[str, Any]
NAMES: Final = 1000
"""Names in one condition; SQLite takes some ten thousand."""

_COMPARISONS = {
    "eq": "$eq",
    "ne": "$ne",
    "gt": "$gt",
    "gte": "$gte",
    "lt": "$lt",
    "lte": "$lte",
    "in": "$in",
    "nin": "$nin",
}
_OPPOSITE = {
    "$eq": "$ne", "$ne": "$eq", "$in": "$nin", "$nin": "$in",
    "$gt": "$lte", "$lte": "$gt", "$lt": "$gte", "$gte": "$lt",
}  # fmt: skip


def compile_filter(given: Filter | None) -> Where | None:
    """Turn a filter into a Chroma `where`.

    `{"author": "Ann"}` is equality, `{"year": [2023, 2024]}` one of several, `{"year": {"gte": 2020, "lt": 2024}}` a
    range; several fields in one dict must all match. `and` and `or` take a list of filters, `not` takes one filter.
    Comparisons are `eq, ne, gt, gte, lt, lte, in, nin`, with or without a leading `$`.

    `ne` and `nin`, and so `not` around an equality, also match records without the field; the four order comparisons
    never do, not even inside `not`.

    Args:
        given: The filter; None or an empty dict match everything.

    Returns:
        A `where` dict, or None for no condition.

    Raises:
        ValueError: If the filter is not understood; the message says which part.
    """
    if given is None or (isinstance(given, Mapping) and not given):
        return None
    return _compile(given, negated=False)


def any_of(field: str, names: Sequence[str]) -> list[Where]:
    """Conditions that a field is one of some names, each of at most `NAMES`; none for no names."""
    return [{field: {"$in": list(names[at : at + NAMES])}} for at in range(0, len(names), NAMES)]


def both(first: Where | None, second: Where | None) -> Where | None:
    """A `where` that holds where both hold."""
    if first is None or second is None:
        return first if second is None else second
    return {"$and": [first, second]}


def _compile(given: Any, *, negated: bool) -> Where:
    if not isinstance(given, Mapping) or not given:
        msg = f"a filter is a dict with at least one field, not {given!r}"
        raise ValueError(msg)
    if not all(isinstance(name, str) for name in given):
        msg = f"the fields of a filter are named by str, not {next(one for one in given if not isinstance(one, str))!r}"
        raise ValueError(msg)
    parts = [_clause(name, value, negated=negated) for name, value in given.items()]
    return _joined(parts, any_of=negated)


def _clause(name: str, value: Any, *, negated: bool) -> Where:
    word = name.removeprefix("$")
    if word in ("and", "or"):
        if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence) or not value:
            msg = f"{name!r} takes a list of filters, not {value!r}"
            raise ValueError(msg)
        return _joined([_compile(one, negated=negated) for one in value], any_of=(word == "or") != negated)
    if word == "not":
        return _compile(value, negated=not negated)
    if name.startswith("$"):
        msg = f"unknown operator {name!r}; there are and, or, not"
        raise ValueError(msg)
    return _field(name, value, negated=negated)


def _field(name: str, value: Any, *, negated: bool) -> Where:
    if not isinstance(value, Mapping):
        operator = "$in" if isinstance(value, (list, tuple, set, frozenset)) else "$eq"
        return _comparison(name, operator, value, negated=negated)
    parts = []
    for word, operand in value.items():
        operator = _COMPARISONS.get(str(word).removeprefix("$"), "")
        if not operator:
            msg = f"unknown comparison {word!r} on {name!r}; there are {', '.join(_COMPARISONS)}"
            raise ValueError(msg)
        parts.append(_comparison(name, operator, operand, negated=negated))
    if not parts:
        msg = f"the condition on {name!r} is empty"
        raise ValueError(msg)
    return _joined(parts, any_of=negated)


def _comparison(name: str, operator: str, operand: Any, *, negated: bool) -> Where:
    if negated:
        operator = _OPPOSITE[operator]
    if operator in ("$in", "$nin"):
        values = sorted(operand, key=repr) if isinstance(operand, (set, frozenset)) else operand
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            msg = f"{name!r} is compared with a list of one or more values, not {operand!r}"
            raise ValueError(msg)
        # Chroma wants one type per list; a mixed list becomes one condition per type.
        kinds: dict[type, list[Any]] = {}
        for one in values:
            scalar = _scalar(name, one)
            kinds.setdefault(type(scalar), []).append(scalar)
        return _joined([{name: {operator: same}} for same in kinds.values()], any_of=operator == "$in")
    scalar = _scalar(name, operand)
    if operator in ("$gt", "$gte", "$lt", "$lte") and (isinstance(scalar, (str, bool))):
        msg = f"{name!r} is compared by order with a number, not {operand!r}"
        raise ValueError(msg)
    return {name: {operator: scalar}}


def _scalar(name: str, given: Any) -> str | int | float | bool:
    value: Any = plain(given)
    if not isinstance(value, (str, int, float, bool)) or (isinstance(value, float) and not math.isfinite(value)):
        msg = f"{name!r} is compared with a str, int, finite float or bool, not {given!r}"
        raise ValueError(msg)
    return value


def _joined(parts: list[Where], *, any_of: bool) -> Where:
    return parts[0] if len(parts) == 1 else {"$or" if any_of else "$and": parts}
