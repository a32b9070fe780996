"""One writer at a time per folder, across processes, and a counter by which readers notice writes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import RLock
from typing import Final

from senseweave.errors import StoreError
from senseweave.media.collecting import INDEX_MARK

_LOCK_BYTE: Final = 1 << 20
_POLL_SECONDS: Final = 0.05
_FLAGS: Final[int] = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class FolderLock:
    """A lock file that holds `generation pid`: how many writes there were, and who writes or wrote last."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / INDEX_MARK
        self._threads = RLock()
        self._depth = 0
        self._file: int | None = None

    def generation(self) -> int:
        """The number of writes so far, by any process."""
        return self._read()[0]

    def advance(self) -> int:
        """Count one more write and return the new number; to be called while the lock is held."""
        if self._file is None:
            msg = f"{self.path} is not locked"
            raise StoreError(msg)
        generation = self._read()[0] + 1
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, b"%012d %012d\n" % (generation, os.getpid()))
        return generation

    def busy(self) -> bool:
        """Whether another holds the lock at this moment: another process, or another index of this one."""
        if self._depth:
            return False
        try:
            file = os.open(self.path, os.O_RDONLY | _FLAGS)
        except OSError:
            return False  # there is no lock file yet, so that nobody has written
        try:
            return not _try_lock(file)
        finally:
            os.close(file)

    @contextlib.contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Hold the lock; waits up to `timeout` seconds for other processes. The same thread may hold it twice.

        Raises:
            StoreError: If another process still holds it after that time; the message names it.
        """
        with self._threads:
            if self._depth == 0:
                self._file = self._acquire(timeout)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0 and self._file is not None:
                    os.close(self._file)  # closing releases the lock, as does the death of the process
                    self._file = None

    def _acquire(self, timeout: float) -> int:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o644)
        deadline = time.monotonic() + timeout
        while not _try_lock(file):
            if time.monotonic() >= deadline:
                os.close(file)
                _, pid = self._read()
                msg = (
                    f"{self.path.parent} is being written to by another process (last writer: {pid or 'unknown'}); "
                    f"waited {timeout:g} seconds: try again when it has finished, or raise lock_timeout"
                )
                raise StoreError(msg)
            time.sleep(_POLL_SECONDS)
        return file

    def _read(self) -> tuple[int, int]:
        try:
            generation, pid = self.path.read_bytes().split()[:2]
            return int(generation), int(pid)
        except (FileNotFoundError, ValueError):
            return 0, 0


def _try_lock(file: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            os.lseek(file, _LOCK_BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
