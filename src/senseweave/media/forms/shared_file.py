"""One open file that several readers share, each at a position of its own."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from typing import Any, BinaryIO, Final, cast

from senseweave.forking import Lock

BUFFER: Final = 1 << 16
"""Bytes that a reader asks of the file at a time."""


class SharedFile:
    """A file that is opened for its first reader, and closed when its last reader and its owner have let go of it."""

    def __init__(self, opener: Callable[[], BinaryIO]) -> None:
        """Share what `opener` opens; nothing is opened yet."""
        self._opener = opener
        self._lock = Lock()
        self._file: BinaryIO | None = None
        self._size = 0
        self._users = 1

    def reader(self) -> BinaryIO | None:
        """Return a new binary file at position 0, or None if the file is closed.

        It ends where the file ended when it was opened.

        Raises:
            MediaError: If the file cannot be opened.
        """
        with self._lock:
            if not self._users:
                return None
            if self._file is None:
                self._file = self._opener()
                self._size = os.fstat(self._file.fileno()).st_size
            self._users += 1
        return cast(BinaryIO, io.BufferedReader(_Reader(self), BUFFER))

    def release(self) -> None:
        """Let go of the file: for the owner, or for a reader that is closed."""
        with self._lock:
            self._users -= 1
            if not self._users and self._file is not None:
                self._file.close()
                self._file = None

    def read_into(self, buffer: Any, position: int) -> int:
        """Fill a buffer from a position of the file, and return the number of bytes."""
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._size - position))
        file = self._file
        assert file is not None
        if hasattr(os, "pread"):  # has no position, which a forked child would share
            data = os.pread(file.fileno(), wanted, position)
        else:
            with self._lock:
                file.seek(position)
                data = file.read(wanted)
        view[: len(data)] = data
        return len(data)

    def end(self) -> int:
        """Return the position behind the last byte."""
        return self._size


class _Reader(io.RawIOBase):
    """A reader of a shared file."""

    def __init__(self, shared: SharedFile) -> None:
        self._shared = shared
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._shared.read_into(buffer, self._position)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._shared.end()}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # as any file does; zipfile waits for it
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            self._shared.release()
        super().close()
