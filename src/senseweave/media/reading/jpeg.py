"""Decode a JPEG fast, at a part of its size if asked, and one whose last bytes are missing as far as it goes."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from senseweave.media.reading.in_flight import managing_memory

if TYPE_CHECKING:
    from PIL.Image import Image

_END: Final = b"\xff\xd9" * 32
"""Several marks of an end: Pillow waits for bytes beyond those that a decoder needs."""
_SCAN: Final = b"\xff\xda"
_SEQUENTIAL: Final = (0xC0, 0xC1)
"""Frames, baseline and extended, whose scan of all components holds the whole picture."""
_MARKER: Final = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_MOST_MARKERS: Final = 100_000
_FILLING: Final = bytes(range(1, 200)) * 40
"""Bytes in place of the missing ones: rows that they change were not in the file."""
_LEAST_SHARE: Final = 0.5
"""Of the rows that must be in the file; less is a broken picture."""


STEPS: Final = (8, 4, 2)
"""Parts of its size at which Pillow's `draft` decodes a JPEG."""
WORTH_PREFERRING: Final = 0.9
"""Share of Pillow's time that simplejpeg may take; with Pillow 13 it takes about as long, with some builds a third."""
ROUNDS: Final = 9
"""Runs of each decoder, a millisecond long, of which the fastest counts."""


def scaled_step(size: tuple[int, int], at_least: tuple[int, int] | None) -> int:
    """Return by what a JPEG is made smaller when it is decoded: 1, 2, 4 or 8.

    Args:
        size: Its width and height.
        at_least: The least width and height; None decodes at full size.
    """
    if at_least is None:
        return 1
    scale = min(side // least for side, least in zip(size, at_least, strict=True))
    return next((step for step in STEPS if scale >= step), 1)


def decode_jpeg(data: bytes, opened: Image, step: int) -> Image | None:
    """Decode a JPEG by simplejpeg, where that gives Pillow's pixels in less time.

    Args:
        data: The file.
        opened: The same file opened by Pillow and not loaded.
        step: As `scaled_step` says.

    Returns:
        The image with the opened one's information, or None if Pillow should decode it.
    """
    if opened.mode not in ("RGB", "L") or not _prefers_simplejpeg():
        return None
    try:
        image = _by_simplejpeg(data, opened, step)
    except Exception:  # Pillow decides what is broken
        return None
    image.info = dict(opened.info)
    return image


def _by_simplejpeg(data: bytes, opened: Image, step: int) -> Image:
    import simplejpeg
    from PIL import Image as PILImage

    colors = "RGB" if opened.mode == "RGB" else "GRAY"
    width, height = (-(-opened.width // step), -(-opened.height // step)) if step > 1 else (0, 0)
    pixels = simplejpeg.decode_jpeg(data, colors, fastdct=False, fastupsample=False, min_width=width, min_height=height)
    return PILImage.fromarray(pixels if colors == "RGB" else pixels[:, :, 0])


def _by_pillow(data: bytes, step: int) -> Image:
    from PIL import Image as PILImage

    image = PILImage.open(io.BytesIO(data), formats=["JPEG"])
    if step > 1:
        image.draft("RGB", (image.width // step, image.height // step))
    image.load()
    return image


@cache
def _prefers_simplejpeg() -> bool:
    """Return whether simplejpeg is there, returns Pillow's pixels and is faster; found out once, in some 30 ms.

    Each brings its own build of libjpeg-turbo, so that neither goes without saying.
    """
    try:
        import simplejpeg  # noqa: F401
        from PIL import Image as PILImage

        for data in _samples():
            for step in (1, *STEPS):
                with PILImage.open(io.BytesIO(data), formats=["JPEG"]) as opened:
                    found = _by_simplejpeg(data, opened, step)
                if not np.array_equal(np.asarray(found), np.asarray(_by_pillow(data, step))):
                    return False
        (large,) = _samples(9, ({"subsampling": 2},))
        with managing_memory(), PILImage.open(io.BytesIO(large), formats=["JPEG"]) as opened:
            ours, theirs = _least_times(lambda: _by_simplejpeg(large, opened, 1), lambda: _by_pillow(large, 1))
        return ours < WORTH_PREFERRING * theirs
    except Exception:  # a build that lacks something
        return False


def _samples(
    enlarged: int = 1,
    kinds: tuple[dict[str, Any], ...] = (
        {"subsampling": 0},
        {"subsampling": 1},
        {"subsampling": 2},
        {"progressive": True},
        {"mode": "L"},
    ),
) -> list[bytes]:
    """Return JPEGs of noise over a coarser ground, 53 x 43 pixels or larger, of each kind."""
    from PIL import Image as PILImage

    rng = np.random.default_rng(0)
    ground = rng.normal(128, 40, (5 * enlarged, 6 * enlarged, 3)).repeat(9, 0).repeat(9, 1)
    levels = np.clip(ground + rng.normal(0, 12, ground.shape), 0, 255).astype(np.uint8)
    files = []
    for kind in kinds:
        options = dict(kind)
        picture = PILImage.fromarray(levels[:-2, :-1]).convert(options.pop("mode", "RGB"))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=85, **options)
        files.append(file.getvalue())
    return files


def _least_times(*ways: Callable[[], object]) -> list[float]:
    """Return the seconds of the fastest run of each, in turns: another process takes time from all alike."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for way, times in zip(ways, taken, strict=True):
            start = time.perf_counter()
            way()
            times.append(time.perf_counter() - start)
    return [min(times) for times in taken]


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
    """Return the number of scans of a JPEG that a decoder reads, without what follows its end: a phone appends a film.

    Where the first scan holds all components of a sequential frame, libjpeg reads it in one pass and expects the end
    after it, so that no more are looked for.
    """
    at, scans, components = 2, 0, b""
    for _ in range(_MOST_MARKERS):
        marker = _MARKER.search(data, at)
        if marker is None:
            break
        kind, at = data[marker.start() + 1], marker.end()
        if kind == _END[1]:
            break
        if kind in _SEQUENTIAL:
            components = data[at + 7 : at + 8]
        if kind == _SCAN[1]:
            scans += 1
            if scans == 1 and components and data[at + 2 : at + 3] == components:
                break
        if not 0xD0 <= kind <= 0xD8:  # these have no length
            at += int.from_bytes(data[at : at + 2], "big")
    else:
        return _MOST_MARKERS  # no camera writes so many
    return scans


def _rows(data: bytes) -> np.ndarray:
    from PIL import Image as PILImage

    with PILImage.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return np.asarray(image)
