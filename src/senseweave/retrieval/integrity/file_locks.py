"""Whether another program keeps a folder's database locked: asked before Chroma, which would wait for minutes."""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from senseweave.concurrency import checkpoint
from senseweave.errors import StoreError

PATIENCE: Final = 5.0
"""Seconds that a reader waits. SQLite locks a database for readers only while it commits."""
_PENDING: Final = 0x40000000
_RESERVED: Final = _PENDING + 1
_LAST: Final = _PENDING + 511
"""The bytes that SQLite locks (https://www.sqlite.org/lockingv3.html, `PENDING_BYTE` in os.h): whoever has locked all
but the second for writing keeps readers out, and each of them keeps writers out."""
_LOCKS: Final = Path("/proc/locks")
_PAUSE: Final = 0.05
_FLOCK: Final = "hhqqi4x"
"""`struct flock` of 64-bit Linux: type, whence, start, length, process."""
_descriptors: dict[tuple[int, int], int] = {}
"""By device and number of a file, a descriptor by which it was last seen open; checked before use."""


def wait_until_free(
    database: Path, seconds: float, *, writing: bool, is_ours: Callable[[], bool] = lambda: False
) -> None:
    """Wait until no other process keeps a database locked; where that cannot be known, as outside Linux, return.

    The kernel is asked by a descriptor that is open already, or else its list is read, because opening the file would
    be harmful: closing it again would release the locks that another copy of SQLite, such as Chroma's, has in this
    process.

    Args:
        database: The file.
        seconds: How long to wait.
        writing: Whether it is to be written to, which a reserved lock forbids too. Chroma writes when it is queried.
        is_ours: Returns whether a writer of this library is at work, which unlocks the database after each batch.

    Raises:
        StoreError: If it is still locked then; the message names the process.
    """
    end = time.monotonic() + seconds
    while (holder := lock_holder(database, writing=writing)) is not None:
        checkpoint()
        if is_ours():
            return
        if time.monotonic() >= end:
            raise StoreError(locked_message(database.parent, seconds, holder))
        time.sleep(_PAUSE)


def locked_message(folder: Path, seconds: float, holder: int | None = None) -> str:
    """Return one line that says that the database of a folder is locked, and what to do."""
    by = f"process {holder}" if holder is not None else "another program"
    return (
        f"{folder}: {by} keeps the database locked; waited {seconds:g} seconds: end its transaction or close it, and "
        "try again"
    )


def lock_holder(database: Path, *, writing: bool) -> int | None:
    """Return the id of another process that keeps readers, or writers, out of a database; None if there is none."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError):
        state = database.stat()
        if sys.maxsize > 2**32 and (descriptor := _open_descriptor(state)) is not None:
            return _holder_by_descriptor(descriptor, writing=writing)
    return _listed_holder(database, writing=writing)


def _open_descriptor(state: os.stat_result) -> int | None:
    """Return a descriptor by which something in this process has a file open, or None."""
    known = _descriptors.get((state.st_dev, state.st_ino))
    if known is not None and _is_of(known, state):
        return known
    for name in os.listdir("/proc/self/fd"):
        if _is_of(int(name), state):
            _descriptors[state.st_dev, state.st_ino] = int(name)
            return int(name)
    return None


def _is_of(descriptor: int, state: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), state)
    except OSError:
        return False


def _holder_by_descriptor(descriptor: int, *, writing: bool) -> int | None:
    """Return what `lock_holder` returns, asked by a descriptor that Chroma has open: some microseconds.

    Asking changes no lock, also if the descriptor has meanwhile become another file's. To list all locks of the
    machine, the kernel first waits until none is taken on any processor: milliseconds, up to 20 under load.
    """
    import fcntl

    ranges = [(_PENDING, _LAST)] if writing else [(_PENDING, _PENDING), (_RESERVED + 1, _LAST)]
    for first, last in ranges:
        asked = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, first, last - first + 1, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
        if kind != fcntl.F_UNLCK and pid > 0:
            return int(pid)
    return None


def _listed_holder(database: Path, *, writing: bool) -> int | None:
    """Return what `lock_holder` returns, by the kernel's list of all locks."""
    try:
        state = database.stat()
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    file = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}:{state.st_ino}"
    for line in lines:
        fields = line.split()
        if len(fields) != 8 or fields[1] != "POSIX" or fields[3] != "WRITE" or fields[5] != file:
            continue
        pid, first = int(fields[4]), int(fields[6])
        last = _LAST if fields[7] == "EOF" else int(fields[7])
        excludes = first <= _LAST and last >= _PENDING and (writing or (first, last) != (_RESERVED, _RESERVED))
        if excludes and pid != os.getpid():
            return pid
    return None
