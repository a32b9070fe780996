"""The files in an index's folder that hold its words: their names, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from senseweave.retrieval.search.sqlite_file import find_fault, locate_file
from senseweave.retrieval.search.words.sqlite_index import SqliteWords

WORDS_FILE: Final = "senseweave.words"
"""Beginning of their names; each prefix of collections has its own."""


def words_path(folder: Path, prefix: str = "") -> Path:
    """Return where the words of the collections of a prefix are kept in a folder."""
    return locate_file(folder, WORDS_FILE, prefix)


def word_files(folder: Path) -> list[Path]:
    """Return the files of words in a folder."""
    return sorted(folder.glob(f"{WORDS_FILE}*.sqlite3"))


def words_fault(path: Path) -> str | None:
    """Return what is wrong with a file of words, or None."""
    return find_fault(SqliteWords, path)
