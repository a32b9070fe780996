"""X-CLIP: video and text in one space."""

from __future__ import annotations

from typing import Any

from senseweave.encoders.base import Encoder
from senseweave.encoders.detection import Rule, has_model_type
from senseweave.encoders.families.video import BATCH_CLIPS, VideoClips
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backbone import Backbone, class_for
from senseweave.encoders.parts.saved_settings import read_prompts, with_settings
from senseweave.encoders.parts.towers import BATCH_TOKENS, TowerText, projected
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.media import Modality

CLASSES = {"xclip": "XCLIPModel"}
WINDOW_SECONDS = 10.0
"""Frames are spread over a whole clip of Kinetics, 10 s (Ni et al. 2022, arXiv 2208.02816, section 4.1)."""


def build(
    name: str,
    *,
    window_seconds: float = WINDOW_SECONDS,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    max_length: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    batch_clips: int = BATCH_CLIPS,
) -> dict[Modality, Encoder]:
    """Build the text and video encoders of an X-CLIP checkpoint, over one model in memory.

    Text vectors are those of the text tower. The prompts that X-CLIP derives from each video and adds to a text before
    it compares the two (section 3.3 of the paper) depend on the pair, and so have no place in a vector of either alone.

    Args:
        name: Hub id or local folder, for example `microsoft/xclip-base-patch32`.
        window_seconds: Longer video is cut into windows of this length.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        max_length: Tokens of a text that are read; 77 if None.
        batch_tokens: Padded tokens per batch of texts.
        batch_clips: Clips per batch.
    """
    checkpoint = resolve(name, revision=revision)
    backbone = Backbone(
        checkpoint, class_for(checkpoint, CLASSES, "xclip"), extra="video-models", device=device, dtype=dtype
    )
    encoders: dict[Modality, Encoder] = {
        "text": TowerText(
            backbone,
            dimension=_dimension,
            features=projected("get_text_features"),
            longest=lambda config: int(config.text_config.max_position_embeddings),
            max_length=max_length,
            batch_tokens=batch_tokens,
            prompts=read_prompts(checkpoint),
        ),
        "video": VideoClips(
            backbone,
            dimension=_dimension,
            frames=lambda config: int(config.vision_config.num_frames),
            features=projected("get_video_features"),
            window_seconds=window_seconds,
            batch_clips=batch_clips,
        ),
    }
    return with_settings(encoders, checkpoint)


FAMILY = Family(
    scheme="xclip",
    build=build,
    modalities=("text", "video"),
    extra="video-models",
    summary="X-CLIP: video and text in one space",
    examples=("microsoft/xclip-base-patch32",),
    dimensions=(512,),
    license="MIT",
    rules=(Rule(has_model_type(*CLASSES)),),
)


def _dimension(config: Any) -> int:
    return int(config.projection_dim)
