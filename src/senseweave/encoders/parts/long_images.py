"""Very long images: only their middle is resized where all but the middle would be cropped away."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

GREATEST_RATIO: Final = 64
"""Long side over short side. A strip of 1 x 20,000 pixels, 20 kB as a file, would be resized to 224 x 4,480,000."""


def crop_middle(image: Any) -> Any:
    """Return the middle of a PIL image longer than `GREATEST_RATIO` times its short side, else the image itself.

    What is left out lies far outside any center crop, so that resizing the short side and cropping the center gives
    the same as for the whole image.
    """
    short, long = sorted(image.size)
    kept = GREATEST_RATIO * short
    kept += (long - kept) % 2  # the middle stays where it is
    if long <= kept:
        return image
    start = (long - kept) // 2
    lying = image.width > image.height
    return image.crop((start, 0, start + kept, short) if lying else (0, start, short, start + kept))


def by_transform(transform: Any, image: Any) -> np.ndarray:
    """Prepare a PIL image by a transform of torchvision, shape (3, height, width), float32."""
    array: np.ndarray = transform(crop_middle(image) if transform_crops(transform) else image).numpy()
    return array


def visible_part(processor: Any, image: Any) -> Any:
    """Return the part of a PIL image that an image processor of transformers reads."""
    return crop_middle(image) if processor_crops(processor) else image


def processor_crops(processor: Any) -> bool:
    """Return whether an image processor of transformers resizes the short side and crops the center."""
    size = getattr(processor, "size", None)
    edge = size.get("shortest_edge") if isinstance(size, dict) else getattr(size, "shortest_edge", None)
    return bool(edge and getattr(processor, "do_center_crop", False))


def transform_crops(transform: Any) -> bool:
    """Return whether a transform of torchvision (timm, open_clip) resizes the short side and crops the center."""
    steps = {type(step).__name__: step for step in getattr(transform, "transforms", ())}
    return "CenterCrop" in steps and isinstance(getattr(steps.get("Resize"), "size", None), int)
