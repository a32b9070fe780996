"""Threads for the asynchronous methods: few, named, started on first use, and apart from the event loop's own pool."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Final, ParamSpec, Protocol, TypeVar
from weakref import WeakSet

from senseweave.forking import Lock, forks

P = ParamSpec("P")
T = TypeVar("T")

THREADS: Final = max(4, os.cpu_count() or 1)
"""Threads of a pool: more would make an event loop wait longer for its turn at the interpreter."""
FEW: Final = 256
"""Items that a function walks through on the event loop, within about a millisecond."""

_is_unwanted: ContextVar[Callable[[], bool] | None] = ContextVar("senseweave_is_unwanted", default=None)
_pools: WeakSet[Pool] = WeakSet()
_ending = False
_own = threading.local()


class CallAbandoned(BaseException):
    """Ends a call whose caller no longer waits; raised by `checkpoint` and seen by nobody outside senseweave."""


class Runner(Protocol):
    """Runs calls in threads."""

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Queue a call and return its future."""


class Pool:
    """A bounded number of threads that start when they are needed; a forked child starts its own.

    A process that ends waits for running calls until their next `checkpoint`, and drops those that wait. A pool that
    nothing refers to any more ends its threads when they have run what was queued.
    """

    def __init__(self, name: str, size: int = THREADS, *, drops: bool = True) -> None:
        """Describe the pool; no thread starts yet.

        Args:
            name: What names of threads begin with.
            size: The most threads.
            drops: Whether calls that wait are dropped when the process ends; not where threads wait for them.
        """
        self._drops = drops
        self._name = name
        self._size = size
        self._mark = object()
        self._lock = Lock()
        self._forks = forks()
        self._executor: ThreadPoolExecutor | None = None
        _pools.add(self)

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Queue a call and return its future; a call from one of the pool's own threads gets a thread for itself."""
        if not self.owns_this_thread():
            return self.start(function)
        future: Future[T] = Future()  # the calling thread may wait for it, and so may all others of the pool
        threading.Thread(target=self._run_apart, args=(future, function), name=self._name).start()
        return future

    def start(self, function: Callable[[], T]) -> Future[T]:
        """Queue a call, whichever thread asks, and return its future."""
        with self._lock:
            if self._executor is None or self._forks != forks():
                self._forks = forks()
                # Threads hold what they began with: if that was the pool, they would outlive it, and wait forever.
                self._executor = ThreadPoolExecutor(self._size, self._name, _set_mark, ((self._mark, self._forks),))
            return self._executor.submit(function)

    def submit_or_call(self, function: Callable[[], T]) -> Future[T]:
        """Queue a call like `submit`; a process that is ending starts no threads, and calls it here."""
        try:
            return self.submit(function)
        except RuntimeError:
            future: Future[T] = Future()
            settle(future, function)
            return future

    def owns_this_thread(self) -> bool:
        """Return whether the calling thread is one of the pool's."""
        return getattr(_own, "mark", None) == (self._mark, forks())

    def close(self) -> None:
        """End the threads after the calls already queued; the next call starts new threads."""
        with self._lock:
            executor, self._executor = self._executor, None
            if executor is not None and self._forks == forks():
                executor.shutdown(wait=False)

    def end(self) -> None:
        """Drop the calls that wait, if this pool does; called when the process ends."""
        if self._drops and self._executor is not None and self._forks == forks():
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _run_apart(self, future: Future[T], function: Callable[[], T]) -> None:
        _set_mark((self._mark, forks()))
        settle(future, function)


class Queue:
    """Calls that run one after another, in the order in which they came, and occupy one thread of a pool at most.

    A call from a thread of the pool runs there and at once.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lock = Lock()
        self._forks = forks()
        self._waiting: deque[Callable[[], None]] = deque()
        self._running = False

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Queue a call and return its future."""
        future: Future[T] = Future()
        if self._pool.owns_this_thread():  # it may be this queue's, whose next call would wait for this one
            settle(future, function)
            return future
        with self._lock:
            if self._forks != forks():  # what waits here was asked for in the parent, which answers it
                self._forks, self._running, self._waiting = forks(), False, deque()
            self._waiting.append(lambda: settle(future, function))
            if not self._running:
                self._running = True
                self._pool.start(self._run_next)
        return future

    def _run_next(self) -> None:
        with self._lock:
            call = self._waiting.popleft()
        call()
        with self._lock:
            self._running = bool(self._waiting)
            if self._running:  # at the end of the pool's own queue, so that other queues get their turn
                with contextlib.suppress(RuntimeError):  # the process is ending
                    self._pool.start(self._run_next)


READING: Final = Pool("senseweave-read")
WRITING: Final = Pool("senseweave-write")


async def in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread of senseweave's own and return what it returns; context variables are kept."""
    return await run_in(READING, function, *args, **kwargs)


async def in_thread_if_many(
    items: Sequence[object] | None, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Call a function that walks through items: here if they are few, in a thread if they are many or None."""
    if items is not None and len(items) <= FEW:
        return function(*args, **kwargs)
    return await in_thread(function, *args, **kwargs)


async def run_in(runner: Runner, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a runner's thread; when the awaiting task is cancelled, it ends at its next `checkpoint`."""
    unwanted = threading.Event()
    context = copy_context()

    def call() -> T:
        with abandoned_when(unwanted.is_set):
            checkpoint()
            return function(*args, **kwargs)

    import asyncio  # late, as it takes more than all of senseweave that a program without an event loop imports

    try:
        return await asyncio.wrap_future(runner.submit(lambda: context.run(call)))
    except asyncio.CancelledError:
        unwanted.set()
        raise


@contextlib.contextmanager
def abandoned_when(unwanted: Callable[[], bool]) -> Iterator[None]:
    """Let checkpoints inside the block end the call as soon as `unwanted` returns True, or the process ends."""
    token = _is_unwanted.set(unwanted)
    try:
        yield
    finally:
        _is_unwanted.reset(token)


def is_awaited() -> bool:
    """Return whether the running call was made for a task, whose event loop goes on beside it."""
    return _is_unwanted.get() is not None


def checkpoint() -> None:
    """Return if somebody still waits for the running call; called between batches, where stopping does no harm.

    Raises:
        CallAbandoned: If the task that awaited the call was cancelled, or the process ends.
    """
    unwanted = _is_unwanted.get()
    if unwanted is not None and (_ending or unwanted()):
        raise CallAbandoned


def _set_mark(mark: tuple[object, int]) -> None:
    """Note in a thread to which pool it belongs, and of which process that is."""
    _own.mark = mark


def settle(future: Future[T], function: Callable[[], T]) -> None:
    """Call a function in this thread, and set what it returns or raises on a future; not if that is cancelled."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function()
    except BaseException as error:  # whoever waits for the future must see whatever happened
        future.set_exception(error)
    else:
        future.set_result(result)


def _end() -> None:
    global _ending
    _ending = True
    for pool in _pools:
        pool.end()


# The interpreter joins the threads of executors before it calls what `atexit` knows; this runs before it joins them.
getattr(threading, "_register_atexit", atexit.register)(_end)
