"""How many bytes of memory prepared inputs hold, so that the engine can bound them; and memory that is given back."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

HELD_BYTES: Final = 256 * 1024**2
"""Bytes of prepared inputs that wait for a batch, and of those prepared ahead of them, beyond the last of each."""
TRIM_SECONDS: Final = 10.0
"""Least time between two returns of freed memory: what is returned costs a little to get again."""

_trimmed = time.monotonic()


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


def give_back_freed() -> None:
    """Give memory that was freed back to the system, at most every `TRIM_SECONDS`; nothing happens without glibc.

    Batches of many shapes leave holes between what stays: after 900 texts of 1 to 400 words a process held 1,609 MB, of
    which 617 MB were free. Giving them back took 0.16 s.
    """
    global _trimmed
    now = time.monotonic()
    if now - _trimmed >= TRIM_SECONDS and (library := _glibc()) is not None:
        _trimmed = now
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    """Return the C library if it is glibc, or None."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL("libc.so.6")
        library.malloc_trim.argtypes = [ctypes.c_size_t]
    except (OSError, AttributeError):
        return None
    return library
