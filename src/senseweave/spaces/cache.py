"""An in-memory cache of vectors, so that content embedded a moment ago is not embedded again."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache

from senseweave.forking import Lock


@dataclass(frozen=True, slots=True)
class CachedVector:
    """A finished vector with the description and the truncation that belong to it."""

    vector: np.ndarray
    description: str | None
    dropped: int


class VectorCache:
    """Keeps the `size` most recently used vectors; safe to use from several threads."""

    def __init__(self, size: int) -> None:
        self._entries: LRUCache[Hashable, CachedVector] = LRUCache(max(0, size))
        self._lock = Lock()

    def get(self, key: Hashable) -> CachedVector | None:
        """Return the entry of `key` and mark it as used, or None if it is not cached."""
        with self._lock as torn:
            if torn:
                self._start_again()
            return self._entries.get(key)

    def put(self, key: Hashable, entry: CachedVector) -> None:
        """Store `entry`; a full cache evicts the least recently used entry, a cache of size 0 stores nothing."""
        with self._lock as torn:
            if torn:
                self._start_again()
            if self._entries.maxsize:
                self._entries[key] = entry

    def clear(self) -> None:
        """Remove every entry."""
        with self._lock:
            self._start_again()

    def _start_again(self) -> None:
        """Replace the entries, which another thread was changing when this process was forked."""
        self._entries = LRUCache(self._entries.maxsize)

    def __len__(self) -> int:
        return len(self._entries)
