"""The cache of finished vectors keeps what was used last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from senseweave.spaces.cache import CachedVector, VectorCache


def entry(number: int) -> CachedVector:
    return CachedVector(np.full(3, number, np.float32), None, 0)


def test_the_entry_that_was_unused_for_longest_goes_first():
    cache = VectorCache(2)
    cache.put("a", entry(1))
    cache.put("b", entry(2))
    assert cache.get("a") is not None
    cache.put("c", entry(3))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert len(cache) == 2


def test_a_cache_of_size_0_keeps_nothing():
    cache = VectorCache(0)
    cache.put("a", entry(1))
    assert cache.get("a") is None


def test_many_threads_may_use_it():
    cache = VectorCache(50)

    def work(seed: int) -> bool:
        for i in range(500):
            cache.put((seed * i) % 97, entry((seed * i) % 97))
            found = cache.get(i % 97)
            if found is not None and found.vector[0] != i % 97:
                return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(1, 9)))
    assert len(cache) == 50
