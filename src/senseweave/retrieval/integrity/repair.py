"""Repair a damaged folder: rebuild it beside, and put the new one in its place, whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from senseweave.errors import StoreError
from senseweave.media import MediaPolicy
from senseweave.media.collecting import INDEX_MARK
from senseweave.retrieval.integrity.database import ESSENTIAL, RawCollection, open_database
from senseweave.retrieval.integrity.folder import check_folder
from senseweave.retrieval.integrity.links import check_links
from senseweave.retrieval.integrity.read_only import is_read_only, read_only_error
from senseweave.retrieval.integrity.rebuild import LoadSpace, Rebuild, Write
from senseweave.retrieval.integrity.report import RepairReport
from senseweave.retrieval.integrity.swap import discard, finish_swap, new_folder, swap
from senseweave.retrieval.integrity.vector_files import DamageError
from senseweave.retrieval.integrity.verify import verify_unlocked
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.search.sparse.vector_file import sparse_fault, sparse_files
from senseweave.retrieval.search.sqlite_file import remove_file
from senseweave.retrieval.search.words.files import word_files
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.local_client import close_client, open_client
from senseweave.retrieval.stores.lock import FolderLock

MENDED = ("files", "vector", "fingerprint")
"""Kinds of problems that rebuilding mends; what is wrong with a source or a text is for its owner to decide."""


def repair_index(collections: Collections, load: LoadSpace, *, policy: MediaPolicy) -> RepairReport:
    """Repair an index that is in a folder; see `repair_folder`.

    Raises:
        StoreError: If it is elsewhere, or nothing can be rebuilt.
    """
    store = collections.store
    if store.folder is None:
        msg = (
            f"{store.place} is not a folder, and only folders are rebuilt; index.verify() lists the records that are "
            "damaged: remove them by index.delete(ids=...), and add their sources again"
        )
        raise StoreError(msg)
    return repair_folder(store.folder, load, policy=policy)


def repair_folder(
    folder: Path, load: LoadSpace, *, policy: MediaPolicy | None = None, lock_timeout: float = 600.0
) -> RepairReport:
    """Rebuild a folder in which something is missing or damaged.

    Vectors are taken from the vector files and the queue where they are whole; the others are computed again, from the
    text of the record or from its source if that has not changed. Collections of other programs in the same folder are
    taken over.

    Args:
        folder: Of a local index.
        load: Returns the space of a collection, for vectors that have to be computed.
        policy: What may be read of sources.
        lock_timeout: Seconds to wait for another process that writes to the folder.

    Returns:
        What was kept, computed again and lost; a folder without problems is left as it is.

    Raises:
        StoreError: If nothing can be rebuilt, or the folder cannot be replaced; it is then as it was.
    """
    finish_swap(folder)
    check_links(folder)
    if is_read_only(folder):
        raise read_only_error(folder)
    with FolderLock(folder).held(lock_timeout):
        verified = verify_unlocked(folder)
        report = RepairReport(str(folder), found=verified.problems)
        if any(problem.kind == "words" for problem in verified.problems):
            for path in word_files(folder):  # made anew when words are next searched for
                remove_file(path)
            for path in filter(sparse_fault, sparse_files(folder)):  # the others hold what takes long to compute
                remove_file(path)
            report.changed = True
        if not any(problem.kind in MENDED for problem in verified.problems):
            report.records = report.kept = verified.records
            return report
        try:
            _rebuild(folder, load, policy or MediaPolicy(), report)
        except BaseException:
            discard(folder)
            raise
        swap(folder)
        report.changed = True
        return report


def _rebuild(folder: Path, load: LoadSpace, policy: MediaPolicy, report: RepairReport) -> None:
    """Write what can be saved of a folder to a new one beside it.

    Raises:
        StoreError: If the database cannot be read.
    """
    beside = new_folder(folder)
    try:
        with open_database(folder) as database:
            if missing := [name for name in database.missing_tables() if name in ESSENTIAL]:
                msg = f"chroma.sqlite3 lacks the tables {', '.join(missing)}"
                raise DamageError(msg)
            collections = database.collections()
            with _writing_to(beside, collections) as write:
                rebuild = Rebuild(folder, write, load, policy, report)
                for collection in collections:
                    rebuild.run(database, collection)
    except DamageError as error:
        msg = (
            f"{folder} cannot be repaired: {error}, and without the database nothing says which records there were; "
            "restore the folder from a backup, import an export, or remove it and add everything again"
        )
        raise StoreError(msg) from error
    lock = FolderLock(beside)
    if (folder / INDEX_MARK).is_file():
        shutil.copyfile(folder / INDEX_MARK, beside / INDEX_MARK)
    with lock.held(0):
        lock.advance()  # so that whoever has the old folder open notices
    check_folder(beside)


@contextmanager
def _writing_to(beside: Path, collections: Sequence[RawCollection]) -> Iterator[Write]:
    client = open_client(beside)
    try:
        handles = {
            collection.name: client.create_collection(
                collection.name,
                metadata=collection.metadata or None,
                configuration={"hnsw": collection.settings},
                embedding_function=None,
            )
            for collection in collections
        }

        def write(name: str, records: Sequence[Record]) -> None:
            handles[name].upsert(
                ids=[record.id for record in records],
                embeddings=np.stack([record.vector for record in records]),
                documents=[record.text for record in records],
                metadatas=[record.metadata or None for record in records],
            )

        yield write
    finally:
        close_client(client)
