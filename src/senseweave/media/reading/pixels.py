"""Convert every pixel format to 8-bit RGB, so that the input of a model does not depend on how an image was stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from senseweave.errors import MediaError
from senseweave.media.forms.objects import as_array, is_tensor

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112
"""The EXIF tag of the orientation: 1 is upright, 5 to 8 are rotated by 90 degrees."""
_WITH_ALPHA = {"RGBA", "LA", "PA", "La", "RGBa"}


def upright_rgb(image: Image, source: object) -> Image:
    """Return an image upright and in mode RGB.

    EXIF orientation is applied; transparency is composited on white; 16-bit gray keeps its high byte; 32-bit gray and
    float gray are scaled by `gray_levels`. Color profiles are not applied, as in the preprocessing of all models.

    Args:
        image: A PIL image of any mode and its first frame, loaded or not.
        source: What messages name, by its `str()`.

    Raises:
        MediaError: If the values are not gray levels.
    """
    from PIL import Image as PILImage
    from PIL import ImageOps

    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode in ("F", "I") or image.mode.startswith("I;"):
        return PILImage.fromarray(gray_levels(np.asarray(image), source)).convert("RGB")
    if image.mode == "La":  # the only conversion of premultiplied gray that Pillow has
        image = image.convert("LA")
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image) -> Image:
    """Return an image composited on white, with the numbers of `PIL.Image.alpha_composite`, in less than half its time.

    Args:
        image: With an alpha channel, or with a color or palette entries that are transparent.
    """
    if image.mode == "P":
        return _palette_on_white(image)
    if image.mode not in ("LA", "RGBA"):
        image = image.convert("RGBA")
    from PIL import ImageChops

    colors = image.convert("L" if image.mode == "LA" else "RGB")
    white_share = ImageChops.invert(image.getchannel("A"))
    if white_share.getbbox() is not None:  # something is transparent
        colors.paste(255 if colors.mode == "L" else (255, 255, 255), (0, 0, *colors.size), white_share)
    return colors if colors.mode == "RGB" else colors.convert("RGB")


def _palette_on_white(image: Image) -> Image:
    """Return an image of mode P composited on white: the 256 entries of its palette instead of its pixels."""
    entries = image.crop((0, 0, 256, 1))
    entries.putdata(range(256))
    opaque = image.copy()
    opaque.putpalette(_on_white(entries.convert("RGBA")).tobytes())
    del opaque.info["transparency"]
    return opaque.convert("RGB")


def gray_levels(values: np.ndarray, source: object) -> np.ndarray:
    """Return numbers of any type as uint8 levels from 0 to 255.

    uint8 is unchanged; bool becomes 0 or 255; uint16 keeps its high byte, as in libpng; other integers are levels if
    none is above 255, else 16-bit values; floats are fractions if none is above 1, else levels.

    Args:
        values: Array of any shape, which is also the shape of the result.
        source: What messages name, by its `str()`.

    Raises:
        MediaError: If a value is negative, not finite, or too large.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:  # in either byte order
        return (values >> 8).astype(np.uint8)
    if values.dtype.kind not in "iuf" or values.size == 0:
        raise MediaError(
            source, f"array of type {values.dtype} and shape {values.shape} is not an image; expected numbers"
        )
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise MediaError(source, "contains pixel values that are not finite")
    if values.dtype.kind == "f":
        if low < 0 or high > 255:
            expected = "expected fractions in [0, 1] or levels in [0, 255]"
            raise MediaError(source, f"contains float pixel values from {low:g} to {high:g}; {expected}")
        scaled = values * 255.0 if high <= 1 else values.copy()
        return np.rint(scaled, out=scaled).astype(np.uint8)
    if low < 0 or high > 65535:
        raise MediaError(source, f"contains integer pixel values from {low:g} to {high:g}; expected 8 or 16 bits")
    if high > 255:
        return (values.astype(np.uint16) >> 8).astype(np.uint8)
    return values.astype(np.uint8)


def array_to_image(value: Any, source: str) -> Image:
    """Return an image in an array or tensor as a PIL image in mode RGB.

    Args:
        value: Shape (height, width), or with 1 to 4 channels in the last or first axis. If both axes could be the
            channels, they are last in an array and first in a torch tensor.
        source: Name for messages.

    Raises:
        MediaError: If the shape is not that of an image.
    """
    from PIL import Image as PILImage

    array = as_array(value)
    if array is None:
        raise MediaError(source, f"{type(value).__name__} is not an image; expected a PIL image or an array")
    if array.ndim not in (2, 3) or 0 in array.shape:
        expected = "expected (h, w), (h, w, c) or (c, h, w)"
        raise MediaError(source, f"array of shape {array.shape} is not an image; {expected}")
    if array.ndim == 3 and _channels_first(array.shape, tensor=is_tensor(value), source=source):
        array = np.moveaxis(array, 0, -1)
    levels = gray_levels(array, source)
    if levels.ndim == 3 and levels.shape[2] == 1:
        levels = levels[:, :, 0]
    image = PILImage.fromarray(np.ascontiguousarray(levels))
    if image.mode in _WITH_ALPHA:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _channels_first(shape: tuple[int, ...], *, tensor: bool, source: str) -> bool:
    first, last = shape[0] in (1, 2, 3, 4), shape[-1] in (1, 2, 3, 4)
    if first and last:
        return tensor
    if not first and not last:
        expected = "expected 1 to 4 channels in the first or last axis"
        raise MediaError(source, f"array of shape {shape} is not an image: {expected}")
    return first
