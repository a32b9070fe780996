"""Weights that are known by their checksums, and the three places where they are looked for."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from senseweave.encoders.runtime.checkpoint import downloads_allowed
from senseweave.errors import MissingWeightsError
from senseweave.extras import require

WEIGHTS_VARIABLE: Final = "SENSEWEAVE_WEIGHTS"
"""Environment variable that names a folder of weights; they may lie in it at any depth."""
PACKAGE, FOLDER, AUTHORS = "package", "folder", "authors"
Files = Mapping[str, tuple[Path, ...]]
"""The paths that hold each file, in order: one, or several if the file comes in parts."""

_Check = Callable[[Files, Mapping[str, str]], str | None]
"""Says what is wrong with files, given their checksums; None if nothing is."""
_network: ContextVar[bool] = ContextVar("senseweave_weights_network", default=False)


@dataclass(frozen=True)
class HubPlace:
    """Where the authors of a model publish it.

    Attributes:
        name: `owner/name` on huggingface.co.
        revision: A commit.
    """

    name: str
    revision: str

    def __str__(self) -> str:
        return f"https://huggingface.co/{self.name}, revision {self.revision}"


@dataclass(frozen=True, eq=False)
class FoundWeights:
    """Weights whose checksums were compared with the pinned ones.

    Attributes:
        name: What errors call them.
        files: Where each file is.
    """

    name: str
    files: Files

    @property
    def folder(self) -> Path | None:
        """The folder of the files; None if a file comes in parts."""
        if any(len(paths) > 1 for paths in self.files.values()):
            return None
        file, (path,) = next(iter(self.files.items()))
        return path.parents[file.count("/")]

    def path(self, file: str) -> Path:
        """Return where a file is that comes in one part."""
        (path,) = self.files[file]
        return path

    def read(self, file: str) -> bytes:
        """Return the content of a file."""
        return b"".join(path.read_bytes() for path in self.files[file])


@dataclass(frozen=True, eq=False, kw_only=True)
class PinnedWeights:
    """The files of a model, known by their content.

    Attributes:
        name: What errors call them.
        files: The SHA-256 of each file, by its path in the model's folder; the weights come first.
        packages: Where installed packages hold the files, as `module/folder`.
        extra: The extra of senseweave that installs the packages; None for senseweave's own files.
        hub: Where the authors publish these very files; None if no such place is known.
        parts: The names of the parts in which a package holds a file, by the file.
        network: Whether the files may be fetched from `hub`.
    """

    name: str
    files: Mapping[str, str]
    packages: tuple[str, ...]
    extra: str | None
    hub: HubPlace | None = None
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    network: bool = False

    @property
    def sha256(self) -> str:
        """The checksum of the first file, the weights."""
        return next(iter(self.files.values()))

    def as_allowed(self) -> PinnedWeights:
        """Return these weights, fetched from the authors if that is allowed where this is called."""
        return replace(self, network=_network.get() and downloads_allowed())

    def require(self) -> None:
        """Check that some place has the files, without reading or fetching them.

        Raises:
            MissingWeightsError: If none has.
        """
        if not (self.network and self.hub):
            self._search(_missing)

    def find(self) -> FoundWeights:
        """Return the files from the first place that has them with the pinned checksums.

        Raises:
            MissingWeightsError: If none has; it lists the places, and what is wrong with each.
        """
        return self._search(_differing)

    def _search(self, check: _Check) -> FoundWeights:
        problems: dict[str, list[str]] = {PACKAGE: [], FOLDER: [], AUTHORS: []}
        for place, files in self._candidates(problems):
            problem = check(files, self.files)
            if problem is None:
                return FoundWeights(self.name, files)
            problems[place].append(problem)
        places = (
            f"the package: {self._say_package(problems[PACKAGE])}",
            f"a folder: {self._say_folder(problems[FOLDER])}",
            f"the authors' own place: {self._say_authors(problems[AUTHORS])}",
        )
        raise MissingWeightsError(self.name, places)

    def _candidates(self, problems: Mapping[str, list[str]]) -> Iterator[tuple[str, Files]]:
        homes = [home for package in self.packages if (home := locate(package)) is not None]
        if homes:
            yield PACKAGE, {file: self._choose(homes, file) for file in self.files}
        first = next(iter(self.files))
        for root in find_roots(first):
            yield FOLDER, {file: (root / file,) for file in self.files}
        if self.hub is None:
            return
        try:
            snapshot = fetch(self.hub, tuple(self.files), self.network)
        except (OSError, ValueError, ImportError) as error:  # the hub's own errors are OSErrors and ValueErrors
            if self.network:
                problems[AUTHORS].append(f"cannot be fetched: {error}")
            return
        yield AUTHORS, {file: (snapshot / file,) for file in self.files}

    def _choose(self, homes: list[Path], file: str) -> tuple[Path, ...]:
        """Return where the packages hold a file or its parts; where the first should, if none does."""
        names = self.parts.get(file, (file,))
        return tuple(
            next((home / name for home in homes if (home / name).is_file()), homes[0] / name) for name in names
        )

    def _say_package(self, problems: list[str]) -> str:
        install = "install senseweave again" if self.extra is None else f'pip install "senseweave[{self.extra}]"'
        modules = ", ".join(package.partition("/")[0] for package in self.packages)
        return f"{modules}: {'; '.join(problems) or 'not installed'}; try: {install}"

    def _say_folder(self, problems: list[str]) -> str:
        named = os.environ.get(WEIGHTS_VARIABLE)
        if problems:
            return "; ".join(problems)
        wanted = ", ".join(f"{file} (SHA-256 {sha256})" for file, sha256 in self.files.items())
        if not named:
            return f"{WEIGHTS_VARIABLE} is not set; let it name a folder that holds {wanted}"
        lacks = "holds no" if Path(named).is_dir() else "is no folder; expected one that holds"
        return f"{named} ({WEIGHTS_VARIABLE}) {lacks} {wanted}"

    def _say_authors(self, problems: list[str]) -> str:
        if self.hub is None:
            return "none is known that has these very files"
        if problems:
            return f"{self.hub}: {'; '.join(problems)}"
        return f"{self.hub}: no network is allowed; allow it by sw.load(..., policy=sw.MediaPolicy(network=True))"


@contextmanager
def allow_network(allowed: bool) -> Iterator[None]:
    """Let weights that are described within a `with` block be fetched from their authors, or not."""
    token = _network.set(allowed)
    try:
        yield
    finally:
        _network.reset(token)


def locate(package: str) -> Path | None:
    """Return the folder of an installed package, given as `module/folder`, without running its code; None if absent."""
    module, _, folder = package.partition("/")
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)), folder)


def find_roots(file: str) -> list[Path]:
    """Return the folders below `$SENSEWEAVE_WEIGHTS` that hold a file, given by its path in them."""
    named = os.environ.get(WEIGHTS_VARIABLE)
    if not named:
        return []
    return sorted(path.parents[file.count("/")] for path in Path(named).expanduser().rglob(file) if path.is_file())


def fetch(hub: HubPlace, files: tuple[str, ...], network: bool) -> Path:
    """Return the folder of files of a hub model: fetched if `network`, else from the hub's cache alone.

    Raises:
        OSError: If the hub cannot be reached, or its cache does not have them.
        ValueError: If the hub has no such model.
        ImportError: If the hub's library is not installed.
    """
    library = require("huggingface_hub", extra="text", feature="fetching weights from their authors")
    options = {"allow_patterns": list(files), "local_files_only": not network}
    return Path(library.snapshot_download(hub.name, revision=hub.revision, **options))


def _missing(files: Files, expected: Mapping[str, str]) -> str | None:
    """Return which files a place lacks, or None."""
    lacking = [path.name for file in expected for path in files[file] if not path.is_file()]
    return f"lacks {', '.join(lacking)}" if lacking else None


def _differing(files: Files, expected: Mapping[str, str]) -> str | None:
    """Return which files a place lacks or has with other content, or None."""
    lacking = _missing(files, expected)
    if lacking is not None:
        return lacking
    for file, sha256 in expected.items():
        states = [(path, os.stat(path)) for path in files[file]]
        found = _hash_together(tuple((str(path), state.st_size, state.st_mtime_ns) for path, state in states))
        if found != sha256:
            return f"holds {file} with SHA-256 {found}, but {sha256} is pinned: it is damaged, or another file"
    return None


@lru_cache(maxsize=256)
def _hash_together(parts: tuple[tuple[str, int, int], ...]) -> str:
    """Return the SHA-256 of files put together, once per their sizes and times of change."""
    digest = hashlib.sha256()
    for path, _, _ in parts:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
