"""Decoded inputs: arrays, tensors, PIL images, waveforms and lists of frames."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Mapping
from functools import cached_property
from typing import Any, BinaryIO

import numpy as np

from senseweave.errors import MediaError
from senseweave.media.decoded import Clip, Waveform
from senseweave.media.forms.content import Content
from senseweave.media.forms.source import Source
from senseweave.media.modality import Modality
from senseweave.media.policy import DEFAULT_POLICY

_MIME_TYPES: dict[Modality, str] = {
    "text": "text/plain",
    "image": "image/x-decoded",
    "audio": "audio/x-decoded",
    "video": "video/x-decoded",
}


class DecodedSource(Source):
    """A decoded object, identified by the hash of its values."""

    def __init__(self, value: object, modality: Modality, label: str | None = None) -> None:
        super().__init__(DEFAULT_POLICY)
        self._label = label
        self.value = value
        self.modality: Modality = modality
        if value is None or isinstance(value, bool | int | float | complex):
            expected = "a path, URL, data URI, bytes, binary file object or decoded object"
            raise MediaError(type(value).__name__, f"{value!r} is not {modality}; expected {expected}")

    @property
    def label(self) -> str:
        """The given label, or the type of the object and the first digits of its hash."""
        return self._label or f"{self._kind}:{self.sha256[:12]}"

    @property
    def name(self) -> str:
        """The given label, or the type of the object."""
        return self._label or self._kind

    @property
    def _kind(self) -> str:
        if isinstance(self.value, str):
            return "text"
        kind = type(self.value)
        return "image" if kind.__module__.partition(".")[0] == "PIL" else kind.__name__.lower()

    @property
    def identity(self) -> Hashable:
        """The hash of the values."""
        return "decoded", self.sha256

    @cached_property
    def content(self) -> Content:
        """The type of decoded objects of the modality."""
        return Content(_MIME_TYPES[self.modality], (self.modality,))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the values."""
        digest = hashlib.sha256()
        for part in _values(self.value):
            digest.update(part)
        return digest.hexdigest()

    @cached_property
    def size(self) -> int:
        """Size of the values in bytes."""
        return sum(memoryview(part).nbytes for part in _values(self.value))

    def open(self) -> BinaryIO:
        """Raise MediaError: there are no bytes."""
        raise MediaError(self.label, "is a decoded object, which has no encoded bytes to read")


def as_array(value: Any) -> np.ndarray | None:
    """Return an array, tensor or nested list of numbers as a NumPy array, or None for anything else.

    A torch tensor is recognized by its methods, so that torch need not be installed.
    """
    if isinstance(value, np.ndarray):
        return value
    if callable(getattr(value, "detach", None)) and callable(getattr(value, "numpy", None)):
        tensor = value.detach().cpu()
        if str(getattr(tensor, "dtype", "")) == "torch.bfloat16":  # NumPy has no such type
            tensor = tensor.float()
        return np.asarray(tensor.numpy())
    if hasattr(value, "__array__") or hasattr(value, "__array_interface__"):
        return np.asarray(value)
    if isinstance(value, list | tuple) and value and isinstance(value[0], int | float | list | tuple):
        try:
            array = np.asarray(value)
        except ValueError:  # ragged
            return None
        return array if array.dtype.kind in "biuf" else None
    return None


def is_tensor(value: object) -> bool:
    """Return whether `value` is a torch tensor, in which images have their channels first by convention."""
    return type(value).__module__.partition(".")[0] == "torch"


def _values(value: object) -> Iterable[bytes | memoryview]:
    if isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")
    elif isinstance(value, Waveform):
        yield from _values(value.samples)
        yield repr(value.sampling_rate).encode()
    elif isinstance(value, Clip):
        yield from _values(value.frames)
        yield from _values(value.times)
        if value.sound is not None:
            yield from _values(value.sound)
    elif isinstance(value, Mapping):
        for key in sorted(value.keys() - {"path"}, key=str):  # where it was decoded from
            yield f"{key}=".encode()
            yield from _values(value[key])
    elif hasattr(value, "tobytes") and hasattr(value, "mode"):  # a PIL image
        yield f"{value.mode}{getattr(value, 'size', '')}".encode()
        yield value.tobytes()
    elif (array := as_array(value)) is not None:
        yield f"{array.dtype.str}{array.shape}".encode()
        yield array.tobytes()
    elif isinstance(value, list | tuple):
        yield f"[{len(value)}]".encode()
        for item in value:
            yield from _values(item)
    else:
        yield repr(value).encode()
