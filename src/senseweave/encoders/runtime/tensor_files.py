"""Tensors of weight files as numpy arrays, without torch: safetensors are mapped into memory, pickles are not run."""

from __future__ import annotations

import json
import mmap
import pickle
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.errors import WeightsError

DTYPES: Final[Mapping[str, type]] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
    "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip
"""Number types of safetensors that numpy has."""
_LARGEST_HEADER: Final = 100_000_000
"""Bytes; the limit of the format (github.com/huggingface/safetensors)."""


class MappedTensors(Mapping[str, np.ndarray]):
    """The tensors of a safetensors file, read-only, in the pages of the file: only what is used is read from disk.

    `bfloat16`, which numpy lacks, becomes float32, in memory of its own.
    """

    def __init__(self, path: Path) -> None:
        """Map a file.

        Raises:
            WeightsError: If it is not a safetensors file.
        """
        self.path = path
        with open(path, "rb") as file:
            try:
                self._pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise self._error("it is empty") from error
        length = int.from_bytes(self._pages[:8], "little")
        if not 2 <= length <= min(_LARGEST_HEADER, len(self._pages) - 8):
            raise self._error("its header does not say how long it is")
        try:
            header: dict[str, Any] = json.loads(self._pages[8 : 8 + length])
        except ValueError as error:
            raise self._error("its header is not JSON") from error
        self._start = 8 + length
        self.metadata: Mapping[str, str] = header.pop("__metadata__", None) or {}
        self._entries = header

    def __getitem__(self, name: str) -> np.ndarray:
        entry = self._entries[name]
        try:
            kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
            dtype = np.dtype(np.uint16 if kind == "BF16" else DTYPES[kind])
            count = int(np.prod(shape, dtype=np.int64))
            if end - begin != count * dtype.itemsize:
                raise self._error(f"{name} has another length than its shape")
            numbers = np.frombuffer(self._pages, dtype, count, self._start + begin).reshape(shape)
        except (KeyError, TypeError, ValueError) as error:
            raise self._error(f"{name} cannot be read ({type(error).__name__}: {error})") from error
        if kind == "BF16":
            return (numbers.astype(np.uint32) << 16).view(np.float32)
        return numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def release_pages(self) -> None:
        """Let the system take back the pages that were read; those used again are read again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._pages.madvise(mmap.MADV_DONTNEED)

    def _error(self, problem: str) -> WeightsError:
        return WeightsError(f"{self.path.name} cannot be read as safetensors: {problem}")


def read_pickled_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read a state dict that `torch.save` of torch before 1.6 wrote, without torch and without running its code.

    The file is three pickles (a mark, a version, sizes of number types), the pickled dict, whose tensors name storages,
    the names of the storages, and their numbers (torch/serialization.py, `_legacy_load`). Names that a pickle may ask
    for are those of `_ALLOWED`.

    Returns:
        Read-only arrays by name.

    Raises:
        WeightsError: If it is not such a file.
    """
    try:
        with open(path, "rb") as file:
            if _TensorUnpickler(file).load() != _LEGACY_MARK:
                raise pickle.UnpicklingError("it is not of torch before 1.6")
            _TensorUnpickler(file).load(), _TensorUnpickler(file).load()
            described = _TensorUnpickler(file).load()
            types = {entry.storage: entry.dtype for entry in described.values()}
            storages = {}
            for name in _TensorUnpickler(file).load():
                count = int.from_bytes(file.read(8), "little")
                dtype = np.dtype(types[name])
                storages[name] = np.frombuffer(file.read(count * dtype.itemsize), dtype, count)
        return {name: entry.read(storages) for name, entry in described.items()}
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        msg = f"{path.name} cannot be read as pickled tensors: {error}"
        raise WeightsError(msg) from error


@dataclass(frozen=True)
class _PickledTensor:
    """A tensor as a pickle describes it: a part of a storage, in elements."""

    storage: str
    dtype: type
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def read(self, storages: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the numbers, row by row.

        Raises:
            ValueError: If they reach beyond the storage.
        """
        storage = storages[self.storage]
        steps = [(size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)]
        if min(self.offset, *self.shape, *self.strides, 0) < 0 or self.offset + sum(steps) >= len(storage):
            raise ValueError(f"shape {self.shape} reaches beyond a storage of {len(storage)} numbers")
        strides = [stride * storage.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(storage[self.offset :], self.shape, strides, writeable=False)
        return view.copy(order="C")


def _describe_tensor(
    storage: tuple[str, type, str, str, int, object], offset: int, shape: tuple[int, ...], strides: tuple[int, ...],
    *unused: object,
) -> _PickledTensor:  # fmt: skip
    """Stand in for `torch._utils._rebuild_tensor_v2`."""
    _, dtype, name, *_ = storage
    return _PickledTensor(name, dtype, offset, tuple(shape), tuple(strides))


_LEGACY_MARK: Final = 0x1950A86A20F9469CFC6C
"""torch.serialization.MAGIC_NUMBER."""
_ALLOWED: Final[Mapping[tuple[str, str], object]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _describe_tensor,
    ("torch", "FloatStorage"): np.float32,
    ("torch", "HalfStorage"): np.float16,
    ("torch", "DoubleStorage"): np.float64,
    ("torch", "LongStorage"): np.int64,
    ("torch", "IntStorage"): np.int32,
}
"""What a pickle of tensors may name, and what stands for it here."""


class _TensorUnpickler(pickle.Unpickler):
    """Reads pickles of tensors alone: a pickle that names anything else would run its code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no file of tensors needs")
        return _ALLOWED[module, name]

    def persistent_load(self, identifier: Any) -> Any:
        return identifier
