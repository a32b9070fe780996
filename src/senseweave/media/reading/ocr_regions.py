"""Where OCR looks in a picture, and at which size: small print on a large page is lost in the whole of it.

The network that detects lines normalizes by the whole of what it is shown: it misses three words on an empty page that
it finds in the part of the page around them. What is plain is therefore left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from senseweave.media.reading.lettering import CONTRAST, LEAST_LINES, count_lines

if TYPE_CHECKING:
    from PIL.Image import Image

USUAL_SIDE: Final = 2000
"""Longest side in pixels at which pictures are read that hold no small print; the engine's own default."""
PRINT_SIDE: Final = 4000
"""Longest side at which small print is read: 4K screens, and A4 at 300 dots per inch, as they are."""
PLAIN_ROWS: Final = 200
"""Rows without a stroke that part two regions."""
MARGIN: Final = 48
"""Pixels around the strokes of a region."""
LEAST_SIZE: Final = (640, 400)
"""Width and height of a region, if the picture is as large; the engine enlarges what is smaller than 736."""
MOST_PIXELS: Final = USUAL_SIDE * USUAL_SIDE
"""Of a region; larger ones are read in strips, so that memory is bounded."""
OVERLAP: Final = 96
"""Rows that neighboring strips share, more than small print is high."""


@dataclass(frozen=True)
class Region:
    """A part of a picture that is read at once.

    Attributes:
        rows: First and end.
        columns: First and end.
        own: First and end of the rows, counted from the region's first, in which the middle of a line must be, so that
            what two strips share is read once.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    own: tuple[int, int]


def reading_scale(image: Image) -> float:
    """Return by what a picture is multiplied before it is read, at most 1: less is lost of one with small print."""
    side = max(image.size)
    if side <= USUAL_SIDE:
        return 1.0
    has_small_print = count_lines(np.asarray(image.convert("L"))) >= LEAST_LINES
    return min(1.0, (PRINT_SIDE if has_small_print else USUAL_SIDE) / side)


def find_regions(gray: np.ndarray) -> list[Region]:
    """Return the parts of a picture that are not plain, from top to bottom; all of it if all is plain.

    Args:
        gray: Shape (height, width), uint8.
    """
    strokes = np.abs(np.diff(gray.astype(np.int16), axis=1)) > CONTRAST
    rows = np.flatnonzero(strokes.any(axis=1))
    if not len(rows):
        return [Region((0, gray.shape[0]), (0, gray.shape[1]), (0, gray.shape[0]))]
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > PLAIN_ROWS) + 1)
    found = []
    for part in parts:
        first, last = int(part[0]), int(part[-1])
        columns = np.flatnonzero(strokes[first : last + 1].any(axis=0))
        across = _widened(int(columns[0]), int(columns[-1]) + 2, LEAST_SIZE[0], gray.shape[1])
        found += _strips(_widened(first, last + 1, LEAST_SIZE[1], gray.shape[0]), across, (first, last + 1))
    return found


def _widened(first: int, end: int, least: int, most: int) -> tuple[int, int]:
    """Return a range with a margin, at least so long, within what there is."""
    more = max(MARGIN, (least - (end - first) + 1) // 2)
    first, end = first - more, end + more
    return max(0, first - max(0, end - most)), min(most, end - min(0, first))


def _strips(rows: tuple[int, int], columns: tuple[int, int], own: tuple[int, int]) -> list[Region]:
    """Return a region, in strips of equal height if it is large; `own` are the rows of its strokes."""
    height, width = rows[1] - rows[0], columns[1] - columns[0]
    count = -(-height * width // MOST_PIXELS)
    edges = np.linspace(*rows, count + 1).astype(int)
    strips = []
    for number in range(count):
        first = max(rows[0], int(edges[number]) - OVERLAP * (number > 0))
        end = min(rows[1], int(edges[number + 1]) + OVERLAP * (number < count - 1))
        mine = max(int(edges[number]), own[0] - MARGIN), min(int(edges[number + 1]), own[1] + MARGIN)
        strips.append(Region((first, end), columns, (mine[0] - first, mine[1] - first)))
    return strips
