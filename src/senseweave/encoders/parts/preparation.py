"""Images as an image processor of transformers prepares them, without the copies that it makes on its way.

A processor turns an image into an array, the array into an image to resize it, that into an array again, and computes
each pixel in floats three times. The same numbers come from resizing the image itself and looking its 256 levels up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from senseweave.encoders.parts.long_images import (
    CenterCrop,
    entry,
    processor_crop,
    resize_middle,
    transform_crop,
    visible_part,
)
from senseweave.encoders.runtime.failures import preparing

SAMPLES: Final = ((61, 47), (47, 61), (40, 40), (300, 200), (201, 700))
"""Width and height of the pictures on which a processor and its shorter way must agree in every bit."""
KNOWN_STEPS: Final = frozenset(
    {"Resize", "CenterCrop", "MaybeConvertMode", "_convert_to_rgb", "ToTensor", "MaybeToTensor", "Normalize"}
)
"""Steps of torchvision's transforms, and of timm's and open_clip's, that are no more than resizing, a crop, scaling."""


class ImagePreparation:
    """Prepares images by a processor of transformers, the shorter way where that is proven to give the same numbers."""

    def __init__(self, processor: Any) -> None:
        """Take a processor, and look for the shorter way."""
        self._processor = processor
        self.quick = _proven(lambda: _read_settings(processor), lambda image: _by_processor(processor, image))
        """The shorter way, or None."""

    @property
    def side(self) -> int | None:
        """Length in pixels that the shorter side of an image is resized to, or None if it depends on the image."""
        crop = processor_crop(self._processor)
        if crop is not None:
            return crop.edge
        size = getattr(self._processor, "size", None)
        if size is None or not getattr(self._processor, "do_resize", False) or entry(size, "longest_edge"):
            return None
        return entry(size, "shortest_edge") or min(entry(size, "height"), entry(size, "width")) or None

    def image(self, image: Any) -> dict[str, np.ndarray]:
        """Prepare a PIL image in mode RGB; return the processor's arrays by name, without a batch axis."""
        with preparing():
            if self.quick is not None:
                return {"pixel_values": self.quick(image)}
            return _by_processor(self._processor, visible_part(self._processor, image))

    def frames(self, frames: np.ndarray) -> np.ndarray:
        """Prepare frames of a video, shape (frames, height, width, 3), uint8.

        Returns:
            Shape (frames, channels, height, width), float32.
        """
        from PIL import Image

        with preparing():
            images = [Image.fromarray(frame) for frame in frames]
            if self.quick is not None:
                return np.stack([(array := self.quick(image)).reshape(array.shape[-3:]) for image in images])
            seen = [visible_part(self._processor, image) for image in images]
            pixels = np.asarray(self._processor(seen, return_tensors="np")["pixel_values"], dtype=np.float32)
        return pixels.reshape(len(images), *pixels.shape[-3:])


@dataclass(frozen=True)
class QuickPreparation:
    """Resizes, crops the center, and looks levels up.

    Attributes:
        size: Height and width after resizing; one number is the length of the shorter side; None leaves the size.
        resample: Filter of PIL that resizes.
        crop: Height and width of the crop, or None.
        levels: What becomes of each level of each channel, shape (3, 256), float32.
        axes: Axes of length 1 that the processor puts before the channels.
        rounds: Whether the place of the crop is rounded to the nearest pixel, halves to even ones, as torchvision does;
            else down.
        visible: What is kept of very long images, see `resize_middle`.
    """

    size: int | tuple[int, int] | None
    resample: int
    crop: tuple[int, int] | None
    levels: np.ndarray
    axes: int = 0
    rounds: bool = False
    visible: CenterCrop | None = None

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of every prepared image; None if it depends on the image."""
        size = self.crop if self.crop is not None else self.size
        return (*(1,) * self.axes, len(self.levels), *size) if isinstance(size, tuple) else None

    def __call__(self, image: Any) -> np.ndarray:
        """Prepare a PIL image in mode RGB, shape (3, height, width), float32."""
        image = resize_middle(image, self.visible)
        if self.size is not None:
            image = image.resize(self._resized(*image.size), self.resample)
        if self.crop is not None:
            height, width = self.crop
            left, top = (image.width - width) / 2, (image.height - height) / 2
            left, top = (round(left), round(top)) if self.rounds else (math.floor(left), math.floor(top))
            image = image.crop((left, top, left + width, top + height))
        pixels = np.asarray(image)
        prepared = np.stack([table[pixels[:, :, channel]] for channel, table in enumerate(self.levels)])
        return prepared.reshape((1,) * self.axes + prepared.shape)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if isinstance(self.size, tuple):
            return self.size[1], self.size[0]
        assert self.size is not None
        short, long = sorted((width, height))
        longer = int(self.size * long / short)  # as transformers and torchvision round it
        return (self.size, longer) if width <= height else (longer, self.size)


def quick_transform(transform: Any) -> QuickPreparation | None:
    """Return the shorter way of a transform of torchvision, as timm and open_clip have, where it is proven equal."""

    def by_transform(image: Any) -> dict[str, np.ndarray]:
        return {"pixel_values": transform(image).numpy()}

    return _proven(lambda: _read_steps(transform), by_transform)


def _proven(
    read: Callable[[], QuickPreparation | None], prepare: Callable[[Any], dict[str, np.ndarray]]
) -> QuickPreparation | None:
    """Return the shorter way if settings say it and samples come out the same in every bit.

    Args:
        read: Reads the settings.
        prepare: Prepares a PIL image by the model's own preparation; returns arrays by name.
    """
    from PIL import Image

    rng = np.random.default_rng(0)
    try:
        quick = read()
        if quick is None:
            return None
        for width, height in SAMPLES:
            image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
            expected = prepare(image)
            if list(expected) != ["pixel_values"]:
                return None
            pixels = expected["pixel_values"]
            quick = replace(quick, axes=max(0, pixels.ndim - 3))
            found = quick(image)
            if found.dtype != pixels.dtype or not np.array_equal(found, pixels):
                return None
    except Exception:  # preparations are code of many authors; theirs is what counts
        return None
    return quick


def _read_steps(transform: Any) -> QuickPreparation | None:
    """Return what the steps of a transform of torchvision ask for, or None if that is more than resize, crop, scale."""
    from PIL import Image

    steps = {getattr(step, "__name__", type(step).__name__): step for step in transform.transforms}
    if len(steps) < len(transform.transforms) or set(steps) - KNOWN_STEPS:
        return None
    resize, crop = steps.get("Resize"), steps.get("CenterCrop")
    size = None if resize is None else resize.size
    if isinstance(size, list | tuple):
        size = (size[0], size[-1]) if len(size) > 1 else size[0]
    if resize is not None and resize.max_size is not None:
        return None
    cropped = None if crop is None else (int(crop.size[0]), int(crop.size[1]))
    least = (size, size) if isinstance(size, int) else size
    if cropped is not None and (least is None or cropped[0] > least[0] or cropped[1] > least[1]):  # padded if smaller
        return None
    resample = 2 if resize is None else int(getattr(Image.Resampling, str(resize.interpolation.value).upper()))
    pixels: Any = Image.fromarray(np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2))
    for name, step in steps.items():
        if name not in ("Resize", "CenterCrop"):
            pixels = step(pixels)
    levels = pixels.numpy()[:, 0]
    return QuickPreparation(size, resample, cropped, levels, rounds=True, visible=transform_crop(transform))


def _read_settings(processor: Any) -> QuickPreparation | None:
    """Return what a processor's settings ask for, or None if they ask for more than `QuickPreparation` does."""
    if getattr(processor, "do_pad", None) or not getattr(processor, "do_rescale", False):
        return None
    size = getattr(processor, "size", None) if getattr(processor, "do_resize", False) else None
    resized: int | tuple[int, int] | None = None
    if size is not None:
        if entry(size, "longest_edge") or entry(size, "max_height"):
            return None
        resized = entry(size, "shortest_edge") or (entry(size, "height"), entry(size, "width"))
    crop = None
    shown = processor_crop(processor)
    if shown is not None:  # also ConvNeXt's, which has a name of its own for it
        resized, crop = shown.edge, (shown.kept, shown.kept)
    if getattr(processor, "do_center_crop", False):
        crop = entry(processor.crop_size, "height"), entry(processor.crop_size, "width")
        least = (resized, resized) if isinstance(resized, int) else resized
        if least is None or crop[0] > least[0] or crop[1] > least[1]:  # smaller images are padded
            return None
    levels = np.repeat(np.arange(256, dtype=np.uint8)[None, None], 3, axis=0)
    scaled = processor.rescale(levels, processor.rescale_factor)
    if getattr(processor, "do_normalize", False):
        scaled = processor.normalize(scaled, processor.image_mean, processor.image_std)
    resample = getattr(processor, "resample", None)
    filtered = int(resample if resample is not None else 2)
    return QuickPreparation(resized, filtered, crop, np.asarray(scaled)[:, 0], visible=shown)


def _by_processor(processor: Any, image: Any) -> dict[str, np.ndarray]:
    prepared = processor(images=[image], return_tensors="np")
    return {name: np.asarray(value)[0] for name, value in prepared.items()}
