"""Verify an index: its files, and every record's vector, text, id, fingerprint and, when asked, source."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from senseweave.media import MediaPolicy
from senseweave.retrieval.integrity.child import judge_in_child
from senseweave.retrieval.integrity.database import ESSENTIAL, Database, RawCollection, open_database
from senseweave.retrieval.integrity.links import check_links
from senseweave.retrieval.integrity.read_only import ReadOnlyCopy, is_read_only
from senseweave.retrieval.integrity.records import Sources, record_problems
from senseweave.retrieval.integrity.report import Problems, VerifyReport
from senseweave.retrieval.integrity.vector_files import IDS, DamageError
from senseweave.retrieval.integrity.vectors import held_vectors
from senseweave.retrieval.records.schema import record_source
from senseweave.retrieval.search.sparse.vector_file import sparse_fault, sparse_files
from senseweave.retrieval.search.words.files import word_files, words_fault
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.description import Description
from senseweave.retrieval.stores.lock import FolderLock


def verify_index(collections: Collections, *, sources: bool, policy: MediaPolicy) -> VerifyReport:
    """Check every record of an index, whatever its store, and the files of a local folder.

    Args:
        collections: Of the index.
        sources: Whether records are compared with the local files that they came from.
        policy: What may be read of these.
    """
    store = collections.store
    if store.folder is not None:
        names = {description.name for description in collections.descriptions.values()}
        return verify_folder(store.folder, sources=sources, policy=policy, names=names)
    check = RecordCheck(store.place, policy if sources else None)
    for description in collections.descriptions.values():
        for record in collections.get(description, vectors=True):
            check.take(description, record)
    return check.report()


def verify_folder(
    folder: Path,
    *,
    sources: bool = False,
    policy: MediaPolicy | None = None,
    names: Collection[str] | None = None,
    lock_timeout: float = 600.0,
) -> VerifyReport:
    """Check the files of a local folder and its records, as SQLite reads them: Chroma may not be able to open it.

    Args:
        folder: Of the store.
        sources: Whether records are compared with the local files that they came from.
        policy: What may be read of these.
        names: Of the collections whose records are checked; None for all of senseweave's.
        lock_timeout: Seconds to wait for another process that writes to the folder.
    """
    check_links(folder)
    if is_read_only(folder):
        with contextlib.closing(ReadOnlyCopy(folder)) as copy:  # Chroma writes to what it loads
            return verify_unlocked(copy.folder, sources=sources, policy=policy, names=names, named=folder)
    with FolderLock(folder).held(lock_timeout):
        return verify_unlocked(folder, sources=sources, policy=policy, names=names)


def verify_unlocked(
    folder: Path,
    *,
    sources: bool = False,
    policy: MediaPolicy | None = None,
    names: Collection[str] | None = None,
    named: Path | None = None,
) -> VerifyReport:
    """Do what `verify_folder` does; the caller holds the lock of the folder, or `folder` is a copy of `named`."""
    check = RecordCheck(str(named or folder), (policy or MediaPolicy()) if sources else None)
    try:
        with open_database(folder) as database:
            if missing := database.missing_tables():
                check.problems.add("files", f"chroma.sqlite3 lacks the tables {', '.join(missing)}")
                if set(missing) & set(ESSENTIAL):
                    return check.report()
            for fault in database.faults():
                check.problems.add("files", f"chroma.sqlite3: {fault}")
            whole = [c for c in database.collections() if _check_collection(folder, database, c, names, check)]
        for collection in whole:  # the database is closed again: whoever loads the files may have to write to it
            judge_in_child(folder, [collection], records=False)
    except DamageError as error:
        check.problems.add("files", str(error))
    for path in word_files(folder):
        if damage := words_fault(path):
            check.problems.add("words", f"{path.name}: {damage}")
    for path in sparse_files(folder):
        if damage := sparse_fault(path):
            check.problems.add("words", f"{path.name}: {damage}")
    return check.report()


class RecordCheck:
    """Checks one record after the other, and counts."""

    def __init__(self, place: str, policy: MediaPolicy | None) -> None:
        """Check records of a store; their sources too if there is a policy that says what may be read."""
        self.problems = Problems()
        self._report = VerifyReport(place)
        self._sources = Sources(policy) if policy is not None else None

    def take(self, description: Description, record: StoredRecord, *, differs: bool = False) -> None:
        """Check a record.

        Args:
            description: Of its collection.
            record: With its vector; None is a problem.
            differs: Whether two copies of its vector are known that are not the same.
        """
        self._report.records += 1
        self._report.vectors += record.vector is not None
        found = list(record_problems(description, record))
        if record.vector is None:
            found.append(("vector", "has no vector"))
        if differs:
            found.append(("vector", "its vector in the files is not the one that was written"))
        if self._sources is not None and (problem := self._sources.problem(record)):
            found.append(problem)
        source = record_source(record.id, record.metadata)
        for kind, reason in found:
            self.problems.add(kind, reason, description.name, record.id, source)

    def report(self) -> VerifyReport:
        """Return what was found."""
        self._report.sources = len(self._sources.checked) if self._sources is not None else 0
        self._report.problems = self.problems.listed()
        return self._report


def _check_collection(
    folder: Path, database: Database, collection: RawCollection, names: Collection[str] | None, check: RecordCheck
) -> bool:
    """Check a collection's files and records, and return whether there are files that look whole."""
    held = held_vectors(folder, database, collection)
    if held.damage:
        check.problems.add("files", held.damage, collection.name)
    if "senseweave" in collection.metadata and (names is None or collection.name in names):
        description = Description.from_metadata(collection.name, collection.metadata)
        differing = set(held.differing)
        for raw in database.records(collection):
            record = StoredRecord(raw.id, raw.metadata, raw.text, vector=held.latest.get(raw.id))
            check.take(description, record, differs=raw.id in differing)
    return held.damage is None and collection.vectors is not None and (folder / collection.vectors / IDS).exists()
