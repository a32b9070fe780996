"""The words of documents that a framework keeps in a Chroma collection, in memory, and what has changed there."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from senseweave.concurrency import checkpoint
from senseweave.forking import RLock, abandon, forks
from senseweave.media import Modality
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.records.schema import read_metadata
from senseweave.retrieval.search.words.base import word_row
from senseweave.retrieval.search.words.sqlite_index import SqliteWords
from senseweave.retrieval.search.words.tokens import Term
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.conditions import NAMES

ALL: Final = "all"
"""Name of the list of documents where those of all modalities are one list."""
LAST_WRITE: Final = (
    "SELECT max(seq_id) FROM max_seq_id WHERE segment_id IN (SELECT id FROM segments WHERE collection = ?)"
)
WRITTEN_AFTER: Final = (
    "SELECT embedding_id FROM embeddings WHERE seq_id > ? "
    "AND segment_id IN (SELECT id FROM segments WHERE collection = ?)"
)


@dataclass(frozen=True)
class _State:
    """What a collection was like when its words were read.

    Attributes:
        collection: Chroma's id of the collection.
        count: Number of documents.
        last: Number of the last write to a folder; elsewhere the id and the text of the last document.
    """

    collection: str
    count: int
    last: Any


class DocumentWords:
    """The words of the documents of a collection, made when they are first searched for. Safe to use from threads.

    Before every search it is asked whether the collection has changed, whoever wrote to it, and what is new or gone
    is taken over. In a folder every change shows in Chroma's database. A server and a client in memory do not tell of
    changes: there the number of documents and the last of them are compared, so that a document that is replaced under
    its own id, the last aside, is found by its old words until another is added or deleted.
    """

    def __init__(self, ask: Callable[[Callable[[Any], Any]], Any], *, by_modality: bool) -> None:
        """Read a collection.

        Args:
            ask: Calls a function with the `chromadb.Collection` and returns what that returns.
            by_modality: Whether the documents of each modality are a list of their own.
        """
        self._ask = ask
        self._by_modality = by_modality
        self._guard = RLock()
        self._forget()

    def search(self, modality: Modality | None, terms: Sequence[Term], k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` documents of a list whose words match best, best first, with their scores."""
        with self._guard:
            self._update()
            return self._index.search(modality or ALL, terms, k)

    def statistics(self, modality: Modality | None) -> Statistics | None:
        """Return the distribution of the scores of unrelated queries; None where there are no documents."""
        with self._guard:
            self._update()
            return self._index.statistics(modality or ALL)

    def _forget(self) -> None:
        self._index = SqliteWords(None)
        self._held: dict[str, tuple[bytes, str]] = {}
        self._state: _State | None = None
        self._forks = forks()

    def _update(self) -> None:
        """Take over what has changed in the collection since the last look."""
        if self._forks != forks():
            abandon(self._index)
            self._forget()
        state = self._ask(_look)
        if state == self._state:
            return
        ids = set(self._ask(lambda collection: collection.get(include=[]))["ids"])
        before = self._state if self._state is not None and self._state.collection == state.collection else None
        changed = (ids - self._held.keys()) | (ids & self._written_since(before))
        if not changed and self._held.keys() == ids and not isinstance(state.last, int):
            changed = ids
        try:
            with self._index.changing():
                self._remove(self._held.keys() - ids)
                self._read(sorted(changed))
                for name in self._index.collections():
                    self._index.estimate(name)
        except BaseException:  # some of it is done
            self._forget()
            raise
        self._state = state

    def _written_since(self, before: _State | None) -> set[str]:
        if before is None:
            return set(self._held)
        return set(self._ask(partial(_written_after, before.last))) if isinstance(before.last, int) else set()

    def _read(self, ids: Sequence[str]) -> None:
        for at in range(0, len(ids), NAMES):
            checkpoint()
            found = self._ask(partial(_documents, ids[at : at + NAMES]))
            for identifier, text, metadata in zip(found["ids"], found["documents"], found["metadatas"], strict=True):
                row = word_row(StoredRecord(identifier, dict(metadata or {}), text))
                name = read_metadata(metadata or {}).modality if self._by_modality else ALL
                if self._held.get(identifier) != (row.digest, name):
                    self._remove([identifier])
                    self._index.add(name, [row])
                    self._held[identifier] = row.digest, name

    def _remove(self, ids: Collection[str]) -> None:
        for identifier in list(ids):
            if identifier in self._held:
                _, name = self._held.pop(identifier)
                self._index.delete(name, [identifier])


def _look(collection: Any) -> _State:
    count = int(collection.count())
    last = _read_database(collection, LAST_WRITE, (str(collection.id),))
    if last is not None:
        return _State(str(collection.id), count, int(last[0][0] or 0))
    found = collection.get(limit=1, offset=max(count - 1, 0), include=["documents"])
    return _State(str(collection.id), count, (tuple(found["ids"]), tuple(found["documents"])))


def _documents(ids: Sequence[str], collection: Any) -> Any:
    return collection.get(ids=list(ids), include=["documents", "metadatas"])


def _written_after(number: int, collection: Any) -> set[str]:
    """Return the ids of the documents of a folder that were written after the write of a number."""
    rows = _read_database(collection, WRITTEN_AFTER, (number, str(collection.id)))
    return {str(row[0]) for row in rows or ()}


def _read_database(collection: Any, statement: str, values: tuple[Any, ...]) -> list[Any] | None:
    """Return what Chroma's own database in a folder answers; None where there is none, or of another shape."""
    settings = collection._client.get_settings()
    if not settings.is_persistent:
        return None
    path = Path(settings.persist_directory, "chroma.sqlite3").absolute()
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(statement, values).fetchall()
    except sqlite3.Error:
        return None
