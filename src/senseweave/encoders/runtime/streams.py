"""Streams: a batch divided among threads that compute on their own core, instead of all cores meeting at every layer.

Cores that share a matrix product wait for each other at its end, some forty times a batch; where another program
takes a core now and then, all wait for it. Streams wait for each other once a batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

from senseweave.extras import require
from senseweave.forking import Lock, forks

LEAST_SHARE: Final = 512
"""Tokens that a stream should have at least: with fewer, starting it costs more than meeting."""

Share = TypeVar("Share")
Result = TypeVar("Result")

_lock = Lock()
_pool: ThreadPoolExecutor | None = None
_made_after = forks()


def divide_texts(lengths: Sequence[int], threads: int, least: int = LEAST_SHARE) -> list[slice]:
    """Divide texts into neighbouring shares of about equal tokens, a share for each stream.

    Args:
        lengths: Tokens of each text.
        threads: How many threads there are to compute.
        least: Tokens that a share should have at least.

    Returns:
        At most `threads` slices that cover all texts in order; a single slice if the texts are too few to divide.
    """
    total = sum(lengths)
    streams = max(1, min(threads, total // least, len(lengths)))
    ends: list[int] = []
    passed = 0
    for place, length in enumerate(lengths, 1):
        passed += length
        if passed * streams >= total * (len(ends) + 1):
            ends.append(place)
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def run_streams(compute: Callable[[Share], Result], shares: Sequence[Share], each: int | None = None) -> list[Result]:
    """Compute all shares at once, each in a stream of its own; in order.

    Args:
        compute: Called in threads, in inference mode.
        shares: What it is called with.
        each: Cores of a stream; None divides the threads that torch may use in this thread among them.
    """
    torch = require("torch", extra="text")
    threads = torch.get_num_threads()
    cores = each or max(1, threads // len(shares))

    def run(share: Share) -> Result:
        if torch.get_num_threads() != cores:
            torch.set_num_threads(cores)
        with torch.inference_mode():
            return compute(share)

    pool = _threads()
    futures = [pool.submit(run, share) for share in shares]
    try:
        wait(futures)
    finally:  # a caller that is interrupted keeps its threads too
        for future in futures:
            future.cancel()
        # torch keeps the number per thread, but the last that was set anywhere is what threads yet unborn will take.
        torch.set_num_threads(threads)
    return [future.result() for future in futures]


def _threads() -> ThreadPoolExecutor:
    """Return the threads of all streams, made once: torch prepares each thread that it computes in."""
    global _pool, _made_after
    with _lock:
        if _pool is None or _made_after != forks():
            _made_after = forks()
            _pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="senseweave-stream")
        return _pool
