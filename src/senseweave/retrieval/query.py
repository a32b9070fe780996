"""A query: a text, a media, or several weighted parts."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any, Final

from senseweave.media import Media, Text
from senseweave.redaction import quoted

Part = tuple[Media, float]
MOST_WEIGHT: Final = 1e9
"""Of a part, as its reciprocal is the least: the squares of vectors in float32 have room for more digits than these."""


class Query:
    """A query of several parts, for example an image of the place and words for what should not be in it.

        Query([("a beach", 1), (Image("sea.jpg"), 0.7), ("people", -0.5)])

    A record's score is the weighted sum of its calibrated scores for the parts, divided by the length of the weights
    (the square root of the sum of their squares); a part that a space cannot embed counts as 0 there. Fusion methods
    that use no statistics score the list of the same weighted sums of similarities.
    """

    def __init__(self, parts: Sequence[str | Media | tuple[str | Media, float]]) -> None:
        """Take the parts: strings (always text) or media, each alone (weight 1) or with its weight.

        Raises:
            TypeError: If a part is neither.
            ValueError: If there are no parts, a weight is 0 or beyond float32, or none is positive.
        """
        if isinstance(parts, (str, Media)) or not parts:
            msg = "a Query takes a list of at least one part"
            raise ValueError(msg)
        self.parts: tuple[Part, ...] = tuple(_part(part) for part in parts)
        if not any(weight > 0 for _, weight in self.parts):
            msg = "at least one part of a query needs a positive weight"
            raise ValueError(msg)

    @property
    def length(self) -> float:
        """The square root of the sum of squared weights."""
        return math.hypot(*(weight for _, weight in self.parts))

    def __repr__(self) -> str:
        return f"Query({list(self.parts)!r})"


def as_query(query: Any) -> Query:
    """Return a `Query` for a string (always text) or a media; a `Query` is returned as it is.

    Raises:
        TypeError: If it is something else.
        ValueError: If it is an empty text.
    """
    if isinstance(query, Query):
        return query
    if isinstance(query, (str, Media)):
        return Query([query])
    msg = f"a query must be a str, sw.Image, sw.Audio, sw.Video, sw.Text or sw.Query, not {type(query).__name__}"
    raise TypeError(msg)


def _part(part: Any) -> Part:
    content, weight = part if isinstance(part, tuple) and len(part) == 2 else (part, 1.0)
    if isinstance(content, str):
        if not content.strip():
            msg = "a query text cannot be empty"
            raise ValueError(msg)
        content = Text(content)
    if not isinstance(content, Media):
        msg = f"a part of a query must be a str or media, with or without a weight, not {quoted(part)}"
        raise TypeError(msg)
    return content, check_weight(weight)


def check_weight(weight: Any) -> float:
    """Return the weight of a part of a query.

    Raises:
        ValueError: If vectors in float32 cannot be multiplied by it.
    """
    is_number = type(weight) is float or isinstance(weight, numbers.Real)  # to ask an abstract class takes longer
    size: Any = abs(weight) if is_number else math.nan
    if not 1 / MOST_WEIGHT <= size <= MOST_WEIGHT:
        msg = (
            f"a weight must be from {1 / MOST_WEIGHT:g} to {MOST_WEIGHT:g}, or the negative of it, not {quoted(weight)}"
        )
        raise ValueError(msg)
    return float(weight)
