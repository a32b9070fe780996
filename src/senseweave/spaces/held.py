"""How many bytes of memory prepared inputs hold, so that the engine can bound them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

HELD_BYTES: Final = 256 * 1024**2
"""Bytes of prepared inputs that wait for a batch, and of those prepared ahead of them, beyond the last of each."""


def held_bytes(value: Any) -> int:
    """Return about how many bytes an array, tensor, image, recording or clip holds, or a collection of them."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if isinstance(value, Mapping):
        return sum(map(held_bytes, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(held_bytes, value)) if value and not isinstance(value[0], (int, float, str)) else 8 * len(value)
    if hasattr(value, "getbands"):  # an image of Pillow, which keeps colors in four bytes
        return int(value.width * value.height) * (4 if len(value.getbands()) > 1 else 1)
    return sum(held_bytes(getattr(value, part, ())) for part in ("samples", "frames", "sound"))
