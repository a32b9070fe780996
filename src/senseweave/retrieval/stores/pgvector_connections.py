"""A bounded number of connections to one PostgreSQL database, without threads, so that a forked child starts anew.

`psycopg_pool` opens connections in threads of its own, which a forked child lacks, and says of a server that is down
nothing but that time ran out.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus

from senseweave.errors import StoreError
from senseweave.forking import abandon, call_in_child

T = TypeVar("T")
Connection: TypeAlias = psycopg.Connection[Any]

DEFAULTS: Final = {"connect_timeout": 10, "application_name": "senseweave"}
"""Seconds to wait for a server, which libpq does for minutes, and the name under which the server lists connections."""
PAUSES: Final = (0.05, 0.2, 0.5, 1.0)
"""Seconds before work is begun again that a server which restarts, or another writer, has ended."""
PASSING: Final = ("40001", "40P01", "57P01", "57P02", "57P03")
"""SQLSTATE of such ends: serialization, deadlock, the server stops or starts."""
SECRETS: Final = ("password", "sslpassword")
SHORTEST_SECRET: Final = 4
"""Characters of a password that is hidden in errors; a shorter one would hide parts of words."""
_DRIVER: Final = re.compile(r"^(postgres(?:ql)?)\+\w+(?=://)")
"""SQLAlchemy's way to name a driver."""


class Address:
    """Where a database is and how to log in; shown without the password."""

    def __init__(self, url: str) -> None:
        """Read a connection string of PostgreSQL.

        Args:
            url: `postgresql://user:password@host:5432/database`, or `host=... dbname=...`; what it leaves out comes
                from libpq's variables (`PGPASSWORD`) and files (`~/.pgpass`).

        Raises:
            StoreError: If it is none.
        """
        try:
            self.options: dict[str, Any] = {**DEFAULTS, **conninfo_to_dict(_DRIVER.sub(r"\1", url))}
            is_readable = not _is_misread(url, self.options)
        except (psycopg.ProgrammingError, UnicodeError):
            is_readable = False
        if not is_readable:
            # Outside the handler: the error repeats the string, which may hold a password.
            msg = (
                "this connection string cannot be read; a store in PostgreSQL takes 'host=... port=5432 dbname=... "
                "user=... password=...' or a postgresql:// URL, in which characters such as @ and / of a password are "
                "written as %40 and %2F"
            )
            raise StoreError(msg)

    @property
    def place(self) -> str:
        """Host, port and database, as in a URL."""
        given = self.options
        host = given.get("host") or given.get("hostaddr") or os.environ.get("PGHOST") or "localhost"
        port = given.get("port") or os.environ.get("PGPORT") or "5432"
        user = given.get("user") or os.environ.get("PGUSER") or ""
        return f"{_places(host, port)}/{given.get('dbname') or os.environ.get('PGDATABASE') or user}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords, as they are and as a URL has them, the longest first."""
        given = [str(self.options[name]) for name in SECRETS if self.options.get(name)]
        found = {form for secret in given for form in (secret, quote(secret, safe=""), quote(secret))}
        return tuple(sorted((form for form in found if len(form) >= SHORTEST_SECRET), key=len, reverse=True))

    def connect(self) -> Connection:
        """Return a new connection, on which every statement is a transaction unless one is begun.

        Nothing is prepared on the server: plans made for any parameter would not use the indexes, and poolers such as
        PgBouncer give the next statement another session.
        """
        return psycopg.connect(**self.options, autocommit=True, prepare_threshold=None)


class Database:
    """A database, and connections to it that are lent to one thread at a time and opened when they are needed."""

    def __init__(self, address: Address, most: int, prepare: Callable[[Connection], None]) -> None:
        """Open nothing yet.

        Args:
            address: Of the database.
            most: Connections at a time; who needs a further one waits.
            prepare: Called with every new connection.
        """
        self.address = address
        self.is_closed = False
        self._most = most
        self._prepare = prepare
        self._begin()
        call_in_child(self._leave_to_parent)

    def run(self, work: Callable[[Connection], T], *, transaction: bool = False, patient: bool = True) -> T:
        """Return what work with a connection returns, begun again where that may help: all work may be repeated.

        Args:
            work: What to do.
            transaction: Whether all statements count together or none does; else each is a transaction.
            patient: Whether to try again where the server does not answer.
        """
        for pause in (*(PAUSES if patient else ()), None):
            try:
                with self.transaction() if transaction else self._lent() as connection:
                    return work(connection)
            except psycopg.OperationalError as error:
                if pause is None or error.sqlstate not in (None, *PASSING):
                    raise
                time.sleep(pause)
        raise AssertionError

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection whose statements count together at the end, or not at all after an error."""
        with self._lent() as connection, connection.transaction():
            yield connection

    @contextlib.contextmanager
    def _lent(self) -> Iterator[Connection]:
        """Lend a connection; one that is lost, or left inside a transaction, is closed afterwards."""
        if self.is_closed:
            msg = "this index is closed"
            raise StoreError(msg)
        idle, free = self._idle, self._free
        with free:
            connection = _pop(idle) or self._open()
            try:
                yield connection
            finally:
                if connection.info.transaction_status is TransactionStatus.IDLE and not self.is_closed:
                    idle.append(connection)
                else:
                    connection.close()
                    if connection.broken:
                        _close_all(idle)  # a server that restarted has closed them too

    def close(self) -> None:
        """Close the idle connections now, and those that are lent when they come back."""
        self.is_closed = True
        _close_all(self._idle)

    def _leave_to_parent(self) -> None:
        """Begin anew in a forked child: what it would send over the parent's connections would end them."""
        abandon(self._idle)
        self._begin()

    def _begin(self) -> None:
        self._idle: list[Connection] = []
        self._free = threading.BoundedSemaphore(self._most)

    def _open(self) -> Connection:
        connection = self.address.connect()
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _places(hosts: str, ports: str) -> str:
    """Return hosts with their ports as a URL has them: a port may be that of all, and a host the folder of a socket."""
    listed = hosts.split(",")
    known = ports.split(",")
    return ",".join(
        f"{f'[{host}]' if ':' in host else quote(host, safe='')}:{port}"
        for host, port in zip(listed, known * len(listed) if len(known) == 1 else known, strict=False)
    )


def _is_misread(url: str, options: dict[str, Any]) -> bool:
    """Return whether a part of a password was taken for a port, host or database: it has characters such as / and @."""
    if "://" not in url:
        return False
    return bool(re.search(r"[^\d,]", str(options.get("port", "")))) or any(
        "@" in options.get(name, "") for name in ("host", "dbname")
    )


def _pop(idle: list[Connection]) -> Connection | None:
    with contextlib.suppress(IndexError):  # another thread may take the last one in between
        return idle.pop()
    return None


def _close_all(idle: list[Connection]) -> None:
    while (connection := _pop(idle)) is not None:
        connection.close()
