"""Folders that cannot be written to: Chroma opens its database for writing, so it is given a copy of the database."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
import time
import weakref
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from senseweave.encoders.runtime.disk_cache import cache_folder
from senseweave.errors import StoreError
from senseweave.media.collecting import INDEX_MARK
from senseweave.retrieval.integrity.database import DATABASE
from senseweave.retrieval.integrity.folder import JUDGED_FILE
from senseweave.retrieval.integrity.vector_files import FILES

PREFIX: Final = "read-only-"
"""Beginning of the names of copies in the cache folder."""
IN_USE: Final = "in-use.lock"
"""In a copy, the file that its process keeps locked; a copy that nobody locks was left by a process that was killed."""
NEW_SECONDS: Final = 60.0
"""A copy younger than this may not be locked yet."""
_log = logging.getLogger(__name__)


def is_read_only(folder: Path) -> bool:
    """Return whether a store is on a medium, or belongs to a user, that this process cannot write to."""
    database = folder / DATABASE
    return database.is_file() and not (os.access(folder, os.W_OK) and os.access(database, os.W_OK))


def read_only_error(folder: Path) -> StoreError:
    """Return the error of whoever tries to write to such a folder."""
    return StoreError(
        f"{folder} is read-only: it can be searched, listed, exported and verified, but nothing can be added, deleted "
        "or repaired; copy the folder to a place that you can write to, and open the copy"
    )


class ReadOnlyCopy:
    """A folder that Chroma can open: a copy of the database, with links to the vector files.

    Attributes:
        folder: Where it is. It is removed when the copy is closed or collected, or the process ends.
    """

    def __init__(self, original: Path) -> None:
        """Copy the database of a folder to the cache folder.

        Raises:
            StoreError: If there is no room for it.
        """
        parent = _cache()
        _remove_abandoned(parent)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock = FileLock(self.folder / IN_USE, thread_local=False)
        self._lock.acquire()
        self._finalizer = weakref.finalize(self, _remove, self.folder, self._lock, os.getpid())
        try:
            copied = sum(_copy(path, self.folder) for path in sorted(original.iterdir()))
        except OSError as error:
            self.close()
            msg = f"{original} is read-only, and its database cannot be copied to {parent} ({error.strerror})"
            raise StoreError(msg) from error
        _log.info("%s is read-only: opened with a copy of its database (%d bytes) in %s", original, copied, parent)

    def close(self) -> None:
        """Remove the copy."""
        self._finalizer()


def _cache() -> Path:
    """Return the folder for copies: the user's cache, or where that cannot be written to, that for temporary files."""
    place = cache_folder()
    if place is not None:
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            if os.access(place, os.W_OK):
                return place
    return Path(tempfile.gettempdir())


def _copy(path: Path, into: Path) -> int:
    """Copy a file of the database, or link a folder of vector files, and return the number of bytes copied."""
    if path.is_file() and (path.name.startswith(DATABASE) or path.name in (INDEX_MARK, JUDGED_FILE)):
        shutil.copyfile(path, into / path.name)
        return path.stat().st_size
    if path.is_dir() and any((path / name).exists() for name in FILES):
        try:
            (into / path.name).symlink_to(path, target_is_directory=True)
        except OSError:  # Windows wants a privilege for it
            shutil.copytree(path, into / path.name)
    return 0


def _remove(folder: Path, lock: FileLock, process: int) -> None:
    if os.getpid() != process:  # a forked child; the copy is its parent's
        return
    lock.release()
    shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            if time.time() - folder.stat().st_mtime < NEW_SECONDS:
                continue
            with FileLock(folder / IN_USE, timeout=0):
                pass
        except (Timeout, OSError):
            continue
        shutil.rmtree(folder, ignore_errors=True)
