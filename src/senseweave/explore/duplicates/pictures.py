"""Whether two pictures show the same: the better of the two is searched for the other, at several sizes.

Both are brought to a small gray picture of local contrast, which JPEG, sizes and brightness hardly change. The smaller
part slides over the other at sizes from the whole down to `LEAST_SHARE` of a side; the score is the best normalized
cross-correlation, which is 1 for the same picture and near 0 for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from senseweave.extras import require

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

SIDE: Final = 64
"""Longer side of the small gray picture, in pixels."""
LEAST_SHARE: Final = 0.5
"""Smallest share of a side that a crop keeps to be recognized."""
STEP: Final = 0.97
"""Ratio of one size at which is searched to the next."""
LEAST_CONTRAST: Final = 0.25
"""Mean squared local contrast of which the correlation is computed at least, so that noise is not taken for texture."""
FLAT: Final = 2.0
"""Contrast (standard deviation of levels from 0 to 255) below which a picture shows too little to be recognized."""


@dataclass(frozen=True)
class Look:
    """What is compared of a picture.

    Attributes:
        gray: Levels from 0 to 255, shape (height, width), float32, the longer side `SIDE`.
        pixels: Number of pixels of the picture itself.
    """

    gray: np.ndarray
    pixels: int

    @property
    def is_flat(self) -> bool:
        """Whether it shows too little to be recognized."""
        return float(self.gray.std()) < FLAT


def look_at(image: PILImage) -> Look:
    """Return what is compared of a picture."""
    from PIL import Image as PILImage

    scale = SIDE / max(image.size)
    size = max(round(image.width * scale), 8), max(round(image.height * scale), 8)
    small = image.convert("L").resize(size, PILImage.Resampling.BOX)
    return Look(np.asarray(small, dtype=np.float32), image.width * image.height)


def picture_score(first: Look, second: Look) -> float:
    """Return how surely two pictures are the same or one is a crop of the other, from 0 to 1."""
    if first.is_flat or second.is_flat:
        same = first.is_flat and second.is_flat and first.gray.shape == second.gray.shape
        return float(same and np.abs(first.gray - second.gray).max() < FLAT)
    return max(_find(first.gray, second.gray), _find(second.gray, first.gray))


def _find(part: np.ndarray, whole: np.ndarray) -> float:
    """Return the best correlation of a picture with a place in another, over all places and sizes."""
    from PIL import Image as PILImage

    fft = require("scipy.fft", extra="explore", feature="index.duplicates")
    height, width = whole.shape
    contrast = _local_contrast(whole)
    shape = (fft.next_fast_len(height, real=True), fft.next_fast_len(width, real=True))
    spectrum = fft.rfft2(contrast, shape)
    sums, squares = _integral(contrast), _integral(contrast**2)
    picture = PILImage.fromarray(part)
    fit = min(height / part.shape[0], width / part.shape[1])
    best, share = 0.0, 1.0
    while share >= LEAST_SHARE:
        rows, columns = round(part.shape[0] * fit * share), round(part.shape[1] * fit * share)
        share *= STEP
        if min(rows, columns) < 8 or rows > height or columns > width:
            continue
        template = _local_contrast(np.asarray(picture.resize((columns, rows), PILImage.Resampling.BOX)))
        template = template - template.mean()
        # Only places where the whole template fits are read, and there the cyclic correlation is the plain correlation.
        product = fft.irfft2(spectrum * np.conj(fft.rfft2(template, shape)), shape)
        product = product[: height - rows + 1, : width - columns + 1]
        total, energy = _window_sums(sums, rows, columns), _window_sums(squares, rows, columns)
        spread = np.sqrt(np.maximum(energy - total**2 / (rows * columns), 0))
        norm = float(np.linalg.norm(template))
        scores = product / np.maximum(norm * spread, LEAST_CONTRAST * rows * columns)
        best = max(best, float(scores.max()))
    return min(best, 1.0)


def _integral(values: np.ndarray) -> np.ndarray:
    """Return the sums of all values above and left of each corner, shape (height + 1, width + 1)."""
    return np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def _window_sums(integral: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return the sum of every window of a size, from the integral of the values."""
    upper, lower = integral[:-rows], integral[rows:]
    sums: np.ndarray = lower[:, columns:] - lower[:, :-columns] - upper[:, columns:] + upper[:, :-columns]
    return sums


def _local_contrast(gray: np.ndarray) -> np.ndarray:
    """Return a picture less its own blur: edges and texture, without light and large areas."""
    filters = require("scipy.ndimage", extra="explore", feature="index.duplicates")
    blurred: np.ndarray = filters.gaussian_filter(gray, 1.0) - filters.gaussian_filter(gray, 4.0)
    return blurred.astype(np.float64)
