"""The values that a store can hold in metadata, and the names that it can hold them under."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from senseweave.media import Media
from senseweave.redaction import quoted

Metadata = Mapping[str, Any] | Callable[[Media], Mapping[str, Any]] | None
"""What callers give for the media that they add: the same for all, or a function of each."""


def check_stored(metadata: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the metadata of a whole record without unknown values, after checking that a store can hold them.

    Raises:
        ValueError: If a name or a value cannot be stored; the message names it.
    """
    checked = {check_name(name): check_value(name, value) for name, value in metadata.items()}
    return {name: value for name, value in checked.items() if value is not None}


def plain(value: Any) -> Any:
    """Return a number of NumPy as Python's, and anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def is_unicode(text: str) -> bool:
    """Return whether a string can be stored: file names and JSON can hold lone surrogates, which UTF-8 lacks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_name(name: Any) -> str:
    """Return a name after checking that a store can hold it.

    Raises:
        ValueError: If it cannot.
    """
    if not isinstance(name, str) or not name or name.startswith(("$", "#", "chroma:")) or not is_unicode(name):
        msg = f"a metadata name is a non-empty str that does not begin with $, # or chroma:, not {quoted(name)}"
        raise ValueError(msg)
    return name


def check_value(name: str, given: Any) -> Any:
    """Return a value as it is stored, after checking that a store can hold it.

    Args:
        name: Its name, for messages.
        given: The value.

    Raises:
        ValueError: If it cannot.
    """
    value = plain(given)
    if value is not None and not isinstance(value, (str, int, float, bool)):
        msg = f"metadata {quoted(name)} must be a str, int, float, bool or None, not {type(given).__name__}"
        raise ValueError(msg)
    if isinstance(value, float) and not math.isfinite(value):
        msg = f"metadata {quoted(name)} must be a finite number, or None where it is not known, not {quoted(given)}"
        raise ValueError(msg)
    if isinstance(value, int) and value.bit_length() >= 64:
        msg = f"metadata {quoted(name)} must be a number of at most 64 bits, not {given!r}: keep it as a float or a str"
        raise ValueError(msg)
    if isinstance(value, str) and not is_unicode(value):
        msg = f"metadata {quoted(name)} holds a lone surrogate, which is not a character: {quoted(given)}"
        raise ValueError(msg)
    return value
