"""Sizes of writes to Chroma, during which all other Python threads wait, an event loop's too.

Its compiled library holds the interpreter lock in `upsert`, `update`, `delete` and `count` (chromadb 1.5), and gives it
up in `get` and `query`. `benchmarks/chroma_writes.py` shows it without senseweave.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from senseweave.concurrency import is_awaited
from senseweave.retrieval.records.schema import Record

T = TypeVar("T")

WRITTEN: Final = 64
"""Records that are written by one call.

Writing 3,072 records takes 4.5 s in calls of 64, 4.8 s in calls of 512 and 12.8 s in calls of 16 (two busy cores).
"""
SENT: Final = 1000
"""Records that are sent to a server by one call at most: it takes half the time of calls of 64, and holds up nobody."""
SENT_BYTES: Final = 8 * 2**20
"""Bytes of such a call, about; a server takes 40 MB."""
DIGIT_BYTES: Final = 22
"""Bytes of a number of a vector as JSON."""
LEAST: Final = 8
"""Records that are written by one call however slow the disk is, so that the whole ends."""
TURN: Final = 0.025
"""Seconds that one call should take while an event loop waits for it."""


def fitting_size(records: Sequence[Record]) -> int:
    """Return how many of some records one call to a server takes, by the largest of them."""
    largest = max((DIGIT_BYTES * len(record.vector) + 4 * len(record.text or "") for record in records), default=0)
    return max(1, min(SENT, SENT_BYTES // (largest + 1000)))


class Pace:
    """How many records one call writes where an event loop waits: as many as took `TURN` seconds lately."""

    def __init__(self) -> None:
        """Begin with few records; each call corrects their number."""
        self._size = LEAST

    def parts(self, items: Sequence[T]) -> Iterator[Sequence[T]]:
        """Split items for the calls that write them; what the caller does between two parts is timed as the write.

        All items are one part where no event loop waits.
        """
        start = 0
        while start < len(items):
            part = items[start : start + self._size] if is_awaited() else items[start:]
            began = time.perf_counter()
            yield part
            self._learn(len(part), time.perf_counter() - began)
            start += len(part)

    def _learn(self, count: int, seconds: float) -> None:
        """Take the number that would have filled a turn, at most twice the number that was written."""
        fitting = int(count * TURN / seconds) if seconds else WRITTEN
        self._size = max(LEAST, min(fitting, 2 * count, WRITTEN))
