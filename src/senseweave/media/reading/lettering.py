"""Whether a picture looks as if it held writing: cheap enough for every picture, so that OCR reads only those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SIDES: Final = (1920, 1280, 480, 180)
"""Longest sides in pixels at which lines of writing are looked for: small print at the first, large at the last."""
LARGER: Final = 1.5
"""A picture that exceeds a side by less is not looked at in that size, which would show the same once more."""
BLOCK: Final = 48
"""Pixels of a row in which strokes are counted."""
CONTRAST: Final = 40
"""Levels between neighboring pixels at the side of a stroke."""
LEAST_SIDES: Final = 5
"""Sides of strokes in a block, in each row of a line of writing: letters have more, the edge of a thing has fewer."""
MOST_BESIDE: Final = 1
"""Sides of strokes in the rows above and below a line."""
HEIGHTS: Final = (5, 32)
"""Rows of a line of writing, from the least to the most."""
LEAST_LINES: Final = 2
"""Blocks of lines, which overlap by half, from which on a picture looks written."""


def looks_written(image: Image) -> bool:
    """Return whether a picture has rows of many strokes between rows of few, as lines of writing do."""
    from PIL import Image as PILImage

    gray = image.convert("L")
    for number, side in enumerate(SIDES):
        scale = side / max(gray.size)
        if number and scale * LARGER > 1:
            continue
        if scale < 1:
            size = max(1, round(gray.width * scale)), max(1, round(gray.height * scale))
            gray = gray.resize(size, PILImage.Resampling.BOX)
        if count_lines(np.asarray(gray)) >= LEAST_LINES:
            return True
    return False


def count_lines(gray: np.ndarray) -> int:
    """Count blocks of lines of writing in gray levels, shape (height, width), uint8; blocks overlap by half."""
    change = np.diff(gray.astype(np.int16), axis=1)
    rises, falls = change > CONTRAST, change < -CONTRAST
    begins = (rises[:, 1:] & ~rises[:, :-1]) | (falls[:, 1:] & ~falls[:, :-1])
    return sum(_count(begins[:, offset:]) for offset in (0, BLOCK // 2) if begins.shape[1] >= BLOCK + offset)


def _count(begins: np.ndarray) -> int:
    height, blocks = len(begins), begins.shape[1] // BLOCK
    sides = begins[:, : blocks * BLOCK].reshape(height, blocks, BLOCK).sum(axis=2).T
    busy = np.pad(sides >= LEAST_SIDES, ((0, 0), (1, 1))).astype(np.int8)
    quiet = np.pad(sides <= MOST_BESIDE, ((0, 0), (3, 3)), constant_values=True).astype(np.int8)
    turns = np.diff(busy, axis=1)
    block, first = np.nonzero(turns == 1)
    end = np.nonzero(turns == -1)[1]
    above = quiet[block, first] + quiet[block, first + 1] + quiet[block, first + 2] >= 2
    below = quiet[block, end + 3] + quiet[block, end + 4] + quiet[block, end + 5] >= 2
    rows = end - first
    return int(((rows >= HEIGHTS[0]) & (rows <= HEIGHTS[1]) & above & below).sum())
