"""Replace a folder by a rebuilt one, whole: a process that is killed at any moment leaves the old or the new."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

from senseweave.errors import StoreError
from senseweave.retrieval.integrity.database import DATABASE
from senseweave.retrieval.stores.lock import FolderLock

MARK: Final = "senseweave.repair.lock"
"""In the new and the old folder of a repair, so that no folder of anybody else's is taken for one."""
BUILDING, WHOLE, REPLACED = "building", "whole", "replaced"


def new_folder(folder: Path) -> Path:
    """Make the empty folder in which another is rebuilt, beside it.

    Raises:
        StoreError: If it cannot be made.
    """
    beside = _new(folder)
    try:
        if _state(beside):
            shutil.rmtree(beside)
        beside.mkdir()
        _write(beside, BUILDING)
    except OSError as error:
        msg = f"{folder} is rebuilt in {beside}, which cannot be made ({error.strerror}): its parent must be writable"
        raise StoreError(msg) from error
    return beside


def swap(folder: Path) -> None:
    """Put the rebuilt folder in the place of the old one, which is removed at the end.

    Raises:
        StoreError: If the old folder cannot be moved; it is then as it was.
    """
    beside, old = _new(folder), _old(folder)
    try:
        _write(beside, WHOLE)
        _write(folder, REPLACED)
        folder.rename(old)
    except OSError as error:
        (folder / MARK).unlink(missing_ok=True)
        msg = f"{folder} cannot be moved aside ({error.strerror}); the rebuilt folder is {beside}"
        raise StoreError(msg) from error
    finish_swap(folder)


def discard(folder: Path) -> None:
    """Remove what a failed repair has built."""
    if _state(_new(folder)):
        shutil.rmtree(_new(folder), ignore_errors=True)


def finish_swap(folder: Path) -> None:
    """Complete or undo a repair of a folder that was interrupted, if there was one."""
    beside, old = _new(folder), _old(folder)
    there, built, replaced = (folder / DATABASE).exists(), _state(beside), _state(old)
    if not built and not replaced:
        return
    with contextlib.suppress(OSError):  # another process may be completing it too
        if not there and replaced:
            (beside if built == WHOLE else old).rename(folder)
            (folder / MARK).unlink(missing_ok=True)
            there = (folder / DATABASE).exists()
        if there and _state(old):
            (folder / MARK).unlink(missing_ok=True)
            shutil.rmtree(old, ignore_errors=True)
        if there and _state(beside) and not FolderLock(folder).busy():
            shutil.rmtree(beside, ignore_errors=True)
            (folder / MARK).unlink(missing_ok=True)


def _new(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.senseweave-rebuilt")


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.senseweave-replaced")


def _state(folder: Path) -> str:
    try:
        return (folder / MARK).read_text()
    except OSError:
        return ""


def _write(folder: Path, state: str) -> None:
    with (folder / MARK).open("w") as file:
        file.write(state)
        file.flush()
        os.fsync(file.fileno())
