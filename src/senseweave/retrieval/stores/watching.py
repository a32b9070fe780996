"""Notice what others change on a server that tells nobody, by looking at most so often."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from senseweave.forking import Lock

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks, which is how late a change of others may be seen. A look is one request."""


class Watch:
    """Counts changes of what a function returns."""

    def __init__(self, look: Callable[[], Any]) -> None:
        """Watch what `look` returns: new values each time, compared by equality."""
        self._look = look
        self._lock = Lock()
        self._seen: Any = None
        self._looked = -float("inf")
        self._changes = 0

    @property
    def changes(self) -> int:
        """How often it was another value than at the look before."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_SECONDS:
                seen = self._look()
                self._changes += seen != self._seen
                self._seen, self._looked = seen, time.monotonic()
            return self._changes
