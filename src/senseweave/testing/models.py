"""Tiny models of cases on disk and in memory: each is made once, and loaded once for as long as it is in use."""

from __future__ import annotations

import itertools
import shutil
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from senseweave.spaces import Space, load
from senseweave.testing.case import Case

KEPT_SPACES = 4
"""Cases that share a model follow each other; the spaces of the last few stay loaded."""


class CaseModels:
    """Makes, loads, copies and damages the models of cases."""

    def __init__(self, root: Path) -> None:
        """Keep all files in `root`."""
        self._root = root
        self._made: dict[Callable[[Path], str], tuple[Path, str]] = {}
        self._items: dict[str, list[Any]] = {}
        self._spaces: deque[Space] = deque(maxlen=KEPT_SPACES)
        self._numbers = itertools.count(1)

    def folder(self, case: Case) -> Path:
        """Return the folder of the model of a case."""
        return self._model(case)[0]

    def name(self, case: Case) -> str:
        """Return the name by which `senseweave.load` loads the model of a case."""
        return self._model(case)[1]

    def items(self, case: Case) -> list[Any]:
        """Return the items of a case."""
        if case.id not in self._items:
            self._items[case.id] = case.items(self._new_folder("items"))
        return self._items[case.id]

    def space(self, case: Case, **options: Any) -> Space:
        """Return the space of a case on the CPU, without a cache, so that every vector is computed."""
        options = {"cache_size": 0, **case.options_at(self.folder(case)), **options}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            space = load(self.name(case), **options)
        self._spaces.append(space)
        return space

    def space_at(self, case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Space:
        """Return a new space of a case whose model is in another folder than that of `space`."""
        if case.relocate is not None:
            case.relocate(monkeypatch, folder)
        name = self.name(case).replace(str(self.folder(case)), str(folder))
        # Equal arguments would give the space that is there already; the size of the cache makes them differ.
        return load(name, cache_size=next(self._numbers), **case.options_at(folder))

    def copy(self, case: Case) -> Path:
        """Return a copy of the model's folder, for a test to change."""
        source = self.folder(case)
        return Path(shutil.copytree(source, self._new_folder("copy") / source.name, symlinks=True))

    def damaged(self, case: Case, change: Callable[[Any], Any] | None, suffix: str) -> Path:
        """Return a copy of the model's folder in which a tensor is changed, or removed if `change` is None.

        Of weights that come as packages, a byte of a file is changed instead.
        """
        folder = self.copy(case)
        if case.relocate is not None:
            (file,) = folder.rglob(suffix)
            content = file.read_bytes()
            file.unlink()  # it may be a link to the package's own file
            file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
            return folder
        if not any(_change_tensors(file, change, suffix) for file in sorted(folder.rglob("*.safetensors"))):
            msg = f"{case.id} has no tensor whose name ends with {suffix}"
            raise LookupError(msg)
        return folder

    def decoded(self, case: Case, space: Space, items: Sequence[Any]) -> list[Any]:
        """Return items as the encoder receives them; references are computed from these."""
        if case.modality == "text":
            return list(items)
        options = space.encoder(case.modality).decode_options
        return [space.media(case.modality, item).decode(**options) for item in items]

    def _model(self, case: Case) -> tuple[Path, str]:
        if case.make not in self._made:
            folder = self._new_folder(case.id) / "model"
            folder.mkdir()
            self._made[case.make] = folder, case.make(folder)
        return self._made[case.make]

    def _new_folder(self, prefix: str) -> Path:
        folder = self._root / f"{prefix}-{next(self._numbers)}"
        folder.mkdir()
        return folder


def embed(space: Space, case: Case, items: Sequence[Any], **options: Any) -> np.ndarray:
    """Return the vectors of items of the modality of a case."""
    vectors: np.ndarray = getattr(space, f"embed_{case.modality}")(items, **options)
    return vectors


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors scaled to length 1."""
    scaled: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def _change_tensors(file: Path, change: Callable[[Any], Any] | None, suffix: str) -> bool:
    """Change or remove the tensors of a file whose names end with `suffix`; return whether there are any."""
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(file, "np") as stored:
        tensors = {key: stored.get_tensor(key) for key in stored.keys()}  # noqa: SIM118
        metadata = stored.metadata()
    matching = [key for key in tensors if key.endswith(suffix)]
    for key in matching:
        if change is None:
            del tensors[key]
        else:
            tensors[key] = change(tensors[key])
    if matching:
        save_file(tensors, file, metadata)
    return bool(matching)
