"""The files that clients uploaded: each is kept as it was named, and removed with its last record."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from senseweave.display import printable
from senseweave.forking import Lock
from senseweave.media.forms.local_names import source_path
from senseweave.retrieval import Index

LOG = logging.getLogger("senseweave.serving")
HASH: Final = re.compile(r"[0-9a-f]{16}")
"""Name of the folder of an upload: the beginning of its SHA-256."""
STEM_BYTES: Final = 160
"""Most bytes of a name before its suffix; file systems take 255 in all."""
SUFFIX_CHARACTERS: Final = 12


class Uploads:
    """A folder of uploads, for requests that add and delete at the same time.

    An upload of the same name and content is the same file. It stays as long as one request adds it or the index has a
    record of it. Nothing else in the folder, and nothing outside it, is ever removed.
    """

    def __init__(self, folder: Path, index: Index) -> None:
        self._folder = folder.absolute()
        self._index = index
        self._lock = Lock()
        self._adding: Counter[Path] = Counter()

    def keep(self, files: Sequence[tuple[str | None, BinaryIO]]) -> list[Path]:
        """Write uploads, given by name and content, to files; `release` them when they are added.

        Raises:
            OSError: If they cannot be written; none of them is kept then.
        """
        kept: list[Path] = []
        try:
            for name, file in files:
                digest = hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
                place = self._folder / digest[:16] / safe_name(name)
                with self._lock:
                    self._adding[place] += 1
                kept.append(place)
                _write(file, place)
        except BaseException:
            self.release(kept)
            raise
        return kept

    def release(self, paths: Collection[Path]) -> None:
        """Let go of uploads that were added, or could not be; those of which the index has no record are removed."""
        with self._lock:
            self._adding.subtract(paths)
            self._remove_unused(paths)

    def remove_unused(self, source: str) -> None:
        """Remove the upload that a source is, if the index has no record of it any more."""
        path = source_path(source)
        if path is not None:
            with self._lock:
                self._remove_unused([Path(path)])

    def _remove_unused(self, paths: Collection[Path]) -> None:
        idle = {path for path in paths if self._is_upload(path) and self._adding[path] <= 0}
        used = self._index.sources(below=idle) if idle else {}
        for path in idle:
            del self._adding[path]
            if str(path) not in used:
                _remove(path)

    def _is_upload(self, path: Path) -> bool:
        """Return whether a path is of a file that `keep` wrote; one with `..` in it leads anywhere."""
        is_named = HASH.fullmatch(path.parent.name) is not None and path.name == safe_name(path.name)
        return is_named and path.parent.parent == self._folder and not path.is_dir()


def safe_name(given: str | None) -> str:
    """Return a name that stays in its folder and is shown as it is: its last part, without what a shell would obey."""
    name = re.split(r"[/\\]", given or "")[-1]
    name = re.sub(r"[^\w.() +-]", "_", printable(name)).strip(". ")
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        return _cut(name) or "upload"
    return f"{_cut(stem)}{dot}{suffix[:SUFFIX_CHARACTERS]}".strip(". ")


def _cut(name: str) -> str:
    """Return the beginning of a name that file systems take: they count bytes."""
    return name.encode()[:STEM_BYTES].decode(errors="ignore").strip(". ")


def _remove(path: Path) -> None:
    """Remove an upload with its folder; what cannot be removed stays, and the log says so."""
    try:
        path.unlink(missing_ok=True)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()
    except OSError as error:
        LOG.warning("an upload that nothing needs cannot be removed: %s", error)


def _write(file: BinaryIO, place: Path) -> None:
    """Write a file at once: whoever reads the place sees all of it or what was there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    file.seek(0)
    new = place.with_name(f".{secrets.token_hex(8)}.new")
    try:
        with new.open("wb") as target:
            while block := file.read(1 << 20):
                target.write(block)
        new.replace(place)
    finally:
        with suppress(OSError):  # the error of writing says why
            new.unlink(missing_ok=True)
