"""Keeps the graphs in the cache folder below a size: what was used longest ago goes, and nothing that is in use.

A process that uses an entry keeps a file of its own locked, which the operating system unlocks when the process ends,
however it ends. Such files are made, and entries are taken out of their places, by one process at a time; an entry
leaves its place by being renamed, so that it is whole or gone.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from senseweave.encoders.runtime.disk_cache import cache_folder
from senseweave.errors import SenseweaveError
from senseweave.forking import abandon
from senseweave.redaction import quoted

LIMIT_VARIABLE: Final = "SENSEWEAVE_CACHE_GB"
"""Environment variable for the most that graphs may take on disk, in gigabytes of 10^9 bytes."""
USUAL_GIGABYTES: Final = 10.0
USES: Final = "uses"
"""Folder of the files that processes keep locked."""
_TURN: Final = ".turn.lock"
_GONE: Final = ".evicted-"
_PARTIAL: Final = ".partial-"
_used: dict[Path, Path] = {}
"""Of the entries that this process uses, the file that it keeps locked."""


@dataclass(frozen=True)
class _Kept:
    folder: Path
    size: int
    used: float


def graphs_folder() -> Path | None:
    """Return the folder of all graphs, or None if the cache is turned off."""
    folder = cache_folder()
    return None if folder is None else folder / "graphs"


def most_bytes() -> int:
    """Return how much graphs may take on disk.

    Raises:
        SenseweaveError: If the environment variable holds no number.
    """
    named = os.environ.get(LIMIT_VARIABLE) or str(USUAL_GIGABYTES)
    try:
        gigabytes = float(named)
    except ValueError:
        gigabytes = math.nan
    if not (math.isfinite(gigabytes) and gigabytes >= 0):
        msg = f"{LIMIT_VARIABLE} must be a number of gigabytes from 0, such as {USUAL_GIGABYTES:g}, not {quoted(named)}"
        raise SenseweaveError(msg)
    return int(gigabytes * 1e9)


def keep_in_use(root: Path, entry: Path) -> None:
    """Keep an entry in its place until this process ends, and note that it was used now.

    Called before the entry is read: what is there then, stays. Where the folder cannot be written to, nothing is kept,
    and by this user nothing is evicted.

    Args:
        root: The folder of all graphs.
        entry: The place of the entry.
    """
    with contextlib.suppress(OSError):
        known = _used.get(entry)
        if known is None or not known.exists():
            uses = root / USES
            uses.mkdir(parents=True, exist_ok=True)
            file = uses / f"{_label(entry)}.{uuid.uuid4().hex}.lock"
            lock = FileLock(file)
            with FileLock(root / _TURN):
                _is_used(root, entry)  # which removes what ended processes have left
                lock.acquire()
            abandon(lock)  # a forked child that ended would release its parent's
            _used[entry] = file
        if entry.is_dir():
            os.utime(entry)


def evict(root: Path) -> None:
    """Remove graphs until the others take no more than they may, those first that were used longest ago."""
    limit = most_bytes()
    with contextlib.suppress(OSError):
        _remove_left(root)
        kept = list(_entries(root))
        left = sum(entry.size for entry in kept)
        for entry in sorted(kept, key=lambda entry: entry.used):
            if left <= limit:
                return
            if _remove(root, entry.folder):
                left -= entry.size


def describe_cache() -> dict[str, Any]:
    """Return the cache folder, its size in bytes, and number, size and limit of the graphs; the folder may be None."""
    folder, root = cache_folder(), graphs_folder()
    graphs = list(_entries(root)) if root is not None else []
    return {
        "folder": None if folder is None else str(folder),
        "bytes": 0 if folder is None else _size(folder),
        "graphs": len(graphs),
        "graph_bytes": sum(entry.size for entry in graphs),
        "graph_bytes_limit": most_bytes(),
    }


def _entries(root: Path) -> Iterator[_Kept]:
    """Yield the entries, and what a killed process left of one that it was making."""
    for folder in root.glob("*/*"):
        if folder.is_dir() and folder.parent.name != USES and not folder.parent.name.startswith(_GONE):
            with contextlib.suppress(OSError):  # another process removes it at this moment
                yield _Kept(folder, _size(folder), folder.stat().st_mtime)


def _remove(root: Path, entry: Path) -> bool:
    """Remove an entry and return True, unless it is being made or used."""
    place = entry
    if entry.name.startswith(_PARTIAL):
        place = entry.with_name(entry.name.removeprefix(_PARTIAL).rpartition("-")[0])
    gone = root / f"{_GONE}{uuid.uuid4().hex}"
    try:
        with FileLock(f"{place}.lock", timeout=0), FileLock(root / _TURN):
            if place == entry and _is_used(root, entry):
                return False
            entry.rename(gone)
    except (Timeout, OSError):
        return False
    shutil.rmtree(gone, ignore_errors=True)
    return True


def _is_used(root: Path, entry: Path) -> bool:
    """Return whether a process uses an entry; files of processes that have ended are removed."""
    used = False
    for file in (root / USES).glob(f"{_label(entry)}.*.lock"):
        try:
            with FileLock(file, timeout=0):
                pass
        except Timeout:
            used = True
        else:
            file.unlink(missing_ok=True)
    return used


def _remove_left(root: Path) -> None:
    """Remove what processes that were killed while they removed an entry have left."""
    for folder in root.glob(f"{_GONE}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _label(entry: Path) -> str:
    return f"{entry.parent.name}.{entry.name}"


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            size += path.stat().st_size if path.is_file() else 0
    return size
