"""Images as an image processor of transformers prepares them, without the copies that it makes on its way.

A processor turns an image into an array, the array into an image to resize it, that into an array again, and computes
each pixel in floats three times. The same numbers come from resizing the image itself and looking its 256 levels up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from senseweave.encoders.parts.long_images import CenterCrop, entry, processor_crop, resize_middle, visible_part
from senseweave.encoders.runtime.failures import preparing

SAMPLES: Final = ((61, 47), (47, 61), (40, 40), (300, 200), (201, 700))
"""Width and height of the pictures on which a processor and its shorter way must agree in every bit."""


class ImagePreparation:
    """Prepares images by a processor of transformers, the shorter way where that is proven to give the same numbers."""

    def __init__(self, processor: Any) -> None:
        """Take a processor, and look for the shorter way."""
        self._processor = processor
        self.quick = _proven(processor)
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
        visible: What is kept of very long images, see `resize_middle`.
    """

    size: int | tuple[int, int] | None
    resample: int
    crop: tuple[int, int] | None
    levels: np.ndarray
    axes: int = 0
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
            left, top = (image.width - width) // 2, (image.height - height) // 2
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


def _proven(processor: Any) -> QuickPreparation | None:
    """Return the shorter way if the processor's settings say it and samples come out the same in every bit."""
    from PIL import Image

    rng = np.random.default_rng(0)
    try:
        quick = _read_settings(processor)
        if quick is None:
            return None
        for width, height in SAMPLES:
            image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
            expected = _by_processor(processor, image)
            if list(expected) != ["pixel_values"]:
                return None
            pixels = expected["pixel_values"]
            quick = replace(quick, axes=max(0, pixels.ndim - 3))
            found = quick(image)
            if found.dtype != pixels.dtype or not np.array_equal(found, pixels):
                return None
    except Exception:  # processors are code of many authors; theirs is what counts
        return None
    return quick


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
