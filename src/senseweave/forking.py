"""Locks and values that work in a forked child, which has a copy of all memory but only the thread that forked."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakMethod

_forks = 0
_renewing = threading.Lock()
_in_child: list[WeakMethod[Callable[[], None]]] = []


def forks() -> int:
    """Return how many forks lie between the process that imported senseweave and this process.

    What was made at another number belongs to a parent: its threads and connections do not exist here.
    """
    return _forks


def call_in_child(method: Callable[[], None]) -> None:
    """Call a bound method in every child right after a fork, as long as its object lives."""
    _in_child[:] = [*(known for known in _in_child if known() is not None), WeakMethod(method)]


def abandon(value: object) -> None:
    """Keep a value in memory until the process ends.

    A destructor that waits for its own threads would wait forever in a forked child.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


class Lock:
    """A lock that is free in a forked child, whichever thread of the parent held it.

    Entering it gives True once if a thread of the parent held it during the fork: what it guards may be half changed.
    """

    __slots__ = ("_forks", "_lock")

    def __init__(self) -> None:
        self._forks = _forks
        self._lock: Any = self._make()

    def acquire(self, timeout: float = -1) -> bool:
        """Acquire the lock and return whether that succeeded within `timeout` seconds; -1 waits without limit."""
        if self._forks != _forks:
            self._renew()
        return bool(self._lock.acquire(timeout=timeout))

    def release(self) -> None:
        """Release the lock; nothing happens if it was acquired before a fork."""
        if self._forks == _forks:
            self._lock.release()

    def __enter__(self) -> bool:
        torn = self._forks != _forks and self._renew()
        self._lock.acquire()
        return torn

    def __exit__(self, *exception: object) -> None:
        if self._forks == _forks:
            self._lock.release()

    @staticmethod
    def _make() -> Any:
        return threading.Lock()

    def _renew(self) -> bool:
        with _renewing:
            if self._forks == _forks:
                return False
            held = not self._lock.acquire(blocking=False)
            self._lock, self._forks = self._make(), _forks
            return held


class RLock(Lock):
    """A `Lock` that its thread may acquire again."""

    __slots__ = ()

    @staticmethod
    def _make() -> Any:
        return threading.RLock()


def _enter_child() -> None:
    global _forks, _renewing
    _forks += 1
    _renewing = threading.Lock()
    for reference in _in_child:
        method = reference()
        if method is not None:
            method()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_enter_child)
