"""Filters on metadata: plain dicts, parsed into conditions that each store translates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from senseweave.media import MODALITIES, Modality
from senseweave.retrieval.records.schema import plain

Filter = Mapping[str, Any]
Where = dict[str, Any]
NAMES: Final = 1000
"""Most values in a condition; SQLite takes some ten thousand."""
COMPARISONS: Final = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin")
NOT_TEXT: Final[tuple[Modality, ...]] = tuple(name for name in MODALITIES if name != "text")
"""Records of every other modality, or of none, are text: most writers name no modality."""
OPPOSITE: Final = {
    "eq": "ne", "ne": "eq", "in": "nin", "nin": "in", "gt": "lte", "lte": "gt", "lt": "gte", "gte": "lt",
}  # fmt: skip


@dataclass(frozen=True)
class Compare:
    """A comparison of one metadata field.

    Attributes:
        field: Name of the field.
        operator: One of `COMPARISONS`.
        value: What it is compared with: a str, int, float or bool; for `in` and `nin` a tuple of values of one type.
    """

    field: str
    operator: str
    value: Any


@dataclass(frozen=True)
class AllOf:
    """Holds where every part does."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    """Holds where at least one part does."""

    parts: tuple[Condition, ...]


Condition: TypeAlias = Compare | AllOf | AnyOf
"""A condition for a store. Negation is resolved when a filter is parsed, so a store needs only these three."""


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
        ValueError: If the filter cannot be parsed; the message names the part.
    """
    if given is None or (isinstance(given, Mapping) and not given):
        return None
    return _parse(given, negated=False)


def modality_filter(modality: Modality) -> Filter:
    """Return a filter for the records of a modality, whoever wrote them."""
    return {"modality": {"nin": list(NOT_TEXT)} if modality == "text" else modality}


def compile_filter(given: Filter | None) -> Where | None:
    """Return a filter as Chroma's `where`; see `parse_filter`."""
    return chroma_where(parse_filter(given))


def chroma_where(condition: Condition | None) -> Where | None:
    """Return a condition as Chroma's `where`."""
    if condition is None:
        return None
    if isinstance(condition, Compare):
        value = list(condition.value) if condition.operator in ("in", "nin") else condition.value
        return {condition.field: {f"${condition.operator}": value}}
    name = "$and" if isinstance(condition, AllOf) else "$or"
    return {name: [chroma_where(part) for part in condition.parts]}


def matches(condition: Condition | None, metadata: Mapping[str, Any]) -> bool:
    """Return whether metadata match a condition; for stores without filters of their own."""
    if condition is None:
        return True
    if isinstance(condition, AllOf):
        return all(matches(part, metadata) for part in condition.parts)
    if isinstance(condition, AnyOf):
        return any(matches(part, metadata) for part in condition.parts)
    return _compare(metadata.get(condition.field), condition.operator, condition.value)


def any_of(field: str, values: Sequence[str]) -> list[Condition]:
    """Return conditions that match any of these values of a field, at most `NAMES` values each; none for no values."""
    return [Compare(field, "in", tuple(values[at : at + NAMES])) for at in range(0, len(values), NAMES)]


def _compare(value: Any, operator: str, operand: Any) -> bool:
    if operator == "in":
        return any(_equal(value, member) for member in operand)
    if operator == "nin":
        return not any(_equal(value, member) for member in operand)
    if operator in ("eq", "ne"):
        return _equal(value, operand) == (operator == "eq")
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float)):
        return False
    return bool(
        {"gt": value > operand, "gte": value >= operand, "lt": value < operand, "lte": value <= operand}[operator]
    )


def _equal(value: Any, operand: Any) -> bool:
    """Return whether values are equal; True is not 1, as in stores that keep types apart."""
    return isinstance(value, bool) == isinstance(operand, bool) and bool(value == operand)


def _parse(part: Any, *, negated: bool) -> Condition:
    if not isinstance(part, Mapping) or not part:
        msg = f"a filter must be a dict with at least one field, not {part!r}"
        raise ValueError(msg)
    if not all(isinstance(name, str) for name in part):
        msg = (
            f"the field names of a filter must be str, not {next(name for name in part if not isinstance(name, str))!r}"
        )
        raise ValueError(msg)
    parts = [_clause(name, value, negated=negated) for name, value in part.items()]
    return _joined(parts, any_of=negated)


def _clause(name: str, value: Any, *, negated: bool) -> Condition:
    word = name.removeprefix("$")
    if word in ("and", "or"):
        if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence) or not value:
            msg = f"{name!r} takes a list of filters, not {value!r}"
            raise ValueError(msg)
        return _joined([_parse(part, negated=negated) for part in value], any_of=(word == "or") != negated)
    if word == "not":
        return _parse(value, negated=not negated)
    if name.startswith("$"):
        msg = f"unknown operator {name!r}; known operators are and, or, not"
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
            msg = f"unknown comparison {word!r} on {name!r}; known comparisons are {', '.join(COMPARISONS)}"
            raise ValueError(msg)
        parts.append(_comparison(name, operator, operand, negated=negated))
    if not parts:
        msg = f"the condition on {name!r} is empty"
        raise ValueError(msg)
    return _joined(parts, any_of=negated)


def _comparison(name: str, operator: str, operand: Any, *, negated: bool) -> Condition:
    if negated:
        operator = OPPOSITE[operator]
    if operator in ("in", "nin"):
        values = sorted(operand, key=repr) if isinstance(operand, (set, frozenset)) else operand
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            msg = f"{name!r} must be compared with a list of at least one value, not {operand!r}"
            raise ValueError(msg)
        # Stores need lists of a single type; a mixed list becomes a condition for each type.
        kinds: dict[type, list[Any]] = {}
        for value in values:
            scalar = _scalar(name, value)
            kinds.setdefault(type(scalar), []).append(scalar)
        return _joined([Compare(name, operator, tuple(same)) for same in kinds.values()], any_of=operator == "in")
    scalar = _scalar(name, operand)
    if operator in ("gt", "gte", "lt", "lte") and (isinstance(scalar, (str, bool))):
        msg = f"{name!r} must be compared by gt, gte, lt and lte with a number, not {operand!r}"
        raise ValueError(msg)
    return Compare(name, operator, scalar)


def _scalar(name: str, operand: Any) -> str | int | float | bool:
    value: Any = plain(operand)
    if not isinstance(value, (str, int, float, bool)) or (isinstance(value, float) and not math.isfinite(value)):
        msg = f"{name!r} must be compared with a str, int, finite float or bool, not {operand!r}"
        raise ValueError(msg)
    return value


def _joined(parts: list[Condition], *, any_of: bool) -> Condition:
    return parts[0] if len(parts) == 1 else (AnyOf if any_of else AllOf)(tuple(parts))
