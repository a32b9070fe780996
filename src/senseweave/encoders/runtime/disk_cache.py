"""Arrays that are costly to compute and never change, kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import platformdirs

from senseweave.media.files import write_file

CACHE_VARIABLE = "SENSEWEAVE_CACHE"
"""Environment variable that names the cache folder; empty turns the cache off."""


def cache_folder() -> Path | None:
    """Return `$SENSEWEAVE_CACHE`, else `senseweave` in the platform's user cache folder; None if turned off."""
    return chosen_folder(CACHE_VARIABLE, platformdirs.user_cache_path("senseweave", appauthor=False))


def chosen_folder(variable: str, usual: Path) -> Path | None:
    """Return the folder that an environment variable names, the usual one if it is not set, None if it is empty."""
    named = os.environ.get(variable)
    if named is None:
        return usual
    return Path(named) if named else None


def cached_array(key: Mapping[str, object], compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the array stored under `key`, computing and storing it if it is missing or damaged.

    Args:
        key: Everything that decides the array's values; must be JSON-serializable or have a stable `str`.
        compute: Computes the array.

    Returns:
        The array that `compute` returned, now or in an earlier process. If the folder cannot be written to, the array
        is computed each time.
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
        write_file(path, lambda file: np.save(file, array, allow_pickle=False))
    return array
