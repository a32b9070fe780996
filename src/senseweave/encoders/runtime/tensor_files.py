"""Tensors of weight files as numpy arrays, without torch: safetensors are mapped into memory."""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
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

    def __iter__(self) -> Any:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def release_pages(self) -> None:
        """Let the system take back the pages that were read; those used again are read again."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._pages.madvise(mmap.MADV_DONTNEED)

    def _error(self, problem: str) -> WeightsError:
        return WeightsError(f"{self.path.name} cannot be read as safetensors: {problem}")
