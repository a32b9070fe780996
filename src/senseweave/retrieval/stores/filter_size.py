"""Limits on the size of a filter, checked before anything walks through it by calling itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Final

from senseweave.redaction import without_secrets
from senseweave.retrieval.stores.conditions import DEEPEST, MOST_COMPARISONS, MOST_VALUES

MOST_PARTS: Final = 20_000
"""Dicts and lists in a filter as it is given."""
MOST_LISTED: Final = 100_000
"""Values in all lists of a filter as it is given."""
DEEPEST_GIVEN: Final = 100
"""Levels of a filter as it is given; each takes several of Python's 1000 frames."""
SHOWN: Final = 80
"""Characters of a value that an error quotes."""


def check_filter_size(
    given: Any,
    parts: Callable[[Any], Iterable[Any]],
    values: Callable[[Any], int],
    *,
    one_query: bool = False,
) -> None:
    """Check that a filter is not so large or deep that parsing it, or asking a store for it, would end the process.

    Args:
        given: The filter, in any language.
        parts: Returns what a part of it is made of.
        values: Returns the number of values that a part compares with.
        one_query: Whether it is to be asked of Chroma as it is, rather than parsed.

    Raises:
        ValueError: If it is; the message names the limit.
    """
    most, longest, deepest = MOST_PARTS, MOST_LISTED, DEEPEST_GIVEN
    if one_query:
        most, longest, deepest = MOST_COMPARISONS, MOST_VALUES, 2 * DEEPEST
    level, seen, listed, depth = [given], 0, 0, 0
    while level:
        seen += len(level)
        listed += sum(map(values, level))
        depth += 1
        if seen > most:
            msg = f"a filter may have {most:,} parts; this one has more: search with some of them at a time"
        elif listed > longest:
            msg = f"the lists of a filter may hold {longest:,} values; these hold {listed:,}: search with fewer"
        elif depth > deepest:
            msg = f"a filter may be nested {deepest} levels deep; this one is deeper, or contains itself"
        else:
            level = [part for whole in level for part in parts(whole)]
            continue
        raise ValueError(msg)


def filter_parts(part: Any) -> Iterable[Any]:
    """Return what a part of a filter of senseweave or Chroma is made of: dicts and lists."""
    if isinstance(part, Mapping):
        return (inner for inner in part.values() if isinstance(inner, Mapping) or _is_list(inner))
    return (inner for inner in part if isinstance(inner, Mapping)) if _is_list(part) else ()


def listed_values(part: Any) -> int:
    """Return the number of values in a list, and 0 for anything else."""
    return len(part) if _is_list(part) else 0


def shown(value: Any) -> str:
    """Return the beginning of the `repr` of any value on one line, or its type where it has none."""
    try:
        text = repr(value)
    except Exception:  # of a number of thousands of digits, a list that is nested too deeply, a strange type
        text = f"a {type(value).__name__}"
    text = without_secrets(text.encode("utf-8", "backslashreplace").decode().replace("\n", " "))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _is_list(part: Any) -> bool:
    return isinstance(part, (Sequence, Set)) and not isinstance(part, (str, bytes, bytearray, memoryview))
