"""Where a Qdrant store is, and how its client is opened: a server by URL, a folder, memory, or a client."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from senseweave.errors import StoreError
from senseweave.extras import require
from senseweave.redaction import has_secret, without_secrets
from senseweave.retrieval.integrity.links import check_all_links
from senseweave.retrieval.stores.addresses import is_address
from senseweave.retrieval.stores.filter_size import shown

MEMORY: Final = ":memory:"
ADDRESS: Final = "qdrant+"
"""Before the URL of a server in its address, which the commands take; `http://host` alone is a Chroma server there."""
CATALOG: Final = "meta.json"
"""The file that every folder of local Qdrant holds."""
POINTS: Final = "storage.sqlite"
TABLE: Final = "CREATE TABLE points (id TEXT PRIMARY KEY, point BLOB)"
"""As Qdrant makes it. A view of that name could answer differently each time it is read."""
SHORTEST_SECRET: Final = 6
"""Characters; what is shorter would be found in other words."""
HARMLESS_HEADERS: Final = ("accept", "content-type", "user-agent")
HARMLESS: Final = {
    ("qdrant_client.http.models.models", "PointStruct"),
    ("qdrant_client.http.models.models", "SparseVector"),
    ("uuid", "UUID"),
    ("uuid", "SafeUUID"),
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
}
"""What the points of a folder are made of. Qdrant keeps them pickled, and a pickle of anything else can run code."""


class Place:
    """A place, checked, and what is sent to it.

    Attributes:
        name: What errors call it, without secrets: the address of a server, as the commands take it.
        is_local: Whether it is in a folder or in memory, rather than on a server.
        opened_here: Whether `open` makes the client, rather than the caller.
    """

    def __init__(
        self, place: Any, *, api_key: str | None = None, headers: Mapping[str, str] | None = None, timeout: float = 60.0
    ) -> None:
        """Check a place; nothing is opened.

        Raises:
            ValueError: If it is none, or a URL holds more than a server's address.
            TypeError: If it is of another type.
        """
        self._given: Any = None
        self._arguments: dict[str, Any]
        if isinstance(place, (str, os.PathLike)) and str(place) == MEMORY:
            self.name, self._arguments = "Qdrant in memory", {"location": MEMORY}
        elif is_address(place) or (isinstance(place, str) and "://" in place):
            url = str(place).removeprefix(ADDRESS)
            _check_url(url)
            self.name = f"{ADDRESS}{url}"
            self._arguments = {
                "url": url,
                "api_key": api_key,
                "headers": dict(headers or {}) or None,
                "timeout": timeout,
                "prefer_grpc": False,
                "check_compatibility": False,  # asks in a thread, and warns whenever it gets no answer
            }
        elif isinstance(place, (str, os.PathLike)):
            if not os.fspath(place):
                msg = "the path of the Qdrant store is empty; name a folder, '.' for the current one"
                raise ValueError(msg)
            # Absolute, so that the folder is still found after the process has changed its working directory.
            self.name = os.path.abspath(place)
            self._arguments = {"path": self.name, "force_disable_check_same_thread": True}  # the store has a lock
        else:
            self._given = place
            self._arguments = getattr(place, "init_options", None) or {}
            if not self._arguments or not hasattr(place, "query_batch_points"):
                msg = f"a Qdrant store is opened by a URL, a folder, {MEMORY!r} or a QdrantClient, not {shown(place)}"
                raise TypeError(msg)
            self.name = without_secrets(_client_name(place))
        self.is_local = "url" not in self._arguments if self._given is None else _is_local(place)
        self.opened_here = self._given is None
        if self.is_local and self.opened_here and (api_key is not None or headers):
            msg = (
                f"api_key and headers are for a server, and {self.name} is none: give its URL, such as http://host:6333"
            )
            raise ValueError(msg)

    @property
    def lasts(self) -> bool:
        """Whether what is written is there when it is opened again."""
        return not self.is_local or self._arguments.get("path") is not None

    @property
    def path(self) -> str | None:
        """The folder, if `open` opens one."""
        return self._arguments.get("path") if self.opened_here else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key and the headers that are sent, the longest first."""
        headers = self._arguments.get("headers") or {}
        given = [self._arguments.get("api_key") or ""]
        given += [value for name, value in headers.items() if name.lower() not in HARMLESS_HEADERS]
        found = {part for value in map(str, given) for part in (value, value.rpartition(" ")[2])}
        return tuple(sorted((part for part in found if len(part) >= SHORTEST_SECRET), key=len, reverse=True))

    def open(self) -> Any:
        """Return a client.

        Raises:
            StoreError: If a folder is not Qdrant's, or holds what could run code.
        """
        qdrant = require("qdrant_client", extra="qdrant", feature="a Qdrant store")
        if self._given is not None:
            return self._given
        if self.path is not None:
            check_folder(Path(self.path))
        return qdrant.QdrantClient(**self._arguments)

    def open_in_child(self) -> Any:
        """Return a client for a forked child, which lacks the connections of the parent's.

        Raises:
            StoreError: If the store is local: it belongs to the parent.
        """
        if self.is_local:
            msg = (
                f"{self.name}: local Qdrant does not work in a forked process: open the store in one process alone, or "
                "run a Qdrant server and give its URL"
            )
            raise StoreError(msg)
        qdrant = require("qdrant_client", extra="qdrant", feature="a Qdrant store")
        return qdrant.QdrantClient(**self._arguments)


def write_ahead(folder: str, name: str) -> None:
    """Let the database of a new collection write ahead: Qdrant commits every record by itself, and so waits less."""
    with closing(sqlite3.connect(Path(folder) / "collection" / name / POINTS)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def check_folder(folder: Path) -> None:
    """Check a folder before Qdrant opens it: a new one, or one of Qdrant's that holds points and nothing else.

    Raises:
        StoreError: If it is a file, holds something else, names files elsewhere, or a pickle in it
            asks for more than points are made of.
    """
    if folder.exists() and not folder.is_dir():
        msg = f"{folder} is a file; a local Qdrant store needs a folder"
        raise StoreError(msg)
    catalog = folder / CATALOG
    if not catalog.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            msg = f"{folder}: this folder holds something else than a Qdrant store; name a new folder, or an empty one"
            raise StoreError(msg)
        return
    try:
        names = list(json.loads(catalog.read_text(encoding="utf-8"))["collections"])
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{folder}: {CATALOG} is damaged ({type(error).__name__}); restore the folder from a backup or an export"
        raise StoreError(msg) from error
    check_all_links(folder)
    for name in names:
        if os.path.basename(name) in ("", ".", "..") or os.path.basename(name) != name:
            msg = f"{folder}: collection {name!r:.80} is not the name of a folder in it; it is not opened"
            raise StoreError(msg)
        database = folder / "collection" / name / POINTS
        if database.is_file():
            _check_points(folder, name, database)


def _check_points(folder: Path, name: str, database: Path) -> None:
    try:
        with closing(sqlite3.connect(database)) as connection:
            known = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'points' COLLATE NOCASE").fetchall()
            if known and known != [(TABLE,)]:
                msg = f"{folder}: collection {name!r} is not kept as Qdrant keeps it; it is not opened"
                raise StoreError(msg)
            rows = connection.execute("SELECT point FROM points") if known else ()
            for (value,) in rows:
                _PointReader(BytesIO(value)).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, TypeError, ValueError) as error:
        msg = (
            f"{folder}: collection {name!r} holds what is not a point ({without_secrets(str(error)) or 'damaged'}), "
            "and reading it could run code; it is not opened: restore the folder, or open a QdrantClient yourself if "
            "you trust it and pass that"
        )
        raise StoreError(msg) from error


class _PointReader(pickle.Unpickler):
    """Reads a pickled point, and refuses to import anything that points are not made of."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a class that is harmless.

        Raises:
            UnpicklingError: For anything else.
        """
        if (module, name) not in HARMLESS:
            msg = f"it asks for {module}.{name}"
            raise pickle.UnpicklingError(msg)
        return super().find_class(module, name)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        msg = f"{without_secrets(url)!r} is not the URL of a Qdrant server; expected http://host:6333 or https://host:6333"
        raise ValueError(msg)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment or has_secret(url):
        msg = (
            f"{without_secrets(url)!r} holds more than the address of a server: pass a key as api_key=, and what a "
            "proxy asks for as headers="
        )
        raise ValueError(msg)


def _client_name(client: Any) -> str:
    inner = client._client
    location = getattr(inner, "rest_uri", None) or getattr(inner, "location", None)
    if location == MEMORY:
        return "Qdrant in memory"
    shown = str(location or type(client).__name__)
    return shown if _is_local(client) else f"{ADDRESS}{shown}"


def _is_local(client: Any) -> bool:
    return not hasattr(client._client, "rest_uri")
