"""Whether two pictures show the same: the better of the two is searched for the other, at several sizes.

Both are brought to a small gray picture of local contrast, which JPEG, sizes and brightness hardly change. The smaller
part slides over the other at sizes from the whole down to `LEAST_SHARE` of a side, and the best normalized
cross-correlation says where it would be. There the colors are compared too: the score is the lesser of the correlation
and of the agreement of colors, 1 for the same picture and near 0 for others.
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
LEAST_CORRELATION: Final = 0.3
"""Colors are compared where the correlation is larger."""
OTHER_COLOR: Final = 40.0
"""Difference of the mean levels of a channel at which two pictures are different: a red and a brown ball on white."""
LUMINANCE: Final = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue (ITU-R BT.601)."""
FLAT: Final = 2.0
"""Contrast (standard deviation of levels from 0 to 255) below which a picture shows too little to be recognized."""


@dataclass(frozen=True)
class Look:
    """What is compared of a picture.

    Attributes:
        colors: Levels from 0 to 255, shape (height, width, 3), uint8, the longer side `SIDE`.
        pixels: Number of pixels of the picture itself.
    """

    colors: np.ndarray
    pixels: int

    @property
    def gray(self) -> np.ndarray:
        """Luminance, shape (height, width), float32."""
        gray: np.ndarray = self.colors.astype(np.float32) @ LUMINANCE
        return gray

    @property
    def is_flat(self) -> bool:
        """Whether it shows too little to be recognized."""
        return float(self.gray.std()) < FLAT


def look_at(image: PILImage) -> Look:
    """Return what is compared of a picture."""
    from PIL import Image as PILImage

    scale = SIDE / max(image.size)
    size = max(round(image.width * scale), 8), max(round(image.height * scale), 8)
    small = image.convert("RGB").resize(size, PILImage.Resampling.BOX)
    return Look(np.asarray(small), image.width * image.height)


def picture_score(first: Look, second: Look) -> float:
    """Return how surely two pictures are the same or one is a crop of the other, from 0 to 1."""
    if first.is_flat or second.is_flat:
        difference = first.colors.mean(axis=(0, 1)) - second.colors.mean(axis=(0, 1))
        return float(first.is_flat and second.is_flat and np.abs(difference).max() < FLAT)
    return max(_find(first, second), _find(second, first))


def _find(part: Look, whole: Look) -> float:
    """Return the score of a picture at the place and size in another at which it correlates best."""
    from PIL import Image as PILImage

    fft = require("scipy.fft", extra="explore", feature="index.duplicates")
    height, width = whole.colors.shape[:2]
    contrast = _local_contrast(whole.gray)
    shape = (fft.next_fast_len(height, real=True), fft.next_fast_len(width, real=True))
    spectrum = fft.rfft2(contrast, shape)
    sums, squares = _integral(contrast), _integral(contrast**2)
    picture, own = PILImage.fromarray(part.gray), part.colors.shape
    fit = min(height / own[0], width / own[1])
    best, share, found = 0.0, 1.0, (0, 0, 0, 0)
    while share >= LEAST_SHARE:
        rows, columns = round(own[0] * fit * share), round(own[1] * fit * share)
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
        at = int(scores.argmax())
        if scores.flat[at] > best:
            best, found = float(scores.flat[at]), (*divmod(at, scores.shape[1]), rows, columns)
    top, left, rows, columns = found
    if best < LEAST_CORRELATION:
        return max(best, 0.0)
    place = whole.colors[top : top + rows, left : left + columns]
    resized = PILImage.fromarray(part.colors).resize((columns, rows), PILImage.Resampling.BOX)
    return min(best, _color_agreement(np.asarray(resized), place), 1.0)


def _color_agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Return how far the colors of two pictures of one size are the same, at most 1.

    It is the lesser of 1 - |a - b|^2 / (|a - m|^2 + |b - m|^2), where m is the common mean color and edges that are not
    quite in the same place are blurred away, and of 1 less the difference of the mean colors in units of `OTHER_COLOR`.
    """
    filters = require("scipy.ndimage", extra="explore", feature="index.duplicates")
    a, b = (filters.gaussian_filter(levels.astype(np.float32), (1, 1, 0)) for levels in (first, second))
    mean = (a.mean(axis=(0, 1)) + b.mean(axis=(0, 1))) / 2
    spread = float(((a - mean) ** 2).sum() + ((b - mean) ** 2).sum())
    tint = float(np.abs(a.mean(axis=(0, 1)) - b.mean(axis=(0, 1))).max())
    return min(1 - float(((a - b) ** 2).sum()) / max(spread, 1e-6), 1 - tint / OTHER_COLOR)


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
