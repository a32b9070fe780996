"""BLIP for image-text retrieval: the two unimodal encoders with their projections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from senseweave.encoders.base import Encoder
from senseweave.encoders.detection import BY_IMAGE_TEXT_TYPE, Rule, has_model_type
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backbone import Backbone, class_for
from senseweave.encoders.parts.backend_choice import BackendChoice
from senseweave.encoders.parts.saved_settings import read_prompts, with_settings
from senseweave.encoders.parts.towers import BATCH_IMAGES, BATCH_TOKENS, TowerImage, TowerText
from senseweave.encoders.runtime.backends.precision import Backend, Precision
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.media import Modality

CLASSES = {"blip": "BlipForImageTextRetrieval"}
TRAINED_LENGTH = 35
"""Tokens of a caption in the authors' retrieval code (salesforce/BLIP, models/blip_retrieval.py)."""


def build(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    max_length: int = TRAINED_LENGTH,
    batch_tokens: int = BATCH_TOKENS,
    batch_images: int = BATCH_IMAGES,
    backend: Backend = "auto",
    precision: Precision = "fp32",
) -> dict[Modality, Encoder]:
    """Build the text and image encoders of a BLIP retrieval checkpoint such as `Salesforce/blip-itm-base-coco`.

    Vectors are the projected first states of the unimodal encoders, those of the image-text contrastive loss (Li et al.
    2022, arXiv 2201.12086, section 3.2; `use_itm_head=False` in transformers). Captioning checkpoints lack these
    projections and are refused; see `senseweave.encoders.families.bridge` for them. `backend` and `precision` say what
    computes each encoder, see `BackendChoice`.
    """
    choice = BackendChoice(backend, precision, device, dtype)
    checkpoint = resolve(name, revision=revision)
    class_name = class_for(checkpoint, CLASSES, "blip")
    backbone = Backbone(checkpoint, class_name, extra="image", device=device, dtype=choice.torch_dtype)
    encoders: dict[Modality, Encoder] = {
        "text": TowerText(
            backbone,
            dimension=_dimension,
            features=_text,
            longest=lambda config: int(config.text_config.max_position_embeddings),
            max_length=max_length,
            batch_tokens=batch_tokens,
            prompts=read_prompts(checkpoint),
        ),
        "image": TowerImage(backbone, dimension=_dimension, features=_image, batch_images=batch_images),
    }
    return choice.apply(with_settings(encoders, checkpoint))


FAMILY = Family(
    scheme="blip",
    build=build,
    modalities=("text", "image"),
    extra="image",
    summary="BLIP for image-text retrieval",
    examples=("Salesforce/blip-itm-base-coco",),
    dimensions=(256,),
    license="BSD-3-Clause",
    rules=(Rule(has_model_type(*CLASSES), BY_IMAGE_TEXT_TYPE),),
)


def _dimension(config: Any) -> int:
    return int(config.image_text_hidden_size)


def _text(model: Any, batch: Mapping[str, Any]) -> Any:
    states = model.text_encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    return model.text_proj(states[:, 0])


def _image(model: Any, batch: Mapping[str, Any]) -> Any:
    return model.vision_proj(model.vision_model(**batch).last_hidden_state[:, 0])
