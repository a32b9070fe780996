"""The files in an index's folder that hold its words: their names, what is wrong with them, and their end."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from senseweave.retrieval.search.words.sqlite_index import SqliteWords

WORDS_FILE: Final = "senseweave.words"
"""Beginning of their names; each prefix of collections has its own."""


def words_path(folder: Path, prefix: str = "") -> Path:
    """Return where the words of the collections of a prefix are kept in a folder."""
    middle = f".{quote(prefix, safe='')}" if prefix else ""
    return folder / f"{WORDS_FILE}{middle}.sqlite3"


def word_files(folder: Path) -> list[Path]:
    """Return the files of words in a folder."""
    return sorted(folder.glob(f"{WORDS_FILE}*.sqlite3"))


def remove_words(path: Path) -> None:
    """Remove a file of words, and what SQLite keeps beside it during a change."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)


def words_fault(path: Path) -> str | None:
    """Return what is wrong with a file of words, or None."""
    try:
        with contextlib.closing(SqliteWords(path)) as index:
            return index.check()
    except sqlite3.Error as error:
        return str(error)
