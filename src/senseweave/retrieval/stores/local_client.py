"""Open Chroma clients of folders, reopen them after another process wrote, and close them."""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from senseweave.display import printable
from senseweave.errors import StoreError
from senseweave.extras import require
from senseweave.forking import abandon
from senseweave.redaction import without_secrets
from senseweave.retrieval.integrity.links import check_links
from senseweave.retrieval.integrity.swap import finish_swap
from senseweave.retrieval.records.values import is_unicode
from senseweave.retrieval.stores.addresses import is_address
from senseweave.retrieval.stores.chroma_bindings import renew_bindings
from senseweave.retrieval.stores.lock import FolderLock
from senseweave.retrieval.stores.store_errors import readable

SECONDS_TO_MAKE: Final = 10.0
"""How long another process may take to make a new database; it takes some tenths of a second."""
DATABASE: Final = "chroma.sqlite3"
"""The file that every folder of a Chroma store holds."""
HARMLESS_HEADERS: Final = ("accept", "content-type", "user-agent")
SHORTEST_SECRET: Final = 6
"""Characters; what is shorter would be found in other words."""

_dropped: deque[Any] = deque()
"""Clients whose owners are gone."""


def holds_store(place: Any, *, create: bool) -> bool:
    """Return whether there is a Chroma store at a place, without creating anything; a client always has a store.

    Raises:
        StoreError: If there is no store and `create` is False, the place cannot hold a store, its database is gone, or
            one of its files is a link.
        TypeError: If the place is neither a path nor a client.
    """
    if not isinstance(place, (str, os.PathLike)):
        if not hasattr(place, "list_collections"):
            msg = f"an index takes a folder, an open Chroma client or a store of senseweave.stores, not {place!r:.80}"
            raise TypeError(msg)
        return True
    if is_address(place):
        msg = (
            f"{without_secrets(str(place))}: an index takes a folder or a store; open the store at an address with "
            "senseweave.stores.connect(...), and pass it"
        )
        raise StoreError(msg)
    path = os.fspath(place)
    if not path or "\0" in path:
        msg = f"{path!r} is not the path of a folder; an index needs a folder, such as 'my-index' or '.'"
        raise StoreError(msg)
    folder = Path(os.path.abspath(place))
    if not is_unicode(str(folder)):
        msg = (
            f"{printable(str(folder))}: Chroma keeps no index in a folder whose path is not Unicode; rename the folder"
        )
        raise StoreError(msg)
    with readable(folder):
        if folder.exists() and not folder.is_dir():
            msg = f"{folder} is a file; an index needs a folder"
            raise StoreError(msg)
        finish_swap(folder)
        if folder.exists():
            check_links(folder)
        _check_database(folder)
        if (folder / DATABASE).is_file():
            return True
        if (folder / "meta.json").is_file() and (folder / "collection").is_dir():
            msg = (
                f"{folder} holds a Qdrant store; open it by senseweave.Index(senseweave.stores.Qdrant({str(folder)!r}))"
            )
            raise StoreError(msg)
    if not create:
        msg = f"{folder}: there is no index here; senseweave.Index({str(folder)!r}) creates one"
        raise StoreError(msg)
    return False


def open_client(folder: Path) -> Any:
    """Return a client of the folder's store, which is created if there is none.

    Raises:
        StoreError: If the store cannot be read, or is open in this process with other settings.
    """
    # Set before chromadb reads its settings, and not passed to it: clients of one folder must agree on every setting,
    # and frameworks open the folder with the defaults.
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    chromadb = require("chromadb", extra="chroma", feature="an index")
    renew_bindings()
    _close_dropped()
    try:
        with readable(folder):
            return _open_when_made(chromadb, folder)
    except ValueError as error:
        if "different settings" not in str(error):
            raise
        msg = f"{folder} is open in this process with other Chroma settings; pass that client instead of the folder"
        raise StoreError(msg) from error
    except StoreError:
        _forget_unstarted(folder)
        raise


def _open_when_made(chromadb: Any, folder: Path) -> Any:
    """Open a folder, once the process that is making its database at this moment has written the tenant into it."""
    deadline = time.monotonic() + SECONDS_TO_MAKE
    while True:
        try:
            return chromadb.PersistentClient(path=str(folder))
        except (ValueError, chromadb.errors.NotFoundError) as error:
            missing = isinstance(error, chromadb.errors.NotFoundError) or "Could not connect to tenant" in str(error)
            if not missing or time.monotonic() > deadline:
                raise
            _forget_unstarted(folder)
            time.sleep(0.05)


def _forget_unstarted(folder: Path) -> None:
    """Forget a system that did not start: it stays registered, and would be given to the next client of the folder."""
    from chromadb.api.shared_system_client import SharedSystemClient

    if str(folder) not in SharedSystemClient._identifier_to_refcount:
        SharedSystemClient._identifier_to_system.pop(str(folder), None)


def reopen_client(client: Any, folder: Path) -> Any:
    """Close a client and return a new client that reads the folder again."""
    from chromadb.api.shared_system_client import SharedSystemClient

    close_client(client)
    # Other clients in this process may share the system and keep it; the index needs a system that rereads the disk.
    SharedSystemClient._identifier_to_system.pop(str(folder), None)
    return open_client(folder)


def fresh_client(collection: Any) -> Any | None:
    """Return a client that reads a collection's folder anew and leaves its own open; None for a server or memory.

    Chroma keeps its vector index in memory. After another process has written, searches with a condition fail in this
    process with an `InternalError` ("Error finding id").
    """
    settings = collection._client.get_settings()
    if not settings.is_persistent:
        return None
    from chromadb.api.shared_system_client import SharedSystemClient

    SharedSystemClient._identifier_to_system.pop(settings.persist_directory, None)
    return _equal_client(settings, collection)


def client_in_child(settings: Any, parents: Any) -> Any:
    """Return a client for a forked child in place of the parent's, whose threads and connections the child lacks.

    Args:
        settings: Of the parent's client.
        parents: The parent's client, or a collection of it.

    Raises:
        StoreError: If the client keeps its records in memory.
    """
    abandon(parents)
    if not settings.is_persistent and "rust" in str(settings.chroma_api_impl):
        msg = (
            "an EphemeralClient of Chroma does not work in a forked process: "
            "open the client and the index in the child, or keep the index in a folder"
        )
        raise StoreError(msg)
    with readable(settings.persist_directory if settings.is_persistent else client_place(parents)):
        return _equal_client(settings, parents)


def is_remote(client: Any) -> bool:
    """Return whether a client sends what it writes to a server."""
    return "fastapi" in str(client.get_settings().chroma_api_impl)


def client_place(client: Any) -> str:
    """Return what errors call the store of a client: the kind of the client."""
    return type(client).__name__


def client_secrets(client: Any) -> tuple[str, ...]:
    """Return the keys and passwords that a client sends to its server, the longest first, in each form it sends."""
    settings = client.get_settings()
    headers = settings.chroma_server_headers or {}
    given = [value for name, value in headers.items() if name.lower() not in HARMLESS_HEADERS]
    given += [settings.chroma_client_auth_credentials or ""]
    user, _, _ = (settings.chroma_server_host or "").rpartition("@")
    given += [unquote(user.rpartition("/")[2])]
    found = {part for value in map(str, given) for part in (value, value.rpartition(":")[2], value.rpartition(" ")[2])}
    found |= {quote(part, safe="") for part in found} | {b64encode(part.encode()).decode() for part in found}
    return tuple(sorted((part for part in found if len(part) >= SHORTEST_SECRET), key=len, reverse=True))


def _check_database(folder: Path) -> None:
    """Check that a folder in which there was an index still has its database, in place of which Chroma makes a new one.

    Raises:
        StoreError: If it is missing or empty.
    """
    database = folder / DATABASE
    if database.is_file() and database.stat().st_size:
        return
    if FolderLock(folder).generation() or any(folder.glob("*/header.bin")):
        msg = (
            f"{folder}: there was an index here, but {DATABASE} is {'empty' if database.is_file() else 'missing'}; the "
            "folder was copied or restored in part: restore all of it from a backup, or remove it and import an export "
            "or add everything again"
        )
        raise StoreError(msg)


def _equal_client(settings: Any, like: Any) -> Any:
    """Return a new client for the tenant and database of a client or a collection."""
    import chromadb

    renew_bindings()
    return chromadb.Client(settings, tenant=like.tenant, database=like.database)


def close_client(client: Any) -> None:
    """Close a client's files, unless another client of this process shares them."""
    close = getattr(client, "close", None)
    if close is not None:
        close()


def close_with(owner: object, client: Any) -> Callable[[], object]:
    """Close a client after its owner was dropped without being closed: when another client is opened.

    Chroma keeps a client that nobody closes, with its threads and files, until the process ends. Nothing is closed
    while the owner is collected: that may happen inside Chroma, under the lock that closing needs.

    Args:
        owner: The only one that uses the client.
        client: The client that it has opened.

    Returns:
        Forgets this again, for owners that close the client themselves.
    """
    finalizer = weakref.finalize(owner, _dropped.append, client)
    finalizer.atexit = False
    return finalizer.detach


def _close_dropped() -> None:
    with contextlib.suppress(IndexError):  # another thread may take the last one
        while _dropped:
            close_client(_dropped.popleft())


def _leave_to_parent() -> None:
    """Keep what the parent of a forked child has yet to close: in the child, destructors would wait for threads."""
    global _dropped
    abandon(_dropped)
    _dropped = deque()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
