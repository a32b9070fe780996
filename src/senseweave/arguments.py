"""Checks of arguments that many functions take."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from senseweave.redaction import quoted


def check_choice(name: str, given: Any, known: Sequence[str] = ("raise", "skip")) -> None:
    """Check that an argument has one of the values that it may have.

    Args:
        name: Name of the argument.
        given: Its value.
        known: The values that it may have; by default those of `on_error`.

    Raises:
        ValueError: If it has another; the message lists those that it may have.
    """
    if given not in known:
        *first, last = map(repr, known)
        msg = f"{name} must be {', '.join(first)} or {last}, not {quoted(given)}"
        raise ValueError(msg)


def check_count(name: str, given: Any) -> None:
    """Check that an argument is a whole number of at least 1.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(given, bool) or not isinstance(given, Integral):
        msg = f"{name} must be a whole number, not {quoted(given)}"
        raise ValueError(msg)
    if int(given) < 1:
        msg = f"{name} must be at least 1, not {given}"
        raise ValueError(msg)
