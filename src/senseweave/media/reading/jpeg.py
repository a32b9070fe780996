"""Read a JPEG whose last bytes are missing, as far as it goes."""

from __future__ import annotations

import io
import re
from typing import Final

import numpy as np

_END: Final = b"\xff\xd9" * 32
"""Several marks of an end: Pillow waits for bytes beyond those that a decoder needs."""
_SCAN: Final = b"\xff\xda"
_MARKER: Final = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_MOST_MARKERS: Final = 100_000
_FILLING: Final = bytes(range(1, 200)) * 40
"""Bytes in place of the missing ones: rows that they change were not in the file."""
_LEAST_SHARE: Final = 0.5
"""Of the rows that must be in the file; less is a broken picture."""


def completed(data: bytes) -> tuple[bytes, str] | None:
    """Return a JPEG that was cut with an end of its own, and what a user should know of it.

    Args:
        data: A JPEG whose end is missing, of a size that was checked.

    Returns:
        Bytes that decode, and a note; None if too little of the picture is left.
    """
    if count_scans(data) > 1:  # progressive: the first scan already holds the whole picture
        return data + _END, "the file ends early: the picture is less sharp than it was"
    try:
        ended, filled = _rows(data + _END), _rows(data + _FILLING + _END)
    except Exception:  # what libjpeg cannot read at all is broken
        return None
    differs = (ended != filled).reshape(len(ended), -1).any(axis=1)
    read = int(differs.argmax()) if differs.any() else len(ended)
    if read < _LEAST_SHARE * len(ended):
        return None
    where = (
        f"below row {read:,} of {len(ended):,} the picture is missing" if read < len(ended) else "nothing is missing"
    )
    return data + _END, f"the file ends early: {where}"


def count_scans(data: bytes) -> int:
    """Return the number of scans of a JPEG, without what follows its end: a phone appends a film to a photo."""
    at, scans = 2, 0
    for _ in range(_MOST_MARKERS):
        marker = _MARKER.search(data, at)
        if marker is None:
            break
        kind, at = data[marker.start() + 1], marker.end()
        if kind == _END[1]:
            break
        if kind == _SCAN[1]:
            scans += 1
        if not 0xD0 <= kind <= 0xD8:  # these have no length
            at += int.from_bytes(data[at : at + 2], "big")
    else:
        return _MOST_MARKERS  # no camera writes so many
    return scans


def _rows(data: bytes) -> np.ndarray:
    from PIL import Image as PILImage

    with PILImage.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return np.asarray(image)
