"""Filters on metadata: plain dicts, checked and parsed into conditions that each store translates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from senseweave.media import MODALITIES, Modality
from senseweave.retrieval.records.values import is_unicode, plain
from senseweave.retrieval.stores.conditions import (
    MOST_COMPARISONS,
    MOST_VALUES,
    AllOf,
    Compare,
    Condition,
    divide,
    joined,
    matches,
)
from senseweave.retrieval.stores.filter_size import check_filter_size, filter_parts, listed_values, shown

Filter = Mapping[str, Any]
Where = dict[str, Any]
COMPARISONS: Final = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin")
NOT_TEXT: Final[tuple[Modality, ...]] = tuple(name for name in MODALITIES if name != "text")
"""Records of every other modality, or of none, are text: most writers name no modality."""
OPPOSITE: Final = {
    "eq": "ne", "ne": "eq", "in": "nin", "nin": "in", "gt": "lte", "lte": "gt", "lt": "gte", "gte": "lt",
}  # fmt: skip
MOST_CHARACTERS: Final = 1_000_000
"""Length of a string that a field is compared with."""
MOST_NAME_CHARACTERS: Final = 1000
"""Length of the name of a field."""


def parse_filter(given: Filter | None) -> Condition | None:
    """Parse a filter.

    `{"author": "Ann"}` is equality, `{"year": [2023, 2024]}` membership, `{"year": {"gte": 2020, "lt": 2024}}` a
    range; several fields in one dict must all match. `and` and `or` take a list of filters, `not` takes one filter.
    Comparisons are `eq, ne, gt, gte, lt, lte, in, nin`, with or without a leading `$`.

    `ne` and `nin`, and so `not` around an equality, also match records without the field; the four order comparisons
    never do, not even inside `not`.

    Args:
        given: The filter; None or an empty dict match everything.

    Returns:
        The condition, or None for no condition.

    Raises:
        ValueError: If the filter cannot be parsed, or is larger than stores take; the message names the part or limit.
    """
    if given is None or (isinstance(given, Mapping) and not given):
        return None
    if isinstance(given, Mapping):
        check_filter_size(given, filter_parts, listed_values)
    condition = _parse(given, negated=False)
    divide(condition)
    return condition


def modality_filter(modality: Modality) -> Filter:
    """Return a filter for the records of a modality, whoever wrote them."""
    return {"modality": {"nin": list(NOT_TEXT)} if modality == "text" else modality}


def metadata_test(given: Filter | None) -> Callable[[Mapping[str, Any]], bool]:
    """Return a function that says whether metadata meet a filter, for stores that take none."""
    condition = parse_filter(given)
    return lambda metadata: matches(condition, metadata)


def compile_filter(given: Filter | None) -> Where | None:
    """Return a filter as Chroma's `where`; see `parse_filter`.

    Raises:
        ValueError: Also if the filter takes more than one query, as only an index can ask them.
    """
    return chroma_where(parse_filter(given))


def chroma_where(condition: Condition | None) -> Where | None:
    """Return a condition as Chroma's `where`.

    Raises:
        ValueError: If it is larger than Chroma takes in one query; `divide` makes it smaller.
    """
    if condition is None:
        return None
    if len(divide(condition)) > 1:
        msg = (
            f"a filter for one query of a store may have {MOST_COMPARISONS} comparisons and {MOST_VALUES:,} values; "
            "this one has more: search with parts of it"
        )
        raise ValueError(msg)
    return _where(condition)


def _where(condition: Condition) -> Where:
    if isinstance(condition, Compare):
        value = list(condition.value) if condition.operator in ("in", "nin") else condition.value
        return {condition.field: {f"${condition.operator}": value}}
    if len(condition.parts) == 1:  # Chroma joins two or more
        return _where(condition.parts[0])
    name = "$and" if isinstance(condition, AllOf) else "$or"
    return {name: [_where(part) for part in condition.parts]}


def _parse(part: Any, *, negated: bool) -> Condition:
    if not isinstance(part, Mapping) or not part:
        msg = f"a filter must be a dict with at least one field, not {shown(part)}"
        raise ValueError(msg)
    for name in part:
        if not isinstance(name, str):
            msg = f"the field names of a filter must be str, not {shown(name)}"
            raise ValueError(msg)
    parts = [_clause(name, value, negated=negated) for name, value in part.items()]
    return joined(parts, any_of=negated)


def _clause(name: str, value: Any, *, negated: bool) -> Condition:
    word = name.removeprefix("$")
    if word in ("and", "or"):
        if not isinstance(value, (list, tuple)) or not value:
            msg = f"{name!r} takes a list of filters, not {shown(value)}"
            raise ValueError(msg)
        return joined([_parse(part, negated=negated) for part in value], any_of=(word == "or") != negated)
    if word == "not":
        return _parse(value, negated=not negated)
    if name.startswith("$"):
        msg = f"unknown operator {shown(name)}; known operators are and, or, not"
        raise ValueError(msg)
    if not name or name.startswith(("#", "chroma:")) or not is_unicode(name) or len(name) > MOST_NAME_CHARACTERS:
        msg = (
            f"a field of a filter is named by 1 to {MOST_NAME_CHARACTERS} characters that do not begin with $, # or "
            f"chroma:, not {shown(name)}"
        )
        raise ValueError(msg)
    return _field(name, value, negated=negated)


def _field(name: str, value: Any, *, negated: bool) -> Condition:
    if not isinstance(value, Mapping):
        operator = "in" if isinstance(value, (list, tuple, set, frozenset)) else "eq"
        return _comparison(name, operator, value, negated=negated)
    parts = []
    for word, operand in value.items():
        operator = str(word).removeprefix("$")
        if operator not in COMPARISONS:
            msg = f"unknown comparison {shown(word)} on {name!r}; known comparisons are {', '.join(COMPARISONS)}"
            raise ValueError(msg)
        parts.append(_comparison(name, operator, operand, negated=negated))
    if not parts:
        msg = f"the condition on {name!r} is empty"
        raise ValueError(msg)
    return joined(parts, any_of=negated)


def _comparison(name: str, operator: str, operand: Any, *, negated: bool) -> Condition:
    if negated:
        operator = OPPOSITE[operator]
    if operator in ("in", "nin"):
        values = sorted(operand, key=shown) if isinstance(operand, (set, frozenset)) else operand
        if isinstance(values, (str, bytes, bytearray)) or not isinstance(values, Sequence) or not values:
            msg = f"{name!r} must be compared with a list of at least one value, not {shown(operand)}"
            raise ValueError(msg)
        # Stores need lists of a single type; a mixed list becomes a condition for each type.
        kinds: dict[type, list[Any]] = {}
        for value in values:
            scalar = _scalar(name, value)
            kinds.setdefault(type(scalar), []).append(scalar)
        return joined([Compare(name, operator, tuple(same)) for same in kinds.values()], any_of=operator == "in")
    scalar = _scalar(name, operand)
    if operator in ("gt", "gte", "lt", "lte") and (isinstance(scalar, (str, bool))):
        msg = f"{name!r} must be compared by gt, gte, lt and lte with a number, not {shown(operand)}"
        raise ValueError(msg)
    return Compare(name, operator, scalar)


def _scalar(name: str, operand: Any) -> str | int | float | bool:
    """Return a value as Python's own type, which stores look at: an enum can be a str too."""
    value: Any = plain(operand)
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        text = str.__str__(value)
        if len(text) > MOST_CHARACTERS or not is_unicode(text):
            msg = (
                f"{name!r} must be compared with a str of at most {MOST_CHARACTERS:,} characters and without lone "
                f"surrogates, not {shown(text)}"
            )
            raise ValueError(msg)
        return text
    if isinstance(value, int) and value.bit_length() < 64:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    expected = "an int of at most 64 bits" if isinstance(value, int) else "a str, int, finite float or bool"
    msg = f"{name!r} must be compared with {expected}, not {shown(operand)}"
    raise ValueError(msg)
