"""A SQLite database in a file beside an index or in memory: how it is opened, changed, checked and removed."""

# ruff: noqa: S608  (the table of values is named by the class, not by data)

from __future__ import annotations

import contextlib
import json
import math
import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import quote

from senseweave.forking import RLock, forks
from senseweave.retrieval.calibration.statistics import Statistics

WAIT: Final = 600.0
"""Seconds to wait for another process that makes or changes the file: making it oneself would take as long."""


class SqliteFile(ABC):
    """A database whose tables follow the records of a store. Safe to use from several threads.

    Attributes:
        values_table: The table of single values by their names: the format, and the stamp of the store.
    """

    values_table: ClassVar[str]

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        """Open a file, which is made unless it is there.

        Args:
            path: Of the file; None for memory.
            read_only: Whether the file is only read.

        Raises:
            sqlite3.Error: If it cannot be opened, or is damaged or of another version.
        """
        self.path = path
        self.read_only = read_only
        self._guard = RLock()
        place = ":memory:" if path is None else f"{path.as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._connection = sqlite3.connect(
            place, uri=path is not None, timeout=WAIT, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise
        self._forks = forks()
        self._identity = _identity(path)

    @property
    def is_inherited(self) -> bool:
        """Whether it was opened before this process was forked, by its parent."""
        return self._forks != forks()

    @property
    def is_replaced(self) -> bool:
        """Whether the file was removed, or another was put in its place."""
        return _identity(self.path) != self._identity

    @contextmanager
    def changing(self, wait: float = WAIT) -> Iterator[None]:
        """Be the only one who changes the file; what was changed is kept if no error is raised.

        Args:
            wait: Seconds to wait for another process that changes it.

        Raises:
            sqlite3.OperationalError: If it takes longer, or the disk is full.
        """
        with self._guard:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute(f"PRAGMA busy_timeout = {int(wait * 1000)}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.execute("COMMIT")

    @property
    def stamp(self) -> str:
        """What the store was like when the file was brought up to date; empty if it never was."""
        return self._value("stamp") or ""

    def set_stamp(self, stamp: str) -> None:
        """Note what the store is like now that the file is up to date."""
        self._set_value("stamp", stamp)

    @abstractmethod
    def check(self) -> str | None:
        """Return what is wrong with the file, or None."""

    def close(self) -> None:
        """Close the file."""
        with self._guard:
            self._connection.close()

    @abstractmethod
    def _prepare(self) -> None:
        """Make the tables unless they are there, and check the format."""

    def _check_format(self, expected: str) -> None:
        if (version := self._value("format")) != expected:
            msg = f"format {version}; this version writes {expected}"
            raise sqlite3.DatabaseError(msg)

    def _quick_check(self) -> str | None:
        return next((str(fault) for (fault,) in self._all("PRAGMA quick_check(1)") if fault != "ok"), None)

    def _value(self, name: str) -> str | None:
        found = self._all(f"SELECT value FROM {self.values_table} WHERE name = ?", [name])
        return str(found[0][0]) if found else None

    def _set_value(self, name: str, value: str) -> None:
        with self._guard:
            self._connection.execute(f"INSERT OR REPLACE INTO {self.values_table} VALUES (?, ?)", (name, value))

    def _all(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._guard:
            return self._connection.execute(statement, values).fetchall()


def locate_file(folder: Path, beginning: str, prefix: str, *more: str) -> Path:
    """Return the path of a file in the folder of an index; each prefix of collections has its own.

    Args:
        folder: Of the index.
        beginning: Of the file's name.
        prefix: Of the collections.
        more: Further parts of the name.
    """
    parts = [quote(part, safe="") for part in ([prefix] if prefix else []) + list(more)]
    return folder / f"{'.'.join([beginning, *parts])}.sqlite3"


def find_fault(kind: type[SqliteFile], path: Path) -> str | None:
    """Return what is wrong with a file of some kind, or None."""
    try:
        with contextlib.closing(kind(path)) as file:
            return file.check()
    except sqlite3.Error as error:
        return str(error)


def read_statistics(written: str | None) -> Statistics | None:
    """Return statistics that a file holds as JSON; None if there are none.

    Raises:
        sqlite3.DatabaseError: If they are damaged.
    """
    try:
        values = json.loads(written) if written else None
        statistics = Statistics.from_dict(values) if values else None
        figures = statistics.to_dict() if statistics is not None else {}
        if all(math.isfinite(figure) for name, figure in figures.items() if name != "origin"):
            return statistics
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    msg = "the statistics of a collection are damaged"
    raise sqlite3.DatabaseError(msg)


def remove_file(path: Path) -> None:
    """Remove a file, and what SQLite keeps beside it during a change."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Return what tells a file from another that was put in its place, or None if there is none."""
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
