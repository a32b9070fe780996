"""Video networks of three-dimensional convolutions with a local weight file: what C3D and I3D share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.runtime.checkpoint import hash_file
from senseweave.encoders.runtime.torch_runtime import Lazy, pick_device, pick_dtype, to_device
from senseweave.encoders.runtime.weight_files import fill, read_tensors
from senseweave.extras import require
from senseweave.media import Clip, Modality

EXTRA = "video-models"
BATCH_CLIPS = 2


@dataclass(frozen=True)
class Pixels:
    """How frames become the input of a network.

    Attributes:
        size: The shorter side in pixels, the longer keeping the shape; or height and width.
        crop: Side of the square that is cut from the center.
        mean: Subtracted from values between 0 and 255, by channel of the network's order.
        deviation: Divides them afterwards.
        reverse: Whether the network reads blue first.
        whole: Makes the longer side a whole number of pixels.
        center: Makes the distances of the square to the edges whole numbers.
    """

    size: int | tuple[int, int]
    crop: int
    mean: tuple[float, float, float]
    deviation: float
    reverse: bool = False
    whole: Callable[[float], int] = math.floor
    center: Callable[[float], int] = round

    def prepare(self, frames: np.ndarray) -> np.ndarray:
        """Return frames resized (bilinear, by torch), cropped and scaled.

        Args:
            frames: Shape (frames, height, width, 3), uint8.

        Returns:
            Shape (3, frames, crop, crop), float32.
        """
        torch = require("torch", extra=EXTRA)
        height, width = frames.shape[1:3]
        size = self.size
        if isinstance(size, int):
            factor = size / min(height, width)
            size = (size, self.whole(width * factor)) if height <= width else (self.whole(height * factor), size)
        pixels = torch.from_numpy(frames.astype(np.float32)).permute(0, 3, 1, 2)
        pixels = torch.nn.functional.interpolate(pixels, size=size, mode="bilinear", align_corners=False)
        top, left = (self.center((side - self.crop) / 2) for side in size)
        pixels = pixels[..., top : top + self.crop, left : left + self.crop].numpy().transpose(1, 0, 2, 3)
        if self.reverse:
            pixels = pixels[::-1]
        scaled: np.ndarray = (pixels - np.array(self.mean, np.float32).reshape(3, 1, 1, 1)) / np.float32(self.deviation)
        return np.ascontiguousarray(scaled)


@dataclass(frozen=True)
class Recipe:
    """How the checkpoint of a network is read and run.

    Attributes:
        layout: Whose names its tensors have.
        tensors: Those of the network, by the names that `network` gives them.
        unused: Prefixes of tensors that the vectors do not depend on.
        network: Makes the network, still empty.
        run: Computes vectors from the network and clips, shape (n, 3, frames, height, width).
        dimension: Length of the vectors.
        frames: Frames per clip.
        frame_rate: Frames per second of the clips on which the network was trained.
        pixels: How frames are prepared.
    """

    layout: str
    tensors: Mapping[str, Any]
    unused: tuple[str, ...]
    network: Callable[[], Any]
    run: Callable[[Any, Any], Any]
    dimension: int
    frames: int
    frame_rate: float
    pixels: Pixels


class ClipNetwork(Encoder):
    """Clips of a fixed number of frames, evenly sampled, through a network up to what goes into its classifier."""

    modality: ClassVar[Modality] = "video"
    batch_budget: int

    def __init__(
        self,
        weights: Path,
        recognize: Callable[[dict[str, Any], str], Recipe],
        *,
        family: str,
        frames: int | None = None,
        window_seconds: float | None = None,
        device: str | None = None,
        dtype: str | None = None,
        batch_clips: int = BATCH_CLIPS,
        what: Mapping[str, object] | None = None,
    ) -> None:
        """Describe the encoder; its weights are read when it is first used.

        Args:
            weights: A weight file.
            recognize: Tells from its tensors and its name how they are read; refuses those of other networks.
            family: The scheme.
            frames: Frames per clip; what the weights were trained on if None.
            window_seconds: Time that a clip covers; what the weights were trained on if None.
            device: torch device; the best there is if None.
            dtype: `float32`, `bfloat16` or `float16`.
            batch_clips: Clips per batch.
            what: Of the vectors' meaning, what the weights do not say, for the fingerprint.
        """
        self.weights = weights
        self.batch_budget = batch_clips
        self._family = family
        self._frames, self._window_seconds = frames, window_seconds
        self._device, self._dtype = device, dtype
        self._what = dict(what or {})
        self._recipe: Lazy[Recipe] = Lazy(lambda: recognize(read_tensors(weights, extra=EXTRA), weights.name))
        self._model: Lazy[Any] = Lazy(self._load)
        self.parts = (self._recipe, self._model)

    @property
    def dimension(self) -> int:
        """The length of what goes into the classifier."""
        return self._recipe().dimension

    @property
    def decode_options(self) -> Mapping[str, object]:
        """The number of frames that the network was trained on."""
        return {"frames": self._frames or self._recipe().frames}

    @property
    def window_seconds(self) -> float:
        """The seconds that a clip covers."""
        recipe = self._recipe()
        return self._window_seconds or recipe.frames / recipe.frame_rate

    def prepare(self, items: Sequence[Clip], role: Role) -> list[Prepared]:
        """Resize, crop and scale frames, shape (3, frames, height, width)."""
        pixels = self._recipe().pixels
        return [Prepared(pixels.prepare(clip.frames)) for clip in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of clips."""
        torch = require("torch", extra=EXTRA)
        network = self._model()
        parameter = next(network.parameters())
        clips = to_device(torch.from_numpy(np.stack([item.data for item in batch])), parameter.device, parameter.dtype)
        with torch.inference_mode():
            return Encoded(self._recipe().run(network, clips).float().cpu().numpy())

    def identity(self) -> Mapping[str, object]:
        """Return weights, sampling and number type."""
        return {
            "video": self._family,
            "sha256": hash_file(self.weights),
            **self.decode_options,
            "window_seconds": self.window_seconds,
            "dtype": self._dtype or "float32",
            **self._what,
        }

    def _load(self) -> Any:
        recipe = self._recipe()
        network = fill(recipe.network(), recipe.tensors, self.weights.name, unused=recipe.unused)
        return network.to(pick_device(self._device, extra=EXTRA), pick_dtype(self._dtype, extra=EXTRA))


def max_pool(states: Any, kernel: tuple[int, int, int], stride: tuple[int, int, int], padding: Any = 0) -> Any:
    """Return maxima in float32 whatever the number type: torch has no half kernels for them on a CPU."""
    functional = require("torch", extra=EXTRA).nn.functional
    return functional.max_pool3d(states.float(), kernel, stride, padding).to(states.dtype)
