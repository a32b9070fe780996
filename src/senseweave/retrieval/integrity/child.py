"""Load the vector files of collections in a child process, which may die of them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from senseweave.retrieval.integrity.database import (
    DATABASE,
    Database,
    RawCollection,
    check_collection,
    open_database,
    read_collection,
)
from senseweave.retrieval.integrity.vector_files import DamageError

SECONDS: Final = 120.0
"""Time that a child has at least; it has more for large files."""
BYTES_PER_SECOND: Final = 5e6
"""Files are loaded at least this fast, from a slow disk."""
PACKAGES: Final = ("senseweave.retrieval.integrity", "senseweave.retrieval", "senseweave")
"""Packages that the child enters without running them: that would take longer than its work."""
PROGRAM: Final = """
import json, sys, types
given = json.loads(sys.stdin.read())
sys.path.extend(path for path in given["path"] if path not in sys.path)
for name, place in given["packages"].items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [place]
from senseweave.retrieval.integrity.child import judge
print(json.dumps(judge(given["folder"], given["collections"], given["records"], load=True)))
"""


def judge_in_child(folder: Path, collections: Sequence[RawCollection], *, records: bool = True) -> None:
    """Check the vector files of some collections and load them, in a child process.

    Where no child can be started, the files are checked but not loaded.

    Args:
        folder: Of the store.
        collections: Those with vector files.
        records: Whether each record must have a vector.

    Raises:
        DamageError: If they are damaged, or the child died of them.
    """
    here = Path(__file__).resolve()
    libraries = [importlib.util.find_spec(name) for name in ("numpy", "chromadb_rust_bindings")]
    identifiers = [collection.id for collection in collections]
    size = sum(file.stat().st_size for c in collections for file in (folder / str(c.vectors)).glob("*"))
    given = {
        "folder": str(folder),
        "collections": identifiers,
        "records": records,
        "path": [str(Path(str(found.origin)).parents[1]) for found in libraries if found is not None],
        "packages": {name: str(here.parents[up]) for up, name in enumerate(PACKAGES)},
    }
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-S", "-c", PROGRAM],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS + size / BYTES_PER_SECOND,
            check=False,
        )
        problem = json.loads(done.stdout) if done.returncode == 0 else None
        if done.returncode < 0 or done.returncode > 255:
            names = ", ".join(repr(collection.name) for collection in collections)
            problem = f"loading the vector files of collection {names} ended a process with code {done.returncode}"
        elif done.returncode > 0:
            problem = judge(str(folder), identifiers, records, load=False)
    except subprocess.TimeoutExpired as error:
        problem = f"the vector files of collection {collections[0].name!r} do not load in {error.timeout:.0f} seconds"
    except OSError:
        problem = judge(str(folder), identifiers, records, load=False)
    if problem:
        raise DamageError(problem)


def judge(folder: str, identifiers: Sequence[str], records: bool, *, load: bool) -> str | None:
    """Return what is wrong with the vector files of some collections, or None.

    Args:
        folder: Of the store.
        identifiers: Chroma's ids of the collections.
        records: Whether each record must have a vector.
        load: Whether Chroma loads the files too, which may end this process.
    """
    place = Path(folder)
    with open_database(place) as database:
        chosen = [collection for collection in database.collections() if collection.id in identifiers]
        for collection in chosen:
            try:
                _check_vectors(place, database, collection, records)
            except DamageError as error:
                return f"collection {collection.name!r}: {error}"
    for collection in chosen if load else ():
        try:
            _load(place, collection)
        except BaseException as error:  # a panic of native code is no Exception
            return f"collection {collection.name!r} cannot be loaded ({str(error).splitlines()[0]})"
    return None


def _check_vectors(folder: Path, database: Database, collection: RawCollection, records: bool) -> None:
    """Check that a collection's files are whole, and if asked that they or the queue hold a vector for each record.

    Raises:
        DamageError: If not.
    """
    check_collection(folder, collection)
    if not records:
        return
    saved, _ = read_collection(folder, collection)
    held = {*saved, *(identifier for _, identifier, vector in database.queued(collection) if vector is not None)}
    missing = [identifier for identifier in database.ids(collection) if identifier not in held]
    if missing:
        msg = f"{len(missing)} records have no vector, {missing[0]} for one"
        raise DamageError(msg)


def _load(folder: Path, collection: RawCollection) -> None:
    import chromadb_rust_bindings as chroma  # type: ignore[import-untyped]

    settings = chroma.SqliteDBConfig(
        hash_type=chroma.MigrationHash.MD5, migration_mode=chroma.MigrationMode.Apply, url=str(folder / DATABASE)
    )
    store = chroma.Bindings(allow_reset=False, sqlite_db_config=settings, persist_path=str(folder), hnsw_cache_size=10)
    vector = [1.0] * int(collection.dimension or 1)
    store.query(collection.id, None, [vector], 10, None, None, ["distances"], *collection.place)
