"""The client of a Chroma store: of a folder, opened again when another process has written, or one that was given."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from senseweave.errors import StoreError
from senseweave.forking import RLock, abandon, call_in_child
from senseweave.retrieval.integrity.file_locks import PATIENCE, wait_until_free
from senseweave.retrieval.integrity.folder import check_folder, remember_own
from senseweave.retrieval.integrity.read_only import ReadOnlyCopy, is_read_only, read_only_error
from senseweave.retrieval.integrity.swap import finish_swap
from senseweave.retrieval.stores.local_client import (
    DATABASE,
    client_in_child,
    close_client,
    close_with,
    holds_store,
    open_client,
    reopen_client,
)
from senseweave.retrieval.stores.lock import FolderLock
from senseweave.retrieval.stores.store_errors import readable

PROBED_EVERY: Final = 0.1
"""Seconds between two looks for a program that keeps readers out; one look takes up to half a millisecond."""


class ChromaConnection:
    """A Chroma client and the handles of its collections. Safe to use from several threads, and after a fork."""

    def __init__(self, place: Any, *, create: bool, lock_timeout: float, check: bool) -> None:
        """Open a folder, or take an open client; arguments and errors are those of `ChromaStore`."""
        there = holds_store(place, create=create)
        # Absolute, so that the store is still found after the process has changed its working directory.
        self.folder = Path(os.path.abspath(place)) if isinstance(place, (str, os.PathLike)) else None
        self.lock: FolderLock | None = None
        self.is_closed = False
        self._timeout = lock_timeout
        self._check = check
        self._copy: ReadOnlyCopy | None = None
        self._generation = 0
        self._unsettled = False
        self._version = 0
        self._probed = 0.0
        self._guard = RLock()
        self._handles: dict[str, Any] = {}
        self._forked = False
        self._disown: Callable[[], object] = lambda: None
        call_in_child(self._leave_to_parent)
        if self.folder is None:
            self._client = place
        else:
            with readable(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                self.lock = FolderLock(self.folder)
                self._own(self._open(self.folder, self.lock, there))

    @property
    def version(self) -> int:
        """How often the folder was opened again because another process had written."""
        with self._guard:
            if not self.is_closed:
                self._keep_up()
            return self._version

    @property
    def given(self) -> Any:
        """The client as it is, without a look at what others have written; for what it says of itself."""
        return self._client

    @property
    def client(self) -> Any:
        """The Chroma client, opened again if another process has written since.

        That of a folder is closed with the store, and after a store that is dropped.

        Raises:
            StoreError: If the store is closed, or cannot be used in this forked process.
        """
        with self._guard:
            if self.is_closed:
                msg = "this index is closed"
                raise StoreError(msg)
            self._keep_up()
            return self._client

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only writer to the folder; on a server, which orders writes itself, nothing is locked.

        Raises:
            StoreError: If another process keeps the lock for longer than the timeout, or the folder is read-only.
        """
        if self.lock is None:
            yield
            return
        if self._copy is not None:
            raise read_only_error(self.lock.path.parent)
        with contextlib.ExitStack() as held:
            with readable(self.lock.path.parent):
                held.enter_context(self.lock.held(self._timeout))
            since = time.time()
            yield
            if self._check:
                remember_own(self.lock.path.parent, since)

    @contextlib.contextmanager
    def write(self) -> Iterator[Any]:
        """Write within a block that gets the client: as the only writer, and noticed by open readers.

        Raises:
            StoreError: Those of `writing` and of `client`.
        """
        with self.writing():
            if self.lock is not None:
                wait_until_free(self.lock.path.parent / DATABASE, self._timeout, writing=True)
            client = self.client
            # Counted before as well: a process that is killed between writing and counting leaves a number by which
            # open readers notice.
            self._advance()
            try:
                yield client
            finally:
                self._advance()

    def handle(self, name: str) -> Any:
        """Return a collection of the client, which is kept until the client is opened again."""
        with self._guard:
            client = self.client
            handle = self._handles.get(name)
            if handle is None:
                handle = client.get_collection(name, embedding_function=None)
                self._handles[name] = handle
            return handle

    def forget(self, name: str) -> None:
        """Let go of the handle of a collection that is gone."""
        self._handles.pop(name, None)

    def close(self) -> None:
        """Let go of the folder; a client that was given stays open."""
        with self._guard:
            if self.folder is not None and not self.is_closed and not self._forked:
                self._disown()
                close_client(self._client)
                if self._copy is not None:
                    self._copy.close()
            self.is_closed = True
            self._handles.clear()

    def _keep_up(self) -> None:
        """Open the client again if another process has written since; the caller holds the guard."""
        if self.lock is not None and time.monotonic() - self._probed > PROBED_EVERY:
            database = self.lock.path.parent / DATABASE
            wait_until_free(database, PATIENCE, writing=True, is_ours=self.lock.busy)
            self._probed = time.monotonic()
        if self._forked:
            self._reopen_in_child()
        if self.lock is not None and self._has_changed(self.lock):
            folder = self.lock.path.parent
            finish_swap(folder)
            if not (folder / DATABASE).is_file():
                msg = f"{folder}: the index is gone from this folder; put it back, or create a new one"
                raise StoreError(msg)
            # A local client keeps its vector index in memory; after another process has written it would miss
            # records, and what it writes would undo theirs.
            self._observe(self.lock)
            self._own(reopen_client(self._client, self._place_to_open(folder)))
            self._handles.clear()
            self._version += 1

    def _open(self, folder: Path, lock: FolderLock, there: bool) -> Any:
        # Two processes that make one store would both create its tables. Whoever comes first has made the lock file
        # before Chroma's, and has counted no write until Chroma's is complete.
        if there and not (lock.path.is_file() and lock.generation() == 0):
            wait_until_free(folder / DATABASE, PATIENCE, writing=True, is_ours=lock.busy)
            self._observe(lock)
            place = self._place_to_open(folder)
            if self._check:
                self._check_files(place, lock)
            return open_client(place)
        with lock.held(self._timeout):
            client = open_client(folder)
            self._generation = lock.advance()
            return client

    def _own(self, client: Any) -> None:
        """Use a client that this store has opened, in place of the one before."""
        self._disown()
        self._client = client
        self._disown = close_with(self, client)

    def _leave_to_parent(self) -> None:
        abandon(self._client)
        abandon(self._handles)
        self._handles = {}
        self._forked = True

    def _reopen_in_child(self) -> None:
        """Open the store again in a forked child: Chroma's threads are the parent's."""
        if self.lock is None:
            self._client = client_in_child(self._client.get_settings(), self._client)
        else:
            self._observe(self.lock)
            self._own(open_client(self._place_to_open(self.lock.path.parent)))
        self._forked = False
        self._version += 1

    def _place_to_open(self, folder: Path) -> Path:
        """Return the folder that Chroma opens: a new copy of one that cannot be written to."""
        if self._copy is not None:
            self._copy.close()
        self._copy = ReadOnlyCopy(folder) if is_read_only(folder) else None
        return folder if self._copy is None else self._copy.folder

    def _check_files(self, place: Path, lock: FolderLock) -> None:
        """Check the files that Chroma is about to open.

        Raises:
            StoreError: If something is missing or damaged, and still is when no other process writes.
        """
        folder = lock.path.parent
        try:
            check_folder(place, folder, busy=lock.busy())
            return
        except StoreError:
            if self._copy is not None:
                raise
        with lock.held(self._timeout):
            check_folder(place, folder)

    def _observe(self, lock: FolderLock) -> None:
        """Remember which of others' writes a client that is opened next will have seen."""
        self._generation = lock.generation()
        # Opened in the middle of a write, whose end is not counted if the writer is killed.
        self._unsettled = lock.busy()

    def _has_changed(self, lock: FolderLock) -> bool:
        return lock.generation() != self._generation or (self._unsettled and not lock.busy())

    def _advance(self) -> None:
        if self.lock is not None:
            with self._guard:
                self._generation = self.lock.advance()
