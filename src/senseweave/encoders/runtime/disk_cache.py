"""Arrays that are costly to compute and always come out the same, kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

CACHE_VARIABLE = "SENSEWEAVE_CACHE"
"""Environment variable that names the cache folder; empty turns the cache off."""


def cache_folder() -> Path | None:
    """The cache folder: `$SENSEWEAVE_CACHE`, else `senseweave` in the user's cache folder; None if turned off."""
    named = os.environ.get(CACHE_VARIABLE)
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "senseweave"


def cached_array(key: Mapping[str, object], compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the array of a key, computing it where it is not stored, or is stored damaged.

    Args:
        key: All that decides the array.
        compute: Makes it.

    Returns:
        What `compute` returned, now or in an earlier process. A folder that cannot be written to changes nothing.
    """
    folder = cache_folder()
    if folder is None:
        return compute()
    canonical = json.dumps(key, sort_keys=True, default=str)
    path = folder / f"{hashlib.sha256(canonical.encode()).hexdigest()}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        stored: np.ndarray = np.load(path, allow_pickle=False)
        if stored.size and np.isfinite(stored).all():
            return stored
    array = compute()
    with contextlib.suppress(OSError):
        _store(path, array)
    return array


def _store(path: Path, array: np.ndarray) -> None:
    """Write the file in one step, so that no process ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, array, allow_pickle=False)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
