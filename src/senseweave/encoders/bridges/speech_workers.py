"""How a recognizer of CTranslate2 shares out the cores: workers that each decode a batch, with some threads each.

Whisper writes token by token. A step is too little work for two cores, so two batches at the same time, each on one
core, are done sooner than one after the other on both; workers share the weights. On an AMD EPYC with two cores, four
windows of 30 seconds took .71, .69 and .67 of the time (Whisper tiny, base and small; the latter two with random
weights), four of 8 seconds .38, .49 and .62. One window of 30 seconds alone takes up to 1.3 times as long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from typing import Any, Final, TypeVar

from senseweave.concurrency import Pool
from senseweave.encoders.runtime.onnx_session import compute_threads, count_cores

T = TypeVar("T")

SMALL_BYTES: Final = 150_000_000
"""Size of weights up to which a worker has one thread, as those of Whisper tiny and base. One window of a larger model
would be waited for."""
THREADS_OF_LARGE: Final = 4
"""Threads of a worker of a larger model, as CTranslate2 takes by default."""
MOST_WORKERS: Final = 8
"""Each holds the attention of a window: 54 MB for 30 seconds with Whisper tiny."""

_WORKERS: Final = Pool("senseweave-speech", count_cores(), drops=False)


def share_threads(weight_bytes: int) -> tuple[int, int]:
    """Return the number of workers of a model, and the threads of each; together no more than `compute_threads`.

    Args:
        weight_bytes: Size of the model's weights.
    """
    threads = compute_threads()
    each = 1 if weight_bytes <= SMALL_BYTES else min(THREADS_OF_LARGE, threads)
    return min(threads // each, MOST_WORKERS), each


def usable_workers(model: Any) -> int:
    """Return how many batches to decode at the same time: the program may have set fewer threads since the model came.

    Args:
        model: faster-whisper's `WhisperModel`.
    """
    return max(1, min(int(model.model.num_workers), compute_threads()))


def at_once(calls: Sequence[Callable[[], T]], workers: int) -> list[T]:
    """Return the results of calls, in their order; `workers` of them run at the same time at most.

    Raises:
        Exception: What the first of the calls that fail raises; the others have ended then.
    """
    waiting = iter(enumerate(calls))
    results: dict[int, T] = {}

    def work() -> None:
        try:
            for place, call in waiting:
                results[place] = call()
        except BaseException:
            deque(waiting, maxlen=0)  # nobody wants the rest
            raise

    others = [_WORKERS.submit_or_call(work) for _ in range(min(workers, len(calls)) - 1)]
    try:
        work()
    finally:
        begun = [other for other in others if not other.cancel()]  # the rest would find nothing left to do
        wait(begun)
    for other in begun:
        other.result()
    return [results[place] for place in range(len(calls))]
