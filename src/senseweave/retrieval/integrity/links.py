"""Refuse links among the files of a store: whoever made the folder would choose the files that are written to."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from senseweave.display import printable
from senseweave.errors import StoreError

_OWN: Final = re.compile(r"chroma\.sqlite3|senseweave\.|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
"""Names of what Chroma and an index keep in a folder; a vector segment is a folder named by a UUID."""


def check_links(folder: Path) -> None:
    """Check that no file of a Chroma store or an index is a link; other files may lie in the folder too.

    Raises:
        StoreError: If one is; the message names it.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if _OWN.match(entry.name):
                _check(folder, entry)
                if entry.is_dir(follow_symlinks=False):
                    check_all_links(Path(entry.path), folder)


def check_all_links(folder: Path, store: Path | None = None) -> None:
    """Check that nothing in a folder, or in its folders, is a link.

    Args:
        folder: In which there are files of a store alone.
        store: What an error calls the store; None for `folder`.

    Raises:
        StoreError: If something is; the message names it.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            _check(store or folder, entry)
            if entry.is_dir(follow_symlinks=False):
                check_all_links(Path(entry.path), store or folder)


def _check(folder: Path, entry: os.DirEntry[str]) -> None:
    if entry.is_symlink():
        name = printable(os.path.relpath(entry.path, folder))
        msg = (
            f"{folder}: {name} is a link; a store keeps its files in its own folder, since whoever made it could "
            "choose by links which of your files are written to: put the file itself there"
        )
        raise StoreError(msg)
