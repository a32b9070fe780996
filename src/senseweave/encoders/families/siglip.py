"""SigLIP and SigLIP 2, with one resolution or native aspect ratios (NaFlex): text and images in one space."""

from __future__ import annotations

from typing import Any

from senseweave.encoders.base import Encoder
from senseweave.encoders.detection import BY_IMAGE_TEXT_TYPE, Rule, has_model_type
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backbone import Backbone, class_for
from senseweave.encoders.parts.backend_choice import BackendChoice
from senseweave.encoders.parts.saved_settings import read_prompts, with_settings
from senseweave.encoders.parts.towers import BATCH_IMAGES, BATCH_TOKENS, TowerImage, TowerText, projected
from senseweave.encoders.runtime.backends.precision import Backend, Precision
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.media import Modality

CLASSES = {"siglip": "SiglipModel", "siglip2": "Siglip2Model"}


def build(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    batch_tokens: int = BATCH_TOKENS,
    batch_images: int = BATCH_IMAGES,
    backend: Backend = "auto",
    precision: Precision = "fp32",
) -> dict[Modality, Encoder]:
    """Build the text and image encoders of a SigLIP checkpoint, over one model in memory.

    Every text is padded to the tower's full length (64) and no mask is given: the towers were trained so, and read
    the last position, padding or not (Zhai et al. 2023, arXiv 2303.15343; google-research/big_vision,
    models/proj/image_text/text_transformer.py). There is therefore no `max_length` to choose. `backend` and `precision`
    say what computes each tower, see `BackendChoice`.
    """
    choice = BackendChoice(backend, precision, device, dtype)
    checkpoint = resolve(name, revision=revision)
    class_name = class_for(checkpoint, CLASSES, "siglip")
    backbone = Backbone(checkpoint, class_name, extra="image", device=device, dtype=choice.torch_dtype)
    encoders: dict[Modality, Encoder] = {
        "text": TowerText(
            backbone,
            dimension=_dimension,
            features=projected("get_text_features"),
            longest=lambda config: int(config.text_config.max_position_embeddings),
            fixed_length=True,
            batch_tokens=batch_tokens,
            prompts=read_prompts(checkpoint),
        ),
        "image": TowerImage(
            backbone, dimension=_dimension, features=projected("get_image_features"), batch_images=batch_images
        ),
    }
    return choice.apply(with_settings(encoders, checkpoint))


FAMILY = Family(
    scheme="siglip",
    build=build,
    modalities=("text", "image"),
    extra="image",
    summary="SigLIP and SigLIP 2, with one resolution or native aspect ratios",
    examples=("google/siglip-base-patch16-224", "google/siglip2-base-patch16-naflex"),
    dimensions=(768, 768),
    license="Apache-2.0",
    rules=(Rule(has_model_type(*CLASSES), BY_IMAGE_TEXT_TYPE),),
)


def _dimension(config: Any) -> int:
    text = config.text_config
    return int(getattr(text, "projection_size", None) or text.hidden_size)
