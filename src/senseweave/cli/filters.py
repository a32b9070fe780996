"""Filters as they are written in a shell: `author=Ann`, `year>=2020`, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from senseweave.errors import SenseweaveError

OPERATORS: Final = {"=": "eq", "==": "eq", "!=": "ne", ">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}
_COMPARISON: Final = re.compile(r"\s*(?P<field>[^=!<>]+?)\s*(?P<operator>==|!=|>=|<=|=|>|<)\s*(?P<value>.*)", re.DOTALL)


def parse_filters(expressions: Sequence[str] | None) -> dict[str, Any] | None:
    """Return the filter that all expressions make together, or None for no expressions.

    A value is read as JSON where it is JSON (`2020`, `true`, `"2020"` for a text of digits, `["a", "b"]` for any of
    several), and as text otherwise.

    Raises:
        SenseweaveError: If an expression is none; the message shows how to write one.
    """
    parts = [_parse(expression) for expression in expressions or ()]
    return None if not parts else parts[0] if len(parts) == 1 else {"and": parts}


def filter_fields(given: Any) -> set[str]:
    """Return the names of the fields that a filter compares."""
    if isinstance(given, list):
        return {name for part in given for name in filter_fields(part)}
    names: set[str] = set()
    for name, value in given.items():
        word = name.removeprefix("$")
        names |= filter_fields(value) if word in ("and", "or", "not") else {name}
    return names


def _parse(expression: str) -> dict[str, Any]:
    if expression.lstrip().startswith("{"):
        try:
            parsed = json.loads(expression)
        except ValueError as error:
            msg = f"--filter {expression!r} is not valid JSON ({error})"
            raise SenseweaveError(msg) from None
        return dict(parsed)
    matched = _COMPARISON.fullmatch(expression)
    if matched is None:
        msg = (
            f"--filter {expression!r} is not a condition; write FIELD=VALUE, FIELD!=VALUE, FIELD>=NUMBER, "
            'or JSON such as \'{"year": {"gte": 2020}}\''
        )
        raise SenseweaveError(msg)
    operator, value = OPERATORS[matched["operator"]], _value(matched["value"])
    if isinstance(value, list):
        operator = {"eq": "in", "ne": "nin"}.get(operator, operator)
    return {matched["field"]: {operator: value}}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
