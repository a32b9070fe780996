"""The folders above the file of a record, kept in its metadata so that a store finds what is below a folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import Any, Final

from senseweave.media.forms.local_names import source_path
from senseweave.retrieval.stores.conditions import NAMES, Compare, Condition

ABOVE: Final = "senseweave_above_"
"""Beginning of the names of these values: `senseweave_above_2` is for the second folder of a path."""
FIRST: Final = f"{ABOVE}1"
"""The value of the outermost folder, which is there with all others."""
DEEPEST: Final = 40
"""Folders of a path that have a value; what is below deeper ones is found among what is below this one."""
DIGITS: Final = 12
"""Hexadecimal digits of a folder's number: 48 bits, which every store keeps exactly. Equal numbers are no proof."""


def folder_values(source: str | None) -> dict[str, int]:
    """Return a value for each folder above a source that is a local file, and none for another source."""
    path = source_path(source) if source is not None else None
    above = _above(path)[1 : DEEPEST + 1] if path is not None else []
    return {_name(depth): _number(folder) for depth, folder in enumerate(above, 1)}


def without_folders(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata without the values of `folder_values`, which are the index's alone."""
    if not has_folders(metadata):
        return dict(metadata)
    return {name: value for name, value in metadata.items() if not name.startswith(ABOVE)}


def has_folders(metadata: Mapping[str, Any]) -> bool:
    """Return whether metadata hold values of `folder_values`."""
    return FIRST in metadata


def below(folders: Iterable[str]) -> list[Condition] | None:
    """Return conditions of which one holds for what is below any of these folders, and for hardly anything else.

    Args:
        folders: Absolute paths.

    Returns:
        Conditions, or None if everything may be below them.
    """
    by_depth: dict[int, list[int]] = {}
    for folder in folders:
        path = _above(os.path.join(folder, "file"))[: DEEPEST + 1]
        by_depth.setdefault(len(path) - 1, []).append(_number(path[-1]))
    if 0 in by_depth:
        return None
    return [
        Compare(_name(depth), "in", tuple(numbers[at : at + NAMES]))
        for depth, numbers in by_depth.items()
        for at in range(0, len(numbers), NAMES)
    ]


def is_below(source: str, folders: Iterable[str]) -> bool:
    """Return whether a source is a local file below any of these folders.

    Args:
        source: Path, URL or label.
        folders: Absolute paths, as `os.path.normpath` returns them.
    """
    path = source_path(source)
    return path is not None and not frozenset(_above(path)).isdisjoint(folders)


def _above(path: str) -> list[str]:
    """Return the folders above a path, the root first."""
    return [str(folder) for folder in PurePath(os.path.normpath(path)).parents][::-1]


def _name(depth: int) -> str:
    return f"{ABOVE}{depth}"


@lru_cache(4096)
def _number(folder: str) -> int:
    return int(hashlib.sha256(os.fsencode(folder)).hexdigest()[:DIGITS], 16)
