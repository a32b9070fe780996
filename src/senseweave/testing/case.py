"""What the contract suite needs to know about a family: a tiny model, inputs, and the authors' computation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from senseweave.errors import WeightsError
from senseweave.media import Modality

Reference = Callable[[Path, Sequence[Any], str], np.ndarray]
"""(checkpoint folder, decoded items, role) -> vectors of the raw library, shape (n, dimension), any length."""


@dataclass(frozen=True)
class Case:
    """A modality of a tiny model, for `EncoderContract`.

    Attributes:
        id: Name of the case in test ids, for example `sentence-e5`.
        modality: The modality of its items.
        make: Saves a tiny model into an empty folder, and returns the name by which `sw.load` loads it (mostly the
            folder itself, sometimes `scheme:folder`). Cases with the same `make` share the model.
        items: Makes at least four distinct items, of different lengths where the modality has lengths. It gets a
            folder into which it may write files. Texts are strings; other media are paths.
        reference: The computation that the authors document, with the raw library; its docstring names the source.
        options: Passed to `sw.load`; a function of the folder where they name a part of it.
        forms: For media other than text: forms of an item that must agree, made from its path (bytes, data URI, ...).
        prompts: Texts that the reference puts before queries and documents, where the family has them.
        long_item: Makes an item that is longer than the model reads at once; None for modalities without length.
        splits_long: Whether a long item is split into windows (audio, video) rather than truncated (text).
        poison: Suffix of the name of a tensor whose values are set to NaN; None for a family without weights.
        missing: Suffix of the name of a tensor that is removed; None for a family without weights.
        missing_as: The name of that tensor in the error message, where the file has another name for it.
        missing_error: The error, where it is not `WeightsError`.
        half_types: Values of `dtype` whose vectors must keep a cosine of 0.999 to those in float32; empty for families
            without that option, and for models that rounding changes by more.
        relocate: For weights that come as packages: makes the packages give the files of a folder. Their checksums are
            pinned, so `poison` and `missing` name a file there, and any change to it is refused.
        served: Whether a server computes, so that there is nothing to load and no device to choose.
        complete: Whether the space of the model embeds all four modalities.
        tolerance: Greatest difference that batching may make.
        reference_tolerance: Greatest difference to the reference.
    """

    id: str
    modality: Modality
    make: Callable[[Path], str]
    items: Callable[[Path], list[Any]]
    reference: Reference
    options: Mapping[str, Any] | Callable[[Path], Mapping[str, Any]] = field(default_factory=dict)
    forms: Callable[[Any], list[Any]] | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    long_item: Callable[[Path], Any] | None = None
    splits_long: bool = False
    poison: str | None = None
    missing: str | None = None
    missing_as: str | None = None
    missing_error: type[Exception] = WeightsError
    half_types: frozenset[str] = frozenset({"bfloat16", "float16"})
    relocate: Callable[[pytest.MonkeyPatch, Path], None] | None = None
    served: bool = False
    complete: bool = False
    tolerance: float = 1e-5
    reference_tolerance: float = 1e-5

    def options_at(self, folder: Path) -> dict[str, Any]:
        """Return the options of `sw.load` for a model in a folder, on the CPU."""
        options = self.options(folder) if callable(self.options) else self.options
        return {**({} if self.served else {"device": "cpu"}), **options}
