"""Very long images: no more of them is resized than what a crop at the center keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from senseweave.encoders.runtime.failures import preparing

GREATEST_RATIO: Final = 64
"""Long side over short side of what `crop_middle` leaves."""
GREATEST_PIXELS: Final = 2**24
"""Pixels of an image after resizing. A strip of 1 x 20,000 pixels, 20 kB as a file, would be 224 x 4,480,000."""
CONVNEXT_WITHOUT_CROP: Final = 384
"""From this size on, ConvNeXt's image processor resizes to a square and crops nothing."""


@dataclass(frozen=True)
class CenterCrop:
    """How a preparation resizes the short side of an image and crops its center.

    Attributes:
        edge: Length of the short side after resizing.
        kept: Greatest side of the crop.
        resample: Filter of PIL that resizes.
    """

    edge: int
    kept: int
    resample: int


def crop_middle(image: Any) -> Any:
    """Return the middle of a PIL image longer than `GREATEST_RATIO` times its short side, else the image itself."""
    short, long = sorted(image.size)
    kept = GREATEST_RATIO * short
    kept += (long - kept) % 2  # the middle stays where it is
    if long <= kept:
        return image
    start = (long - kept) // 2
    lying = image.width > image.height
    return image.crop((start, 0, start + kept, short) if lying else (0, start, short, start + kept))


def resize_middle(image: Any, crop: CenterCrop | None) -> Any:
    """Return the middle of a PIL image as a preparation would resize it, if the whole would be too large to resize.

    The preparation then finds the short side at the length that it asks for, changes nothing, and crops the center: its
    pixels are sampled at the same places as from the whole image.

    Args:
        image: The image.
        crop: What the preparation does; None if it crops nothing.

    Returns:
        The resized middle, or the image itself if it would have at most `GREATEST_PIXELS`.
    """
    short, long = sorted(image.size)
    whole = int(crop.edge * long / short) if crop is not None else 0  # as torchvision and transformers round it
    if crop is None or whole * crop.edge <= GREATEST_PIXELS:
        return image
    length = max(crop.kept, crop.edge) + 8
    length += (whole - length) % 4  # so that the center is rounded alike
    if length >= whole:
        return image
    start, scale = (whole - length) // 2, long / whole
    margin = math.ceil(4 * max(1.0, scale))  # beyond the reach of any filter
    first = max(0, math.floor(start * scale) - margin)
    last = min(long, math.ceil((start + length) * scale) + margin)
    left, right = start * scale - first, (start + length) * scale - first
    if image.width > image.height:
        part = image.crop((first, 0, last, short))  # PIL keeps a box in float32, which is exact for small numbers alone
        return part.resize((length, crop.edge), crop.resample, box=(left, 0, right, short))
    part = image.crop((0, first, short, last))
    return part.resize((crop.edge, length), crop.resample, box=(0, left, short, right))


def by_transform(transform: Any, image: Any) -> np.ndarray:
    """Prepare a PIL image by a transform of torchvision, shape (3, height, width), float32."""
    with preparing():
        array: np.ndarray = transform(resize_middle(image, transform_crop(transform))).numpy()
    return array


def visible_part(processor: Any, image: Any) -> Any:
    """Return what an image processor of transformers reads of a PIL image, resized where the image is very long."""
    return resize_middle(image, processor_crop(processor))


def processor_crop(processor: Any) -> CenterCrop | None:
    """Return how an image processor of transformers crops the center; None if it does not, or in a way of its own."""
    edge = entry(getattr(processor, "size", None), "shortest_edge")
    if not edge or not getattr(processor, "do_resize", True) or entry(processor.size, "longest_edge"):
        return None
    resample = int(processor.resample)
    if type(processor).__name__.startswith("ConvNext"):
        if edge >= CONVNEXT_WITHOUT_CROP:
            return None
        return CenterCrop(int(edge / processor.crop_pct), edge, resample)
    if not getattr(processor, "do_center_crop", False) or not _resizes_as_usual(type(processor)):
        return None
    sides = [entry(processor.crop_size, side) for side in ("height", "width")]
    return CenterCrop(edge, max(sides), resample) if all(sides) else None


def transform_crop(transform: Any) -> CenterCrop | None:
    """Return how a transform of torchvision (timm, open_clip) crops the center; None if it does not."""
    from PIL import Image

    steps = {type(step).__name__: step for step in getattr(transform, "transforms", ())}
    resize, crop = steps.get("Resize"), steps.get("CenterCrop")
    if resize is None or crop is None or not isinstance(resize.size, int) or resize.max_size is not None:
        return None
    resample = getattr(Image.Resampling, str(resize.interpolation.value).upper(), None)
    return None if resample is None else CenterCrop(resize.size, max(crop.size), int(resample))


def transform_side(transform: Any) -> int | None:
    """Return the length to which a transform of torchvision resizes the shorter side; None if that is not known."""
    resize = next((step for step in getattr(transform, "transforms", ()) if type(step).__name__ == "Resize"), None)
    if resize is None or resize.max_size is not None:
        return None
    return int(resize.size) if isinstance(resize.size, int) else int(min(resize.size))


def _resizes_as_usual(kind: type) -> bool:
    """Return whether a class of image processors resizes as their base class does."""
    definers = [base for base in kind.__mro__ if "resize" in vars(base)]
    return bool(definers) and definers[0].__module__.endswith("image_processing_backends")


def entry(size: Any, name: str) -> int:
    """Return an entry of a size of a processor of transformers, a mapping or an object; 0 if it has none."""
    value = size.get(name) if isinstance(size, dict) else getattr(size, name, None)
    return int(value or 0)
