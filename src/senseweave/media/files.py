"""Write files that no reader ever sees half written."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its final name and then move it there; the folders above it are created.

    Args:
        path: The final name.
        write: Writes the content to an open file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def keep_bytes(data: bytes, folder: Path, suffix: str = "") -> Path:
    """Return the file of a folder that is named after the SHA-256 of its content; it is written if it is missing.

    Args:
        data: The content.
        folder: Where the files lie, in subfolders named after the first two digits.
        suffix: Of the file name, for example `.png`.
    """
    name = hashlib.sha256(data).hexdigest()
    path = folder.absolute() / name[:2] / f"{name}{suffix}"
    if not (path.is_file() and path.stat().st_size == len(data)):
        write_file(path, lambda file: file.write(data))
    return path


def is_kept(path: object) -> bool:
    """Return whether something is the path of a file that `keep_bytes` wrote, as its name and folder say."""
    if not isinstance(path, Path) or not re.fullmatch("[0-9a-f]{64}", path.stem):
        return False
    return path.stem[:2] == path.parent.name
