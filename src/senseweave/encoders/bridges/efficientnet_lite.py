"""EfficientNet-Lite0 over the 1,000 ImageNet classes, from the weights that come as a package."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from senseweave.encoders.parts.efficientnet_graph import SIZE, EfficientNetGraph
from senseweave.encoders.parts.efficientnet_torch import EfficientNetTorch
from senseweave.encoders.parts.long_images import crop_middle
from senseweave.encoders.parts.starter_weights import EFFICIENTNET_LITE0
from senseweave.encoders.runtime.devices import is_processor
from senseweave.encoders.runtime.pinned_weights import PinnedWeights
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable

CLASSES_FILE: Final = Path(__file__).parents[1] / "weights" / "imagenet_classes.txt"
CROP = 0.875
MEAN, STD = 127.0 / 255.0, 128.0 / 255.0
"""Pixels are scaled as (x - 127) / 128, as the authors of EfficientNet-Lite do (tensorflow/tpu, efficientnet/lite)."""
BORDER_SIDE, BORDER_LEVELS, BORDER_SHARE = 64, 24, 0.1
"""A border is plain if no more than this share of its pixels, in a picture of 64 x 64, is this far from its median."""


class Network(Protocol):
    """What computes the network: a graph on the CPU, or torch on another device."""

    def logits(self, views: Sequence[np.ndarray]) -> np.ndarray:
        """Compute class scores of views of shape (3, 224, 224), shape (n, 1000), float32."""

    def features(self, views: Sequence[np.ndarray]) -> np.ndarray:
        """Compute what goes into the classifier, shape (n, 1280), float32."""

    def load(self) -> None:
        """Make ready to compute."""

    def describe_backend(self) -> dict[str, object]:
        """Return what computes, as plain values for `Space.info`."""


class EfficientNetLite0(Loadable):
    """An image classifier with named classes; see `senseweave.encoders.bridges.base.Classifier`."""

    batch_budget = 16
    side = int(SIZE / CROP)

    def __init__(self, weights: PinnedWeights = EFFICIENTNET_LITE0, *, device: str | None = None) -> None:
        """Describe the classifier; its weights are checked and loaded on first use."""
        self.weights = weights
        self._device = device
        self._network: Lazy[Network] = Lazy(self._load)
        self._labels: Lazy[tuple[str, ...]] = Lazy(imagenet_labels)
        self.parts = (self._labels, self._network)

    @property
    def labels(self) -> Sequence[str]:
        """The class names in the order of the logits."""
        return self._labels()

    def prepare(self, image: Any) -> Sequence[np.ndarray]:
        """Return the views of a PIL image, float32 of shape (3, 224, 224).

        The whole picture alone where its border is plain (cut-outs, drawings, product shots, scans), because the crop
        would cut off what is shown; otherwise the crop at the center, as the model was trained, and the whole picture.
        """
        image = crop_middle(image)
        whole = scale_pixels(whole_view(image))
        return [whole] if has_plain_border(image) else [scale_pixels(center_view(image)), whole]

    def logits(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        """Compute class scores before softmax, shape (n, 1000), float32."""
        return self._network().logits(batch)

    def features(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        """Compute what goes into the classifier, the mean over places, shape (n, 1280), float32, none negative."""
        return self._network().features(batch)

    def identity(self) -> Mapping[str, object]:
        """Checksum of the weights and the preprocessing."""
        return {
            "classifier": "efficientnet-lite0",
            "sha256": self.weights.sha256,
            "size": SIZE,
            "crop": CROP,
            "views": "whole if the border is plain, else center crop and whole",
            "mean": MEAN,
            "std": STD,
        }

    def describe_backend(self) -> dict[str, object]:
        """Return what computes, as plain values for `Space.info`."""
        return self._network().describe_backend()

    def load(self) -> None:
        """Read the class names, and open the network."""
        super().load()
        self._network().load()

    def _load(self) -> Network:
        (file,) = self.weights.files
        path = self.weights.find().path(file)
        return EfficientNetGraph(path) if is_processor(self._device) else EfficientNetTorch(path, self._device)


def scale_pixels(view: Any) -> np.ndarray:
    """Return the scaled pixels of an RGB image, channels first, float32."""
    pixels = (np.asarray(view, dtype=np.float32) / 255.0 - MEAN) / STD
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def center_view(image: Any) -> Any:
    """Resize the short side of an image and crop the center, as the model was trained."""
    from PIL import Image

    scale = int(SIZE / CROP) / min(image.size)
    width, height = (max(SIZE, round(side * scale)) for side in image.size)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - SIZE) // 2, (height - SIZE) // 2
    return resized.crop((left, top, left + SIZE, top + SIZE))


def whole_view(image: Any) -> Any:
    """Resize the long side of an image and put it in the middle of a white square."""
    from PIL import Image

    scale = SIZE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    square = Image.new("RGB", (SIZE, SIZE), "white")
    square.paste(image.resize((width, height), Image.Resampling.BICUBIC), ((SIZE - width) // 2, (SIZE - height) // 2))
    return square


def has_plain_border(image: Any) -> bool:
    """Return whether nearly all pixels along the four sides of an RGB image have about one color."""
    from PIL import Image

    small = np.asarray(image.resize((BORDER_SIDE, BORDER_SIDE), Image.Resampling.BOX), np.int16)
    border = np.concatenate([small[0], small[-1], small[1:-1, 0], small[1:-1, -1]])
    far = np.abs(border - np.median(border, axis=0)).max(axis=1) > BORDER_LEVELS
    return bool(far.mean() <= BORDER_SHARE)


@functools.cache
def imagenet_definitions() -> tuple[str, ...]:
    """Return the names of the 1,000 ImageNet classes with WordNet's definitions, in the order of the logits.

    Embedded in place of the bare names they raise recall of text to image, and separate `crane`, the bird, from the
    machine. tools/imagenet_classes.py writes their file.
    """
    return tuple(CLASSES_FILE.read_text(encoding="utf-8").splitlines())


def imagenet_labels() -> tuple[str, ...]:
    """Return the names alone, the first WordNet lemma of each, in the same order."""
    return tuple(re.split(r"[,:]", definition, maxsplit=1)[0] for definition in imagenet_definitions())
