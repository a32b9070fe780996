"""Draw a map as a picture."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PALETTE: Final = (
    "#3b7dd8", "#e0702e", "#2f9e5b", "#b3489e", "#c9a227", "#17a2a8", "#d64550", "#7a67d8", "#8c6d46", "#5f8f1f",
    "#e377c2", "#4d6a8a",
)  # fmt: skip
"""Colors of groups, those of the page too."""
GRAY: Final = "#8a9099"
"""Color of what belongs to none."""
SIZE: Final = (1600, 1200)
"""Pixels of the picture."""
SCALE: Final = 2
"""How much larger it is drawn, for smooth points."""
LEGEND: Final = 320
"""Pixels on the right for the names."""
NAMES: Final = 24
"""Groups whose names are listed."""


def draw_map(places: np.ndarray, codes: np.ndarray, names: list[str], title: str) -> Image.Image:
    """Return a picture of points in the colors of their groups, with the names of the groups beside it.

    Args:
        places: From -1 to 1, shape (n, 2).
        codes: The position of each point's group in `names`, or -1, shape (n,).
        names: Of the groups.
        title: Of the picture.
    """
    width, height = SIZE
    image = Image.new("RGB", (width * SCALE, height * SCALE), "white")
    draw = ImageDraw.Draw(image)
    side = min(width - LEGEND, height - 60) * SCALE
    left, top = ((width - LEGEND) * SCALE - side) / 2, 50 * SCALE
    radius = SCALE * (7 if len(places) < 500 else 4 if len(places) < 5000 else 2)
    margin = radius + 8 * SCALE
    spots = (np.column_stack([places[:, 0], -places[:, 1]]) + 1) / 2 * (side - 2 * margin) + margin
    for (x, y), code in zip(spots + np.array([left, top]), codes, strict=True):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_color(int(code)))
    image = image.resize(SIZE, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(image)
    draw.text((20, 14), title, fill="#1b1f24", font=ImageFont.load_default(22))
    counts = [(int((codes == code).sum()), code) for code in range(-1, len(names)) if (codes == code).any()]
    for row, (count, code) in enumerate(sorted(counts, key=lambda entry: (-entry[0], entry[1]))[:NAMES]):
        y = 60 + row * 30
        draw.ellipse((width - LEGEND, y, width - LEGEND + 14, y + 14), fill=_color(code))
        name = names[code] if code >= 0 else "none"
        shown = name if len(name) <= 32 else f"{name[:31]}..."
        draw.text((width - LEGEND + 22, y - 3), f"{shown} ({count})", fill="#1b1f24", font=ImageFont.load_default(16))
    return image


def _color(code: int) -> str:
    return GRAY if code < 0 else PALETTE[code % len(PALETTE)]
