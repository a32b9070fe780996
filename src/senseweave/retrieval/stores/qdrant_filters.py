"""Conditions in Qdrant's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from senseweave.retrieval.records.folders import ABOVE
from senseweave.retrieval.stores.conditions import AllOf, AnyOf, Compare, Condition
from senseweave.retrieval.stores.qdrant_points import field_path

TYPES: Final = ("keyword", "integer", "float", "bool")
EXACT: Final = 2**53
"""Qdrant compares numbers as floats of 64 bits, which hold whole numbers up to here."""
RANGES: Final = {"gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte"}


class QdrantFilters:
    """Translates conditions; knows which metadata are whole numbers."""

    def __init__(self, types: Mapping[str, str]) -> None:
        """Take the types of metadata that a server indexes.

        Raises:
            ValueError: If a type is unknown.
        """
        for name, kind in types.items():
            if kind not in TYPES:
                msg = f"indexed[{name!r}] must be one of {', '.join(TYPES)}, not {kind!r}"
                raise ValueError(msg)
        self.types = dict(types)

    def translate(self, condition: Condition | None) -> Any:
        """Return a condition as a `Filter` of Qdrant, or None for none.

        Raises:
            ValueError: If it cannot be translated.
        """
        from qdrant_client import models

        if condition is None:
            return None
        translated = self._translate(condition)
        return translated if isinstance(translated, models.Filter) else models.Filter(must=[translated])

    def _translate(self, condition: Condition) -> Any:
        from qdrant_client import models

        if isinstance(condition, AllOf):
            return models.Filter(must=[self._translate(part) for part in condition.parts])
        if isinstance(condition, AnyOf):
            # An empty list of alternatives would hold for everything.
            parts = [self._translate(part) for part in condition.parts] or [models.HasIdCondition(has_id=[])]
            return models.Filter(should=parts)
        field, operator, value = field_path(condition.field), condition.operator, condition.value
        if operator in RANGES:
            return models.FieldCondition(key=field, range=models.Range(**{RANGES[operator]: value}))
        if operator not in ("eq", "ne", "in", "nin"):
            msg = f"Qdrant is not asked for {operator!r} on {condition.field!r}"
            raise ValueError(msg)
        equal = self._any_of(condition, value if operator in ("in", "nin") else (value,))
        return models.Filter(should=equal) if operator in ("eq", "in") else models.Filter(must_not=equal)

    def _any_of(self, condition: Compare, values: Sequence[Any]) -> list[Any]:
        """Return conditions of which one holds where a field equals one of some values."""
        from qdrant_client import models

        field = field_path(condition.field)
        found: list[Any] = []
        if texts := [value for value in values if isinstance(value, str)]:
            found.append(models.FieldCondition(key=field, match=models.MatchAny(any=texts)))
        found += [
            models.FieldCondition(key=field, match=models.MatchValue(value=value))
            for value in values
            if isinstance(value, bool)
        ]
        numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
        is_whole = self.types.get(condition.field) == "integer" or condition.field.startswith(ABOVE)
        matched = [int(number) for number in numbers if _is_matched(number, is_whole=is_whole)]
        if matched:
            found.append(models.FieldCondition(key=field, match=models.MatchAny(any=matched)))
        # A match tells 3 from 3.0, which are equal for an index; a range from 3 to 3 holds both.
        found += [
            models.FieldCondition(key=field, range=models.Range(gte=number, lte=number))
            for number in numbers
            if not _is_matched(number, is_whole=is_whole)
        ]
        return found or [models.HasIdCondition(has_id=[])]


def _is_matched(number: float, *, is_whole: bool) -> bool:
    """Return whether a number is looked for as a whole number, rather than as a range."""
    if is_whole:
        return number == int(number)
    return isinstance(number, int) and abs(number) > EXACT
