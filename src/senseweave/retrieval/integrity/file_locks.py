"""Whether another program keeps a folder's database locked: asked before Chroma, which would wait for minutes."""

from __future__ import annotations

import os
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


def wait_until_free(
    database: Path, seconds: float, *, writing: bool, is_ours: Callable[[], bool] = lambda: False
) -> None:
    """Wait until no other process keeps a database locked; where that cannot be known, as outside Linux, return.

    The kernel's list is read, because opening the file would be harmful: closing it again would release the locks that
    another copy of SQLite, such as Chroma's, has in this process.

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
