"""Judge the folder of a local index when it is opened, before anything in it is trusted."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from senseweave.errors import StoreError
from senseweave.retrieval.integrity.child import judge_in_child
from senseweave.retrieval.integrity.database import Database, RawCollection, open_database
from senseweave.retrieval.integrity.vector_files import (
    FILES,
    IDS,
    DamageError,
    UnreadableError,
    read_header,
)

JUDGED_FILE: Final = "senseweave.judged.json"
"""Which vector files were found whole: their sizes, inodes and times, as they were then."""
CLOCK_STEP: Final = 0.05
"""Seconds by which the times of files may lag behind the clock."""
Stamp = list[list[int]]
"""Size, inode, and times of change of each file of a segment."""


def check_folder(folder: Path, named: Path | None = None, *, busy: bool = False) -> None:
    """Check that the files of a folder are all there, and that those that have changed can be loaded.

    Counts are compared each time. Vector files that are not known are loaded in a child first.

    Args:
        folder: Of the store.
        named: What an error calls it, where `folder` is a copy.
        busy: Whether another process writes at this moment: it has loaded the files, and they are changing.

    Raises:
        StoreError: If something is missing or damaged, in one line.
    """
    try:
        with open_database(folder) as database:
            collections = _collections(database, folder)
            counts = {
                collection.id: (database.count(collection), database.count_queued(collection))
                for collection in collections
            }
        for collection in collections:
            _check_counts(folder, collection, *counts[collection.id])
        changed = _changed(folder, collections)
        if changed and not busy:
            judge_in_child(folder, [collection for collection in collections if collection.vectors in changed])
            remember(folder, changed)
    except UnreadableError as error:
        msg = (
            f"{named or folder}: the Chroma store cannot be read ({error}); restore it from an export or a backup, "
            "or delete it and add everything again"
        )
        raise StoreError(msg) from error
    except DamageError as error:
        raise StoreError(damage_message(named or folder, str(error))) from error


def damage_message(folder: Path, reason: str) -> str:
    """Return one line that says what is wrong with a folder, and how it is repaired."""
    return (
        f"{folder}: {reason}; the folder is damaged, or was copied or restored in part: rebuild it with "
        f"`senseweave repair {folder}`, in Python senseweave.Index({str(folder)!r}, check=False).repair(), "
        "or restore all of it from a backup"
    )


def remember(folder: Path, stamps: Mapping[str, Stamp]) -> None:
    """Note that vector files are whole as they are; a folder that cannot be written to is judged again next time."""
    known = {**_known(folder), **stamps}
    kept = {name: stamp for name, stamp in known.items() if (folder / name).is_dir()}
    beside = folder / f"{JUDGED_FILE}.{os.getpid()}"
    try:
        beside.write_text(json.dumps(kept))
        beside.replace(folder / JUDGED_FILE)
    except OSError:
        beside.unlink(missing_ok=True)


def remember_own(folder: Path, since: float) -> None:
    """Note the vector files that this process has written, so that whoever opens them next need not judge them.

    Args:
        folder: Of the store; the caller holds its lock.
        since: When the lock was taken, in seconds since 1970. Files that changed before are not this process's.
    """
    known, since = _known(folder), since - CLOCK_STEP
    stamps = {
        path.parent.name: _stamp(path.parent) for path in folder.glob(f"*/{IDS}") if path.stat().st_mtime >= since
    }
    if any(known.get(name) != stamp for name, stamp in stamps.items()):
        remember(folder, stamps)


def _collections(database: Database, folder: Path) -> list[RawCollection]:
    if database.is_empty():
        if any(folder.glob("*/header.bin")):
            msg = "chroma.sqlite3 is empty, but there are vector files"
            raise DamageError(msg)
        return []
    if missing := database.missing_tables():
        msg = f"chroma.sqlite3 lacks the tables {', '.join(missing)}"
        raise DamageError(msg)
    return database.collections()


def _check_counts(folder: Path, collection: RawCollection, records: int, queued: int) -> None:
    """Check that a collection's files and the queue can hold a vector for each of its records.

    Raises:
        DamageError: If they cannot.
    """
    if collection.vectors is None:
        msg = f"collection {collection.name!r} has no vector segment in chroma.sqlite3"
        raise DamageError(msg)
    segment = folder / collection.vectors
    held = 0
    if collection.saved is not None or (segment / IDS).exists():
        missing = [name for name in FILES if not (segment / name).is_file()]
        if missing:
            where = f"its vector folder {collection.vectors}" + (
                " lacks " + ", ".join(missing) if segment.is_dir() else " is missing"
            )
            msg = f"collection {collection.name!r} has {records} records, but {where}"
            raise DamageError(msg)
        try:
            held = read_header(segment).count
        except DamageError as error:
            msg = f"collection {collection.name!r}: {collection.vectors}/{error}"
            raise DamageError(msg) from error
    if records > held + queued:
        msg = (
            f"collection {collection.name!r} has {records} records, but vectors for at most {held + queued} "
            f"({held} in {collection.vectors}, {queued} in the queue)"
        )
        raise DamageError(msg)


def _changed(folder: Path, collections: list[RawCollection]) -> dict[str, Stamp]:
    """Return the segments whose files are not known to be whole, as they are now."""
    known = _known(folder)
    saved = [c.vectors for c in collections if c.vectors is not None and (folder / c.vectors / IDS).exists()]
    stamps = {name: _stamp(folder / name) for name in saved}
    return {name: stamp for name, stamp in stamps.items() if known.get(name) != stamp}


def _known(folder: Path) -> dict[str, Any]:
    try:
        known = json.loads((folder / JUDGED_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _stamp(segment: Path) -> Stamp:
    stamps = []
    for name in FILES:
        try:
            found = (segment / name).stat()
        except OSError:
            stamps.append([-1])
            continue
        # The time of the last change of the inode cannot be set, so that a stranger's folder cannot bring it along.
        stamps.append([found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns])
    return stamps
