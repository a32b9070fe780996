"""The vectors of one sparse space of an index, kept up to date with the records of the store."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from senseweave.forking import RLock
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.calibration.store_statistics import outgrown
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.search.kept_file import KeptFile
from senseweave.retrieval.search.sparse.base import SparseSearch
from senseweave.retrieval.search.sparse.encoding import GeneralPhrases, embed_texts, text_digest
from senseweave.retrieval.search.sparse.scoring import chance, for_query
from senseweave.retrieval.search.sparse.table import SparseTable
from senseweave.retrieval.search.sparse.vector_file import VectorFile, sparse_path
from senseweave.retrieval.search.words.base import word_row
from senseweave.retrieval.stores.collections import Collections
from senseweave.spaces.sparse_space import SparseSpace

BATCH: Final = 256
"""Texts that are embedded between two writes, so that little is lost when a process is killed."""
PATIENCE: Final = 5.0
"""Seconds that a writer of records waits for the file; what it leaves out is found missing at the next search."""


class SpaceVectors(KeptFile[VectorFile]):
    """The vectors of the texts of an index's records, in a file in its folder or in memory.

    Safe to use from several threads. Equal texts are embedded once, and the store decides what exists. Changes made
    otherwise than through an index that knows the space, or by a process that was killed before it could keep the
    vectors, show in the folder's count of writes: the next search compares all records and embeds what is missing.
    """

    def __init__(self, load: Callable[[], SparseSpace], fingerprint: str, collections: Collections) -> None:
        """Keep the vectors of collections; nothing is opened or loaded yet.

        Args:
            load: Returns the space.
            fingerprint: Of the space.
            collections: Of the index.
        """
        super().__init__(collections, VectorFile, lambda folder: sparse_path(folder, collections.prefix, fingerprint))
        self.load = load
        self._catching_up = RLock()
        self._table: SparseTable | None = None
        self._phrases = GeneralPhrases(load)

    @contextlib.contextmanager
    def writing(self, collection: str, records: Sequence[Record], ids: Sequence[str]) -> Iterator[dict[str, str]]:
        """Follow a change of a collection; see `SparseVectorsOfSpace.writing`."""
        before = self.stamp()
        faults: dict[str, str] = {}
        yield faults
        known = self._collections.holds(collection)
        faults.update(self.follow(collection, records if known else (), ids if known else (), before))

    def search(self, query: np.ndarray) -> SparseSearch:
        """Bring the vectors up to date, and return a query of them; see `SparseVectorsOfSpace.search`."""
        return _TableSearch(self, self.table(), query)

    def follow(self, collection: str, records: Sequence[Record], ids: Sequence[str], before: str) -> dict[str, str]:
        """Keep the vectors of records that were written, and remove those of others.

        Args:
            collection: Of the records.
            records: What was written.
            ids: Of what was removed.
            before: What `stamp` was before.

        Returns:
            By id, why the text of a record has no vector.
        """
        texts = {record.id: text for record in records if (text := word_row(record).text)}
        textless = [record.id for record in records if record.id not in texts]
        faults: dict[str, str] = {}
        # Nothing that goes wrong with the file may undo what was written; the stamp tells the next search of it.
        with contextlib.suppress(sqlite3.Error):
            is_whole = self._take(collection, texts, faults)
            with self._guard:
                file = self._opened()
                with file.changing(PATIENCE):
                    is_current = file.stamp == before
                    file.delete(collection, [*ids, *textless])
                    if is_current and is_whole:
                        file.set_stamp(self.stamp())
        return faults

    def begin(self) -> None:
        """Make the file of a new index, whose vectors are up to date because it holds no records."""
        if self._path is not None and self._path.exists():
            return
        with contextlib.suppress(sqlite3.Error), self._guard:
            file = self._opened()
            descriptions = self._collections.descriptions.values()
            if not file.read_only and not file.stamp and not any(map(self._collections.count, descriptions)):
                with file.changing(PATIENCE):
                    file.set_stamp(self.stamp())

    def table(self) -> SparseTable:
        """Return the vectors in memory, brought up to date with the store.

        Raises:
            StoreError: If the store fails.
            ModelError: If texts have to be embedded, and the model cannot be loaded.
        """
        with self._catching_up:
            for _ in range(2):
                try:
                    return self._updated()
                except sqlite3.OperationalError:  # no room on the disk, a medium that fails
                    self._go_on_in_memory()
                except sqlite3.DatabaseError:
                    self._discard()
            return self._updated()

    def statistics(self, collection: str, table: SparseTable) -> Statistics | None:
        """Return what unrelated queries find in a collection, or None if none of its records has a vector."""
        count = table.count(collection)
        if not count:
            return None
        known = None
        with contextlib.suppress(sqlite3.DatabaseError), self._guard:
            known = self._opened().statistics(collection)
        if known is None or outgrown(known.documents, count):
            queries, prior = self._phrases.vectors()
            rows = (queries[[at]].toarray()[0] for at in range(queries.shape[0]))
            scores = [table.collection_scores(collection, table.scores(row)) for row in rows]
            averages, best_scores = [float(each.mean()) for each in scores], [float(each.max()) for each in scores]
            known = chance(averages, best_scores, count, prior)
            with contextlib.suppress(sqlite3.Error), self._guard:
                self._opened().set_statistics(collection, known)
        return known

    def close(self) -> None:
        """Close the file, and forget what is in memory."""
        with self._guard:
            super().close()
            self._table = None

    def _updated(self) -> SparseTable:
        """Compare the file with the store if that has changed, and return what it holds."""
        with self._guard:
            file = self._opened()
        if file.stamp != self.stamp():
            is_written_to = self._lock is not None and self._lock.busy()
            if file.read_only:
                file = self._go_on_in_memory()
            # While records are being written, the writer keeps their vectors; nobody waits for its end.
            if not (file.stamp and is_written_to):
                self._compare()
        with self._guard:
            self._table = (self._table or SparseTable(self.load().dimension)).renewed(self._opened())
            return self._table

    def _compare(self) -> None:
        """Keep the vectors of the text of every record, and of no other."""
        stamp, is_whole = self.stamp(), True
        names = [description.name for description in self._collections.descriptions.values()]
        with self._guard:
            known = {name: self._opened().digests(name) for name in {*names, *self._opened().collections()}}
        for description in self._collections.descriptions.values():
            left = known[description.name]
            batch: dict[str, str] = {}
            for record in self._collections.get(description):
                text = word_row(record).text
                if not text:
                    continue
                if left.pop(record.id, None) != text_digest(text):
                    batch[record.id] = text
                if len(batch) >= BATCH:
                    is_whole &= self._take(description.name, batch, {})
                    batch = {}
            is_whole &= self._take(description.name, batch, {})
        with self._guard:
            file = self._opened()
            with file.changing():
                for name, left in known.items():
                    file.delete(name, left)
                if is_whole:
                    file.set_stamp(stamp)

    def _take(self, collection: str, texts: Mapping[str, str], faults: dict[str, str]) -> bool:
        """Embed texts of records that have no vector yet, and keep them.

        Args:
            collection: Of the records.
            texts: By the records' ids.
            faults: Is given why records have none.

        Returns:
            Whether all is kept; not if another process removed a vector at that moment.
        """
        digests = {identifier: text_digest(text) for identifier, text in texts.items()}
        is_whole = True
        for start in range(0, len(texts), BATCH):
            part = dict(list(digests.items())[start : start + BATCH])
            with self._guard:
                missing = self._opened().missing(part.values())
            new = {part[identifier]: texts[identifier] for identifier in part if part[identifier] in missing}
            vectors = embed_texts(self.load(), new) if new else []
            reasons = {vector.digest: vector.fault for vector in vectors if vector.fault is not None}
            faults.update({identifier: reasons[digest] for identifier, digest in part.items() if digest in reasons})
            with self._guard:
                file = self._opened()
                with file.changing(PATIENCE):
                    file.add_vectors(vectors)
                    lost = file.missing(part.values())
                    file.add_records(collection, {name: digest for name, digest in part.items() if digest not in lost})
            is_whole &= not lost
        return is_whole

    def _is_damage(self, error: sqlite3.DatabaseError) -> bool:
        return not isinstance(error, sqlite3.OperationalError)

    def _go_on_in_memory(self) -> VectorFile:
        """Use a copy of the file, or where it cannot be read, begin anew; return what is used."""
        with self._guard:
            try:
                copied = self._file.copy() if self._file is not None else VectorFile(None)
            except sqlite3.Error:
                copied = VectorFile(None)
            self.close()
            self._file = copied
            return copied


class _TableSearch:
    """A query of the vectors in a table."""

    def __init__(self, vectors: SpaceVectors, table: SparseTable, query: np.ndarray) -> None:
        self._vectors = vectors
        self._table = table
        self._scores = table.scores(query)

    def best(self, collection: str, k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` records of a collection with the highest scores; see `SparseSearch.best`."""
        return self._table.best(collection, self._scores, k)

    def statistics(self, collection: str) -> Statistics | None:
        """Return what unrelated queries find, with the mean of this one; None if no record has a vector."""
        known = self._vectors.statistics(collection, self._table)
        if known is None:
            return None
        scores = self._table.collection_scores(collection, self._scores)
        return for_query(known, float(scores.mean()), len(scores))
