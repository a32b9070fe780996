"""Check statistics that come from a file or a store, before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

import numpy as np

from senseweave.media import MODALITIES
from senseweave.retrieval.calibration.statistics import Statistics, unpack

READABLE: Final = (2, 3)
"""Versions of stored statistics that are usable until they are estimated again."""
_PACKED: Final = ("<f4:", "<f2:")
_KEYS: Final = {"version", "documents", "centre", "cells", "queries"}
LARGEST: Final = 1e30
"""Bound of the numbers of a cell, far from any that a similarity or a count can give."""
_TEXTS: Final = {"origin"}
_NUMBERS: Final = {attribute.name for attribute in fields(Statistics)} - {"origin", "center", "composed_for"}


def check_calibration(values: Any, dimension: int) -> dict[str, Any]:
    """Return the calibration of a collection; an empty dict for a version that cannot be used.

    Args:
        values: What a description's `calibration` holds.
        dimension: Of the collection.

    Raises:
        ValueError: If a value is not what `Calibration` writes; the message names it.
    """
    if not isinstance(values, dict):
        msg = f"calibration must be an object, not {type(values).__name__}"
        raise ValueError(msg)
    version = values.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version not in READABLE:
        return {}
    if unknown := sorted(values.keys() - _KEYS):
        msg = f"calibration has the unknown key {unknown[0]!r}"
        raise ValueError(msg)
    documents = values.get("documents")
    if isinstance(documents, bool) or not isinstance(documents, int) or not 0 <= documents < 2**63:
        msg = f"documents of the calibration must be a whole number, not {documents!r}"
        raise ValueError(msg)
    if len(_numbers("centre", values.get("centre"))) != dimension:
        msg = f"centre of the calibration must hold {dimension} numbers"
        raise ValueError(msg)
    for modality, cell in _by_modality("cells", values.get("cells")).items():
        _check_cell(modality, cell)
    for modality, packed in _by_modality("queries", values.get("queries", {})).items():
        if len(_numbers(f"queries of {modality}", packed)) % dimension:
            msg = f"queries of {modality} must be vectors of {dimension} numbers"
            raise ValueError(msg)
    return values


def _check_cell(modality: str, cell: Any) -> None:
    if not isinstance(cell, Mapping):
        msg = f"the cell of {modality} must be an object, not {type(cell).__name__}"
        raise ValueError(msg)
    for name, value in cell.items():
        if name in _NUMBERS:
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST
            if not number:
                msg = f"{name} of the cell of {modality} must be a finite number, not {value!r}"
                raise ValueError(msg)
        elif name not in _TEXTS or not isinstance(value, str):
            msg = f"the cell of {modality} has the unknown value {name!r}"
            raise ValueError(msg)
    try:
        Statistics(**cell)
    except TypeError as error:
        msg = f"the cell of {modality} is not complete ({error})"
        raise ValueError(msg) from error


def _by_modality(name: str, values: Any) -> Mapping[str, Any]:
    if not isinstance(values, Mapping) or not values.keys() <= set(MODALITIES):
        msg = f"{name} of the calibration must be an object by modality"
        raise ValueError(msg)
    return values


def _numbers(name: str, packed: Any) -> np.ndarray:
    if not isinstance(packed, str) or not packed.startswith(_PACKED):
        msg = f"{name} of the calibration must be a string of packed numbers"
        raise ValueError(msg)
    try:
        numbers = unpack(packed)
    except ValueError as error:
        msg = f"{name} of the calibration cannot be unpacked ({error})"
        raise ValueError(msg) from error
    if not np.isfinite(numbers).all():
        msg = f"{name} of the calibration must be finite"
        raise ValueError(msg)
    return numbers
