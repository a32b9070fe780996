"""Graphs that are made once of a checkpoint and kept in the user's cache folder, under the checksums of what made them.

An entry is a folder, written beside its place and renamed: a process that is killed leaves a folder that nobody reads.
Its `facts.json` holds the checksums of every other file and of the facts, and an entry that differs is made again.
Graphs are only read from here, never from the folder of a model. The size of all is bounded, see `eviction`.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from senseweave.encoders.runtime.backends.eviction import evict, graphs_folder, keep_in_use, most_bytes
from senseweave.encoders.runtime.checkpoint import hash_file
from senseweave.encoders.runtime.disk_cache import CACHE_VARIABLE
from senseweave.errors import ModelError
from senseweave.forking import RLock, forks

FORMAT: Final = 4
"""Raised whenever graphs are made in another way than before."""
FACTS: Final = "facts.json"
_MAKERS: Final = ("torch", "transformers", "sentence-transformers", "onnx", "onnxscript")
"""Packages whose versions decide what a graph looks like."""
_temporary: dict[int, Path] = {}
"""The folder of graphs that are not kept, by the number of forks: each process has one of its own."""
_making_temporary = RLock()


@dataclass(frozen=True)
class GraphKey:
    """What decides a graph.

    Attributes:
        quick: What can be said without reading weights: sizes of files, versions, options. Entries of equal quick
            keys lie in one folder, so that it costs nothing to see that there is none.
        content: The checksums of the files.
        variant: Which form of the graph it is: `fp32`, or a lower precision.
    """

    quick: str
    content: Callable[[], Mapping[str, object]]
    variant: str = "fp32"

    def fixed(self) -> GraphKey:
        """Return the key of what the files hold now, whatever they hold later."""
        content = self.content()
        return GraphKey(self.quick, lambda: content, self.variant)

    def folder(self, root: Path = Path()) -> Path:
        """Return the folder of the entry, below `root`."""
        return root / self.quick / f"{_digest(self.content())[:32]}-{self.variant}"


@dataclass(frozen=True)
class Entry:
    """A graph that was made.

    Attributes:
        folder: Where its files are.
        facts: What is known of it, as plain values.
    """

    folder: Path
    facts: Mapping[str, Any]


def graph_key(weights: Sequence[Path], identity: Callable[[], Mapping[str, object]], **options: object) -> GraphKey:
    """Return the key of a model's graph.

    Args:
        weights: The files that hold them.
        identity: Returns the checksums of all files that decide vectors; called when they are needed.
        **options: What decides the graph besides.
    """
    sizes = [(path.name, path.stat().st_size) for path in weights]
    versions = {name: installed_version(name) for name in _MAKERS}
    quick = _digest({"format": FORMAT, "sizes": sizes, "versions": versions, "options": options})[:16]
    return GraphKey(quick, identity)


def find_entry(key: GraphKey) -> Entry | None:
    """Return an entry that is there and whole, or None."""
    root = graphs_folder()
    if root is None or not (root / key.quick).is_dir():
        return None
    place = key.folder(root)
    if place.is_dir():
        keep_in_use(root, place)
    return read_entry(place)


def make_entry(key: GraphKey, make: Callable[[Path], Mapping[str, object]]) -> Entry:
    """Return the entry of a key, made now if it is missing or damaged; by one process at a time.

    Args:
        key: Of the graph.
        make: Writes files into an empty folder and returns facts about them. What it raises is passed on, but for a
            full disk.

    Returns:
        The entry; if the cache is turned off, or its folder cannot be written to and holds no such entry, in a folder
        that this process deletes when it ends.

    Raises:
        ModelError: If the disk is full.
    """
    root = graphs_folder()
    if root is not None:
        place = key.folder(root)
        most_bytes()  # a wrong setting is an error before anything is made
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{place}.lock")
            lock.acquire()
        except OSError:  # a folder that cannot be written to, where another user may have made the graph
            if (entry := read_entry(place)) is not None:
                return entry
        else:
            try:
                keep_in_use(root, place)
                if (entry := read_entry(place)) is not None:
                    return entry
                entry = _write_entry(place, make)
            finally:
                lock.release()
            evict(root)
            return entry
    with _making_temporary:
        place = key.folder(_temporary_folder())
        place.parent.mkdir(parents=True, exist_ok=True)
        return read_entry(place) or _write_entry(place, make)


def read_entry(folder: Path) -> Entry | None:
    """Return the entry in a folder if every file is as it was written, else None."""
    try:
        written = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        facts = written["facts"]
        whole = (
            written["checksum"] == _digest(facts)
            and facts["format"] == FORMAT
            and all(hash_file(folder / name) == checksum for name, checksum in facts["files"].items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Entry(folder, facts) if whole else None


def _temporary_folder() -> Path:
    process = forks()
    if process not in _temporary:
        _temporary[process] = Path(tempfile.mkdtemp(prefix="senseweave-graph-"))
        atexit.register(_remove_temporary, process)
    return _temporary[process]


def _remove_temporary(process: int) -> None:
    """Remove the folder of a process when it ends, and not when a forked child does, which knows of it, too."""
    if process == forks():
        shutil.rmtree(_temporary.pop(process), ignore_errors=True)


def _write_entry(place: Path, make: Callable[[Path], Mapping[str, object]]) -> Entry:
    prefix = f".partial-{place.name}-"
    for left in place.parent.glob(f"{prefix}*"):  # by a process that was killed: whoever writes holds the lock
        shutil.rmtree(left, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(dir=place.parent, prefix=prefix))
    try:
        made = make(partial)
        files = {path.name: hash_file(path) for path in sorted(partial.iterdir())}
        facts = {"format": FORMAT, **made, "files": files}
        written = {"facts": facts, "checksum": _digest(json.loads(json.dumps(facts)))}
        (partial / FACTS).write_text(json.dumps(written, indent=1), encoding="utf-8")
        if place.exists():
            shutil.rmtree(place)
        partial.rename(place)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        root = place.parent.parent
        msg = f"{root}: no space is left for a graph; make some, or name another folder by {CACHE_VARIABLE}"
        raise ModelError(msg) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Entry(place, facts)


def installed_version(name: str) -> str:
    """Return the version of an installed distribution without importing it, or an empty string."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
