"""Every pixel format as eight-bit RGB: what a model sees does not depend on how a picture was stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from senseweave.errors import MediaError
from senseweave.media.forms.objects import as_array, is_tensor

if TYPE_CHECKING:
    from PIL.Image import Image

ORIENTATION = 0x0112
"""The EXIF tag that says how a picture was held: 1 upright, 5 to 8 on its side."""
_WITH_ALPHA = {"RGBA", "LA", "PA", "La", "RGBa"}


def upright_rgb(image: Image, source: str) -> Image:
    """Return a picture as its maker meant it to be seen, in mode RGB.

    EXIF orientation is applied; transparency is laid on white; 16-bit grey keeps its high byte; 32-bit grey and
    float grey are scaled as `grey_levels` says. Colour profiles are not applied, as no model's preprocessing does.

    Args:
        image: A PIL image of any mode and its first frame, loaded or not.
        source: Name for messages.

    Raises:
        MediaError: If the values have no meaning as grey levels.
    """
    from PIL import Image as PILImage
    from PIL import ImageOps

    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode in ("F", "I") or image.mode.startswith("I;"):
        return PILImage.fromarray(grey_levels(np.asarray(image), source)).convert("RGB")
    if image.mode == "La":  # Pillow knows one way out of premultiplied grey
        image = image.convert("LA")
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = PILImage.new("RGBA", layer.size, (255, 255, 255, 255))
        return PILImage.alpha_composite(white, layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def grey_levels(values: np.ndarray, source: str) -> np.ndarray:
    """Return numbers of any type as uint8 levels of 0 to 255.

    uint8 stays; bool becomes 0 or 255; uint16 keeps its high byte, as libpng does; other integers are levels where
    none is above 255, else 16-bit values; floats are fractions where none is above 1, else levels.

    Args:
        values: Any shape; the same shape comes back.
        source: Name for messages.

    Raises:
        MediaError: If a value is negative, not finite, or too large.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "iuf" or values.size == 0:
        raise MediaError(source, f"an array of {values.dtype} and shape {values.shape} is no picture")
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise MediaError(source, "holds pixel values that are not finite numbers")
    if values.dtype.kind == "f":
        if low < 0 or high > 255:
            expected = "expected fractions in [0, 1] or levels in [0, 255]"
            raise MediaError(source, f"holds float pixel values from {low:g} to {high:g}; {expected}")
        return np.rint(values * 255.0 if high <= 1 else values).astype(np.uint8)
    if low < 0 or high > 65535:
        raise MediaError(source, f"holds integer pixel values from {low:g} to {high:g}; expected 8 or 16 bit")
    if values.dtype == np.uint16 or high > 255:
        return (values.astype(np.uint16) >> 8).astype(np.uint8)
    return values.astype(np.uint8)


def array_to_rgb(value: Any, source: str) -> np.ndarray:
    """Return a picture given as an array or tensor as uint8 RGB, shape (height, width, 3).

    Args:
        value: (height, width), or with 1 to 4 channels last or first. Where both ends could be the channels, an
            array has them last and a torch tensor first.
        source: Name for messages.

    Raises:
        MediaError: If the shape is no picture's.
    """
    array = as_array(value)
    if array is None:
        raise MediaError(source, f"{type(value).__name__} is no picture; expected a PIL image or an array")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise MediaError(source, f"shape {array.shape} is no picture's; expected (h, w), (h, w, c) or (c, h, w)")
    if array.ndim == 3 and _channels_first(array.shape, tensor=is_tensor(value), source=source):
        array = np.moveaxis(array, 0, -1)
    levels = grey_levels(array, source)
    if levels.ndim == 2:
        levels = levels[:, :, None]
    channels = levels.shape[2]
    if channels in (2, 4):
        levels = _on_white(levels)
    return np.ascontiguousarray(np.broadcast_to(levels, (*levels.shape[:2], 3)))


def _channels_first(shape: tuple[int, ...], *, tensor: bool, source: str) -> bool:
    first, last = shape[0] in (1, 2, 3, 4), shape[-1] in (1, 2, 3, 4)
    if first and last:
        return tensor
    if not first and not last:
        reason = f"shape {shape} is no picture's: neither its first nor its last axis is 1 to 4 channels"
        raise MediaError(source, reason)
    return first


def _on_white(levels: np.ndarray) -> np.ndarray:
    """Lay (h, w, 2 or 4) levels on white, with Pillow's own arithmetic so that every form agrees."""
    from PIL import Image as PILImage

    layer = PILImage.fromarray(np.ascontiguousarray(levels), "LA" if levels.shape[2] == 2 else "RGBA").convert("RGBA")
    white = PILImage.new("RGBA", layer.size, (255, 255, 255, 255))
    return np.asarray(PILImage.alpha_composite(white, layer).convert("RGB"))
