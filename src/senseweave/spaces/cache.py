"""A small in-memory cache, so that content embedded a moment ago is not embedded again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock

import numpy as np


@dataclass(frozen=True, slots=True)
class CachedVector:
    """One finished vector with what was said of it."""

    vector: np.ndarray
    description: str | None
    dropped: int


class VectorCache:
    """Keeps the vectors that were used last, up to `size` of them; safe to use from several threads."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._entries: OrderedDict[Hashable, CachedVector] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> CachedVector | None:
        """Return the entry of `key` and mark it as used, or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                self._entries.move_to_end(key)
            return entry

    def put(self, key: Hashable, entry: CachedVector) -> None:
        """Store `entry`, pushing out the one that has been unused for longest when full."""
        if self.size <= 0:
            return
        with self._lock:
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > self.size:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
