"""One writer at a time per folder, across processes, and a counter by which readers notice writes."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from senseweave.concurrency import checkpoint
from senseweave.errors import StoreError
from senseweave.forking import RLock, call_in_child
from senseweave.media.collecting import INDEX_MARK

WRITER_FILE: Final = "senseweave.writer.lock"
"""The file that the operating system locks; apart from the counter, which readers read while it is locked."""
CHECK_SECONDS: Final = 0.5
"""How often a call that waits for the lock checks whether somebody still wants it."""
_READ_BYTES: Final = 64
_FLAGS: Final[int] = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class FolderLock:
    """The right to write to a folder, and a file `generation pid`: how many writes there were, and who wrote last."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / INDEX_MARK
        self._writer = FileLock(folder / WRITER_FILE, thread_local=False)
        self._threads = RLock()
        call_in_child(self._leave_to_parent)

    def generation(self) -> int:
        """Return the number of writes so far, by any process."""
        return self._read()[0]

    def advance(self) -> int:
        """Count one more write and return the new number.

        Raises:
            StoreError: If the lock is not held.
        """
        if not self._writer.is_locked:
            msg = f"{self.path} is not locked"
            raise StoreError(msg)
        generation = self._read()[0] + 1
        file = self._open()
        try:
            os.write(file, b"%012d %012d\n" % (generation, os.getpid()))
        finally:
            os.close(file)
        return generation

    def busy(self) -> bool:
        """Return whether another process, or another index of this one, holds the lock at this moment."""
        if self._writer.is_locked or not Path(self._writer.lock_file).exists():
            return False
        probe = FileLock(self._writer.lock_file, timeout=0)
        try:
            with probe:
                return False
        except Timeout:
            return True
        except OSError:  # a folder that may only be read
            return False

    @contextlib.contextmanager
    def held(self, timeout: float) -> Iterator[None]:
        """Hold the lock; waits up to `timeout` seconds for other processes. The same thread may hold it twice.

        The operating system releases it when the process dies.

        Raises:
            StoreError: If another process still holds it after that time; the message names it.
        """
        while not self._threads.acquire(timeout=CHECK_SECONDS):
            checkpoint()
        try:
            self._acquire(timeout)
            try:
                os.close(self._open())  # there from the first hold on, for whoever opens the folder meanwhile
                yield
            finally:
                self._writer.release()
        finally:
            self._threads.release()

    def _acquire(self, timeout: float) -> None:
        end = time.monotonic() + timeout
        while True:
            left = max(0.0, end - time.monotonic())
            try:
                self._writer.acquire(timeout=min(left, CHECK_SECONDS))
            except Timeout:
                checkpoint()
                if left <= CHECK_SECONDS:
                    break
            else:
                return
        _, pid = self._read()
        msg = (
            f"{self.path.parent} is being written to by another process (last writer: {pid or 'unknown'}); "
            f"waited {timeout:g} seconds: try again when it has finished, or raise lock_timeout"
        )
        raise StoreError(msg)

    def _leave_to_parent(self) -> None:
        """Start without the lock in a forked child, and close its copy of the parent's file, which would keep it."""
        context = self._writer._context
        if context.lock_file_fd is not None:
            os.close(context.lock_file_fd)
            context.lock_file_fd = None  # releasing it would release the parent's lock
        self._writer = FileLock(self._writer.lock_file, thread_local=False)

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o644)

    def _read(self) -> tuple[int, int]:
        try:
            file = os.open(self.path, os.O_RDONLY | _FLAGS)  # every search reads it several times
            try:
                generation, pid = os.read(file, _READ_BYTES).split()[:2]
            finally:
                os.close(file)
            return int(generation), int(pid)
        except (FileNotFoundError, ValueError):
            return 0, 0
