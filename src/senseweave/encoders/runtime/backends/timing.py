"""Find the fastest of several ways to compute the same, within a bound of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

Way = TypeVar("Way")

ROUNDS: Final = 4
MARGIN: Final = 0.95
"""A way must take less than this share of the time of those before it: smaller differences are noise."""


def find_fastest(ways: Sequence[Way], compute: Callable[[Way], object], seconds: float) -> Way:
    """Return the way that computes fastest, by its best of a few alternating rounds.

    Args:
        ways: In the order of preference; the first wins where others are not clearly faster.
        compute: Computes once in a way; called once without being timed first.
        seconds: No round begins after this time; there is at least one.
    """
    if len(ways) == 1:
        return ways[0]
    began = time.perf_counter()
    for way in ways:
        compute(way)
    best = [float("inf")] * len(ways)
    for number in range(ROUNDS):
        if number and time.perf_counter() - began > seconds:
            break
        for place, way in enumerate(ways):
            start = time.perf_counter()
            compute(way)
            best[place] = min(best[place], time.perf_counter() - start)
    chosen = 0
    for place in range(1, len(ways)):
        if best[place] < MARGIN * best[chosen]:
            chosen = place
    return ways[chosen]
