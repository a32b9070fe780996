"""Where the next page of a listing begins: Qdrant lists from a point on, and an index asks by numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from senseweave.forking import Lock

KEPT: Final = 64
"""Listings whose next page is remembered."""
SKIPPED: Final = 10_000
"""Points of one request whose only use is to find where a page begins."""
Key = tuple[str, str]
"""A collection and a condition."""


class Cursors:
    """The points at which pages begin, as far as they are known; for several threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = Lock()
        self._known: dict[tuple[Key, int], Any] = {}

    def find(self, key: Key, offset: int, page: Callable[[Any, int], tuple[Sequence[Any], Any]]) -> tuple[Any, bool]:
        """Return the point at which a page begins, and whether there is nothing from there on.

        Args:
            key: The listing.
            offset: How many records are before the page.
            page: Returns the points from a point on, at most a number of them, and the point that follows them.
        """
        if offset == 0:
            return None, False
        with self._lock:
            known = self._known.get((key, offset))
        if known is not None:
            return known, False
        start, left = None, offset
        while left:
            points, start = page(start, min(left, SKIPPED))
            left -= len(points)
            if start is None:
                return None, True
        return start, False

    def keep(self, key: Key, offset: int, start: Any) -> None:
        """Remember the point at which the page after some records begins."""
        with self._lock:
            self._known.pop((key, offset), None)
            self._known[key, offset] = start
            while len(self._known) > KEPT:
                del self._known[next(iter(self._known))]

    def forget(self, name: str) -> None:
        """Forget the listings of a collection, which has changed."""
        with self._lock:
            for key in [key for key in self._known if key[0][0] == name]:
                del self._known[key]
