"""Conditions on metadata, as a store gets them: comparisons joined by and and or, each small enough for one query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from typing import Any, Final, TypeAlias

from senseweave.retrieval.records.values import is_unicode

NAMES: Final = 1000
"""Most values in a condition that the index itself makes, and most ids that are asked for at once."""
MOST_COMPARISONS: Final = 200
"""Comparisons in one query. SQLite takes an expression of depth 1000; Chroma's time grows with the square of them."""
MOST_VALUES: Final = 10_000
"""Values in one query. SQLite takes 32,766 variables, and Chroma uses two for each number of a list."""
CHARACTERS: Final = 1000
"""Characters of a string that count as one value more; a Chroma server takes requests of 40 MB."""
DEEPEST: Final = 20
"""Levels of and and or in one query; Chroma refuses 64, and a server's JSON parser gives up at 128 brackets."""
MOST_QUERIES: Final = 100
"""Queries into which one condition is divided at most."""


@dataclass(frozen=True)
class Compare:
    """A comparison of one metadata field.

    Attributes:
        field: Name of the field.
        operator: One of `senseweave.retrieval.stores.filters.COMPARISONS`.
        value: What it is compared with: a str, int, float or bool; for `in` and `nin` a tuple of values of one type.
    """

    field: str
    operator: str
    value: Any

    @cached_property
    def members(self) -> frozenset[tuple[bool, Any]]:
        """The values of `in` and `nin`, each with whether it is a bool: True is not 1."""
        return frozenset((isinstance(value, bool), value) for value in self.value)


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


def any_of(field: str, values: Iterable[str]) -> list[Condition]:
    """Return conditions that match any of these values of a field, at most `NAMES` values each; none for no values.

    Values with lone surrogates are left out: no store can hold them.
    """
    held = [value for value in values if is_unicode(value)]
    return [Compare(field, "in", tuple(held[at : at + NAMES])) for at in range(0, len(held), NAMES)]


def joined(parts: Sequence[Condition], *, any_of: bool) -> Condition:
    """Return the condition that holds where all or any of some parts do, as flat as it can be said.

    Parts joined in the same way are taken up, and comparisons of one field for equality become one with a list.

    Args:
        parts: At least one condition.
        any_of: Whether one part suffices.
    """
    kind: type[AllOf | AnyOf] = AnyOf if any_of else AllOf
    single, listed = ("eq", "in") if any_of else ("ne", "nin")
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, kind) else (part,))]
    groups: dict[Any, list[Condition]] = {}
    for number, inner in enumerate(flat):
        key: Any = number
        if isinstance(inner, Compare) and inner.operator in (single, listed):
            # By type as well: stores tell True from 1, and take lists of a single type.
            key = inner.field, type(_values(inner)[0])
        groups.setdefault(key, []).append(inner)
    found = [group[0] if len(group) == 1 else _listed(group, listed) for group in groups.values()]
    return found[0] if len(found) == 1 else kind(tuple(found))


def divide(condition: Condition) -> list[Condition]:
    """Divide a condition into conditions for one query each; a record matches it if it matches any of them.

    Raises:
        ValueError: If there is no such division; the message names the limit.
    """
    pieces = list(islice(_divide(condition, MOST_COMPARISONS, MOST_VALUES), MOST_QUERIES + 1))
    if any(_depth(piece) > DEEPEST for piece in pieces):
        msg = f"a filter may nest and and or {DEEPEST} levels deep; this one is deeper"
        raise ValueError(msg)
    if len(pieces) > MOST_QUERIES:
        msg = (
            f"a filter may take {MOST_QUERIES} queries of {MOST_COMPARISONS} comparisons and {MOST_VALUES:,} values; "
            "this one takes more: search with parts of it"
        )
        raise ValueError(msg)
    return pieces


def matches(condition: Condition | None, metadata: Mapping[str, Any]) -> bool:
    """Return whether metadata match a condition; for stores without filters of their own."""
    if condition is None:
        return True
    if isinstance(condition, AllOf):
        return all(matches(part, metadata) for part in condition.parts)
    if isinstance(condition, AnyOf):
        return any(matches(part, metadata) for part in condition.parts)
    return _compare(metadata.get(condition.field), condition)


def _compare(value: Any, comparison: Compare) -> bool:
    operator, operand = comparison.operator, comparison.value
    if operator in ("in", "nin"):
        return ((isinstance(value, bool), value) in comparison.members) == (operator == "in")
    if operator in ("eq", "ne"):
        equal = isinstance(value, bool) == isinstance(operand, bool) and bool(value == operand)
        return equal == (operator == "eq")
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float)):
        return False
    return bool(
        {"gt": value > operand, "gte": value >= operand, "lt": value < operand, "lte": value <= operand}[operator]
    )


def _listed(group: Sequence[Condition], operator: str) -> Compare:
    """Return comparisons of one field as one with a list."""
    comparisons = [comparison for comparison in group if isinstance(comparison, Compare)]
    values = dict.fromkeys(value for comparison in comparisons for value in _values(comparison))
    return Compare(comparisons[0].field, operator, tuple(values))


def _values(comparison: Compare) -> tuple[Any, ...]:
    value = comparison.value
    return value if isinstance(value, tuple) else (value,)


def _divide(condition: Condition, comparisons: int, values: int) -> Iterator[Condition]:
    """Yield conditions of at most so many comparisons and values that hold together where the given one does."""
    if _fits(condition, comparisons, values):
        yield condition
    elif isinstance(condition, AnyOf):
        yield from _packed(
            (piece for part in condition.parts for piece in _divide(part, comparisons, values)), comparisons, values
        )
    elif isinstance(condition, AllOf):
        widest = max((part for part in condition.parts if _is_divisible(part)), key=_size, default=None)
        if widest is None:
            raise _too_large(condition)
        rest = joined([part for part in condition.parts if part is not widest], any_of=False)
        used, listed = _size(rest)
        if not _fits(rest, comparisons // 2, values // 2) and any(map(_is_divisible, _parts(rest))):
            used, listed = comparisons // 2, values // 2
        rests = list(_divide(rest, used, listed))
        for pair in product(rests, _divide(widest, comparisons - used, values - listed)):
            yield joined(pair, any_of=False)
    elif condition.operator == "in" and values > 0 < comparisons:
        yield from _shorter_lists(condition, values)
    else:
        raise _too_large(condition)


def _shorter_lists(comparison: Compare, values: int) -> Iterator[Condition]:
    """Yield comparisons with lists of at most so many values, of which one holds where the given one does."""
    run: list[Any] = []
    used = 0
    for value in comparison.value:
        weight = _weight(value)
        if weight > values:
            raise _too_large(comparison)
        if used + weight > values:
            yield Compare(comparison.field, comparison.operator, tuple(run))
            run, used = [], 0
        run.append(value)
        used += weight
    yield Compare(comparison.field, comparison.operator, tuple(run))


def _packed(pieces: Iterable[Condition], comparisons: int, values: int) -> Iterator[Condition]:
    """Yield conditions that hold where any of a run of pieces does, each run as long as fits."""
    run: list[Condition] = []
    used = listed = 0
    for piece in pieces:
        size = _size(piece)
        if run and (used + size[0] > comparisons or listed + size[1] > values):
            yield joined(run, any_of=True)
            run, used, listed = [], 0, 0
        run.append(piece)
        used, listed = used + size[0], listed + size[1]
    if run:
        yield joined(run, any_of=True)


def _is_divisible(condition: Condition) -> bool:
    return isinstance(condition, AnyOf) or (isinstance(condition, Compare) and condition.operator == "in")


def _parts(condition: Condition) -> tuple[Condition, ...]:
    """Return what must hold together where a condition holds."""
    return condition.parts if isinstance(condition, AllOf) else (condition,)


def _fits(condition: Condition, comparisons: int, values: int) -> bool:
    used, listed = _size(condition)
    return used <= comparisons and listed <= values


def _size(condition: Condition) -> tuple[int, int]:
    """Return the number of comparisons of a condition and that of their values, long strings counted several times."""
    if isinstance(condition, Compare):
        return 1, sum(map(_weight, _values(condition)))
    sizes = [_size(part) for part in condition.parts]
    return sum(size[0] for size in sizes), sum(size[1] for size in sizes)


def _weight(value: Any) -> int:
    return 1 + len(value) // CHARACTERS if isinstance(value, str) else 1


def _depth(condition: Condition) -> int:
    return 0 if isinstance(condition, Compare) else 1 + max(_depth(part) for part in condition.parts)


def _too_large(condition: Condition) -> ValueError:
    used, listed = _size(condition)
    return ValueError(
        f"a filter may require {MOST_COMPARISONS} comparisons and {MOST_VALUES:,} values at once; "
        f"this one has {used:,} comparisons and {listed:,} values that cannot be asked for one after another"
    )
