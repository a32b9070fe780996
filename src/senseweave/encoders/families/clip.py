"""CLIP and its relatives in transformers: CLIP, MetaCLIP 2, Chinese CLIP, AltCLIP; text and images in one space.

The folders that sentence-transformers saves (`0_CLIPModel/`) load as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from senseweave.encoders.base import Encoder
from senseweave.encoders.detection import BY_IMAGE_TEXT_TYPE, BY_MODULES, Rule, Signs, has_model_type, read_signs
from senseweave.encoders.families.sentence import SentenceText
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backbone import Backbone, class_for
from senseweave.encoders.parts.backend_choice import BackendChoice
from senseweave.encoders.parts.saved_settings import read_prompts, with_settings
from senseweave.encoders.parts.sentence_folders import PATTERNS, module_folders
from senseweave.encoders.parts.towers import BATCH_IMAGES, BATCH_TOKENS, TowerImage, TowerText, projected, scalar
from senseweave.encoders.refusals import check_sentence_encoder
from senseweave.encoders.runtime.backends.precision import Backend, Precision
from senseweave.encoders.runtime.checkpoint import Checkpoint, resolve
from senseweave.errors import ModelError
from senseweave.media import Modality

CLASSES = {
    "clip": "CLIPModel",
    "metaclip_2": "MetaClip2Model",
    "chinese_clip": "ChineseCLIPModel",
    "altclip": "AltCLIPModel",
}
"""`model_type` to class; all have `get_text_features`, `get_image_features` and a `projection_dim`."""


class DistilledText(SentenceText):
    """A text model that was trained to give the vectors of a CLIP's text tower, whose logit scale therefore holds."""

    def __init__(self, checkpoint: Checkpoint, backbone: Backbone, **options: Any) -> None:
        """Put a text model beside the CLIP whose space it is in.

        Args:
            checkpoint: Of the text model.
            backbone: The CLIP.
            **options: Those of `SentenceText`.
        """
        super().__init__(checkpoint, **options)
        self.backbone = backbone

    @property
    def logit_scale(self) -> float | None:
        """The factor that CLIP multiplies cosines by before a softmax over labels."""
        return scalar(getattr(self.backbone(), "logit_scale", None), exponential=True)


def build(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    max_length: int | None = None,
    batch_tokens: int = BATCH_TOKENS,
    batch_images: int = BATCH_IMAGES,
    text: str | None = None,
    backend: Backend = "auto",
    precision: Precision = "fp32",
) -> dict[Modality, Encoder]:
    """Build the text and image encoders of a CLIP checkpoint, over one model in memory.

    Vectors are the projected features of both towers (Radford et al. 2021, arXiv 2103.00020, figure 3).

    Args:
        name: Hub id or local folder.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        max_length: Tokens of a text that are read; 77 for CLIP if None.
        batch_tokens: Padded tokens per batch of texts.
        batch_images: Images per batch.
        text: A text model that was trained into this model's space and is used in place of its text tower, such as
            `sentence-transformers/clip-ViT-B-32-multilingual-v1` (Reimers and Gurevych 2020, arXiv 2004.09813).
        backend: What computes each tower: `torch`, `onnx`, `openvino`, or `auto`, see `BackendChoice`.
        precision: `fp32`, `bf16` or `int8`.

    Raises:
        ModelError: If the checkpoint is of another family, layers follow it or make sparse codes, or `text` has vectors
            of another length.
    """
    choice = BackendChoice(backend, precision, device, dtype)
    folder = resolve(name, revision=revision)
    check_sentence_encoder(read_signs(name, folder.folder), named=True)
    checkpoint = clip_folder(folder)
    backbone = Backbone(
        checkpoint, class_for(checkpoint, CLASSES, "clip"), extra="image", device=device, dtype=choice.torch_dtype
    )
    images = TowerImage(
        backbone, dimension=_dimension, features=projected("get_image_features"), batch_images=batch_images
    )
    if text is not None:
        texts = DistilledText(
            resolve(text, patterns=PATTERNS),
            backbone,
            device=device,
            dtype=choice.torch_dtype,
            max_length=max_length,
            batch_tokens=batch_tokens,
        )
        if texts.dimension != images.dimension:
            msg = f"{text} has {texts.dimension} dimensions, and {name} {images.dimension}: two spaces"
            raise ModelError(msg)
        return choice.apply({"text": texts, "image": images})
    own_text = TowerText(
        backbone,
        dimension=_dimension,
        features=projected("get_text_features"),
        longest=_longest,
        max_length=max_length,
        batch_tokens=batch_tokens,
        prompts=read_prompts(folder),
    )
    return choice.apply(with_settings({"text": own_text, "image": images}, folder))


def _is_clip_alone(signs: Signs) -> bool:
    """Return whether a folder of sentence-transformers holds a CLIP that at most a normalization follows."""
    return signs.modules[:1] == ("CLIPModel",) and set(signs.modules) <= {"CLIPModel", "Normalize"}


FAMILY = Family(
    scheme="clip",
    build=build,
    modalities=("text", "image"),
    extra="image",
    summary="CLIP, MetaCLIP 2, Chinese CLIP, AltCLIP, and CLIP as sentence-transformers saves it",
    examples=(
        "openai/clip-vit-base-patch32",
        "sentence-transformers/clip-ViT-B-32",
        "OFA-Sys/chinese-clip-vit-base-patch16",
    ),
    dimensions=(512, 512, 512),
    license="by model; MIT for OpenAI's CLIP",
    rules=(Rule(_is_clip_alone, BY_MODULES), Rule(has_model_type(*CLASSES), BY_IMAGE_TEXT_TYPE)),
)


def clip_folder(checkpoint: Checkpoint) -> Checkpoint:
    """Return the folder of the CLIP model itself; in folders of sentence-transformers it is `0_CLIPModel`.

    Raises:
        ModelError: If layers follow the CLIP, without which its vectors are others.
    """
    kinds = [kind for _, kind in module_folders(checkpoint)]
    further = sorted(set(kinds[1:]) - {"Normalize"})
    if further:
        msg = f"{checkpoint.name} has {', '.join(further)} behind its CLIP; load it without 'clip:', or by 'omni:'"
        raise ModelError(msg)
    if not (checkpoint.folder / "config.json").is_file():
        inner = checkpoint.folder / "0_CLIPModel"
        if (inner / "config.json").is_file():
            return replace(checkpoint, folder=inner)
    return checkpoint


def _dimension(config: Any) -> int:
    return int(config.projection_dim)


def _longest(config: Any) -> int:
    positions = int(config.text_config.max_position_embeddings)
    # XLM-RoBERTa, AltCLIP's text tower, numbers positions from padding_idx + 1, and so loses two of them.
    return positions - 2 if config.model_type == "altclip" else positions
