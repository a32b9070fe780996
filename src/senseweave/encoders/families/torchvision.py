"""Video networks of torchvision, such as R3D, S3D and MViT, with a local weight file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.family import Family
from senseweave.encoders.runtime.checkpoint import hash_file
from senseweave.encoders.runtime.torch_runtime import Lazy, pick_device, pick_dtype, to_device
from senseweave.encoders.runtime.weight_files import fill, read_tensors
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Clip, Modality

BATCH_CLIPS = 2


@dataclass(frozen=True)
class Recipe:
    """How torchvision's weights of an architecture were trained.

    Attributes:
        head: Name of the classifier, which is taken off.
        dimension: Length of what goes into it.
        frames: Frames per clip.
        frame_rate: Frames per second of the clips.
    """

    head: str
    dimension: int
    frames: int
    frame_rate: float

    @property
    def window_seconds(self) -> float:
        """The seconds that a clip covers."""
        return self.frames / self.frame_rate


RECIPES: dict[str, Recipe] = {
    "r3d_18": Recipe("fc", 512, 16, 15),
    "mc3_18": Recipe("fc", 512, 16, 15),
    "r2plus1d_18": Recipe("fc", 512, 16, 15),
    "s3d": Recipe("classifier", 1024, 128, 15),
    "mvit_v1_b": Recipe("head", 768, 16, 7.5),
    "mvit_v2_s": Recipe("head", 768, 16, 7.5),
    "swin3d_t": Recipe("head", 768, 32, 15),
    "swin3d_s": Recipe("head", 768, 32, 15),
    "swin3d_b": Recipe("head", 1024, 32, 15),
}
"""Frames and rates are in the documentation of torchvision's Kinetics-400 weights (`clip_len`, `frame_rate`)."""


class VideoNetwork(Encoder):
    """Clips through a torchvision network, up to what goes into its classifier."""

    modality: ClassVar[Modality] = "video"
    window_seconds: float
    decode_options: Mapping[str, object]
    batch_budget: int

    def __init__(
        self,
        architecture: str,
        weights: Path,
        *,
        frames: int | None = None,
        window_seconds: float | None = None,
        device: str | None = None,
        dtype: str | None = None,
        batch_clips: int = BATCH_CLIPS,
    ) -> None:
        """Describe the encoder; its weights are read when it is first used.

        Raises:
            ModelError: If the architecture is unknown.
        """
        if architecture not in RECIPES:
            msg = f"{architecture!r} is not a known video network of torchvision; expected {', '.join(RECIPES)}"
            raise ModelError(msg)
        self.architecture = architecture
        self.weights = weights
        self.recipe = RECIPES[architecture]
        self.frames = frames or self.recipe.frames
        self.window_seconds = window_seconds or self.recipe.window_seconds
        self.decode_options = {"frames": self.frames}
        self.batch_budget = batch_clips
        self._device = device
        self._dtype = dtype
        self._model: Lazy[Any] = Lazy(self._load)
        self._transform: Lazy[Any] = Lazy(self._make_transform)
        self.parts = (self._transform, self._model)

    @property
    def dimension(self) -> int:
        """The length of the input of the classifier."""
        return self.recipe.dimension

    def prepare(self, items: Sequence[Clip], role: Role) -> list[Prepared]:
        """Resize, crop and scale by the transforms that torchvision keeps with its weights, shape (3, frames, h, w)."""
        torch = require("torch", extra="video-models")
        transform = self._transform()
        return [Prepared(transform(torch.from_numpy(clip.frames.copy()).permute(0, 3, 1, 2)).numpy()) for clip in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors in float32."""
        torch = require("torch", extra="video-models")
        model = self._model()
        parameter = next(model.parameters())
        clips = to_device(torch.from_numpy(np.stack([item.data for item in batch])), parameter.device, parameter.dtype)
        with torch.inference_mode():
            return Encoded(model(clips).float().cpu().numpy())

    def identity(self) -> Mapping[str, object]:
        """Return architecture, weights and sampling."""
        return {
            "video": "torchvision",
            "architecture": self.architecture,
            "sha256": hash_file(self.weights),
            "frames": self.frames,
            "window_seconds": self.window_seconds,
            "dtype": self._dtype or "float32",
        }

    def _make_transform(self) -> Any:
        models = require("torchvision.models", extra="video-models", feature="torchvision's video networks")
        return models.get_model_weights(self.architecture).DEFAULT.transforms()

    def _load(self) -> Any:
        torch = require("torch", extra="video-models")
        models = require("torchvision.models", extra="video-models", feature="torchvision's video networks")
        tensors = read_tensors(self.weights, extra="video-models")
        model = models.get_model(self.architecture, weights=None)
        setattr(model, self.recipe.head, torch.nn.Identity())
        fill(model, tensors, f"{self.architecture}//{self.weights.name}", unused=(f"{self.recipe.head}.",))
        return model.to(pick_device(self._device, extra="video-models"), pick_dtype(self._dtype, extra="video-models"))


def build(
    name: str,
    *,
    frames: int | None = None,
    window_seconds: float | None = None,
    device: str | None = None,
    dtype: str | None = None,
    batch_clips: int = BATCH_CLIPS,
) -> dict[Modality, Encoder]:
    """Build the video encoder of a torchvision network.

    Args:
        name: `architecture//path/to/weights`, for example `r3d_18//weights/r3d_18-b3b3357e.pth`.
        frames: Frames per clip; what the weights were trained on if None.
        window_seconds: Time that one clip covers; what the weights were trained on if None. Longer video is cut into
            such windows.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        batch_clips: Clips per batch.

    Raises:
        ModelError: If the architecture or the file is unknown.
    """
    architecture, slashes, path = name.partition("//")
    weights = Path(path).expanduser()
    if not slashes or not weights.is_file():
        found = f"there is no file {path}" if slashes else "no weight file is named"
        msg = f"torchvision:{name}: {found}; expected 'torchvision:r3d_18//path/to/weights'"
        raise ModelError(msg)
    network = VideoNetwork(
        architecture,
        weights,
        frames=frames,
        window_seconds=window_seconds,
        device=device,
        dtype=dtype,
        batch_clips=batch_clips,
    )
    return {"video": network}


FAMILY = Family(
    scheme="torchvision",
    build=build,
    modalities=("video",),
    extra="video-models",
    summary="torchvision's video networks (R3D, S3D, MViT, Swin3D), with a local weight file",
    examples=("torchvision:r3d_18//path/to/weights.pth",),
    dimensions=(512,),
    license="BSD-3-Clause code; weights trained on Kinetics-400",
    folders=False,
    files=True,
)
