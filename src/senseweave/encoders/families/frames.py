"""Spaces with video added to them: frames seen by the image encoder of any model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from senseweave.encoders.base import Encoder
from senseweave.encoders.family import Family
from senseweave.encoders.parts.frames import FRAMES, WINDOW_SECONDS, FramePooling, FrameVideo
from senseweave.encoders.registry import build_encoders
from senseweave.errors import ModelError
from senseweave.media import Modality


def build(
    name: str,
    *,
    pooling: FramePooling = "mean",
    frames: int = FRAMES,
    window_seconds: float = WINDOW_SECONDS,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[Modality, Encoder]:
    """Add video to the encoders of any model that has an image encoder.

    Args:
        name: Whatever `senseweave.load` takes, for example `openai/clip-vit-base-patch32` or `timm:resnet18.a1_in1k`.
        pooling: `mean`, `max` or `temporal`, see `senseweave.encoders.parts.frames.pool_frames`.
        frames: Frames per segment.
        window_seconds: Longer video is cut into segments of this length.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        options: Further options of the model's own family.

    Raises:
        ModelError: If the model has no image encoder.
    """
    given = {"device": device, "dtype": dtype, "revision": revision}
    chosen = {option: value for option, value in given.items() if value is not None}
    encoders = build_encoders(name, {**chosen, **(options or {})})
    image = encoders.get("image")
    if image is None:
        msg = f"{name} has no image encoder for frames; it embeds {', '.join(encoders)}"
        raise ModelError(msg)
    video = FrameVideo(image, pooling=pooling, frames=frames, window_seconds=window_seconds)
    return {**encoders, "video": video}


FAMILY = Family(
    scheme="frames",
    build=build,
    modalities=("text", "image", "video"),
    extra="video",
    summary=(
        "any model with an image encoder, and video by its frames in the same space (mean, max or temporal pooling)"
    ),
    examples=("frames:openai/clip-vit-base-patch32", "frames:facebook/dinov2-base"),
    dimensions=(512, 768),
    license="by model",
)
