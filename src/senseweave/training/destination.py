"""Where a trained model is saved: checked before the training, which may take hours."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

TEMPORARY: Final = ".senseweave-"
"""Begins the name of a file that is being written; a kill leaves it."""


def check_destination(folder: Path, files: Collection[str] = ()) -> None:
    """Check that a model can be saved in a folder.

    Args:
        folder: A folder that is new, empty, or holds an earlier result.
        files: Names of what an earlier result consists of.

    Raises:
        FileExistsError: If it holds something else.
        OSError: If it cannot be made or written to.
    """
    if folder.exists() or folder.is_symlink():
        others = [path.name for path in folder.iterdir() if path.name not in files] if folder.is_dir() else ["a file"]
        others = sorted(name for name in others if not name.startswith(TEMPORARY))
        if others:
            msg = f"{folder} holds something else ({', '.join(others[:3])}); name a new folder"
            raise FileExistsError(msg)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        msg = f"{folder} cannot be made: {there} is a file"
        raise NotADirectoryError(msg)
    try:
        Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=there)).rmdir()
    except OSError as error:
        raise OSError(error.errno, f"cannot be made or written to ({error.strerror})", str(folder)) from error
