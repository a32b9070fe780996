"""Image encoders of transformers that know no text: ViT, DINOv2, ConvNeXt, ResNet and others, pooled as published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from senseweave.encoders.base import Encoder
from senseweave.encoders.detection import BY_IMAGE_TYPE, Rule, has_model_type
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backbone import Backbone, model_type
from senseweave.encoders.parts.backend_choice import BackendChoice
from senseweave.encoders.parts.towers import BATCH_IMAGES, TowerImage
from senseweave.encoders.runtime.backends.precision import Backend, Precision
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.errors import ModelError
from senseweave.media import Modality

ImagePooling = Literal["cls", "mean", "pooler"]


@dataclass(frozen=True)
class Pooled:
    """How the authors of an architecture turn its states into one vector per image.

    Attributes:
        pooling: `cls` (first state), `mean` over states after `skip`, or `pooler` (the model's own pooled output).
        skip: States before those of the patches: class and distillation tokens; register tokens come on top.
        source: Where that is written.
    """

    pooling: ImagePooling
    skip: int
    source: str


ARCHITECTURES: dict[str, Pooled] = {
    "vit": Pooled("cls", 1, "Dosovitskiy et al. 2020, arXiv 2010.11929, eq. 4: the state of the class token"),
    "deit": Pooled("cls", 2, "Touvron et al. 2020, arXiv 2012.12877: the state of the class token"),
    "dinov2": Pooled("cls", 1, "Oquab et al. 2023, arXiv 2304.07193; facebookresearch/dinov2: x_norm_clstoken"),
    "dinov2_with_registers": Pooled(
        "cls", 1, "Darcet et al. 2023, arXiv 2309.16588: the class token, not the registers"
    ),
    "dinov3_vit": Pooled("pooler", 1, "Simeoni et al. 2025, arXiv 2508.10104; model card: pooler_output"),
    "ijepa": Pooled("mean", 0, "Assran et al. 2023, arXiv 2301.08243: average of the patches, there is no class token"),
    "vit_mae": Pooled("cls", 1, "He et al. 2021, arXiv 2111.06377, A.1: class token; masking is switched off"),
    "beit": Pooled("pooler", 1, "Bao et al. 2021, arXiv 2106.08254: mean of the patches, then a norm"),
    "data2vec-vision": Pooled("pooler", 1, "Baevski et al. 2022, arXiv 2202.03555: mean of the patches, then a norm"),
    "swin": Pooled("pooler", 0, "Liu et al. 2021, arXiv 2103.14030: global average pool of the normalized last stage"),
    "swinv2": Pooled("pooler", 0, "Liu et al. 2021, arXiv 2111.09883: as Swin"),
    "convnext": Pooled("pooler", 0, "Liu et al. 2022, arXiv 2201.03545: global average pool, then a norm"),
    "convnextv2": Pooled("pooler", 0, "Woo et al. 2023, arXiv 2301.00808: as ConvNeXt"),
    "resnet": Pooled("pooler", 0, "He et al. 2015, arXiv 1512.03385: global average pool"),
    "regnet": Pooled("pooler", 0, "Radosavovic et al. 2020, arXiv 2003.13678: global average pool"),
    "efficientnet": Pooled("pooler", 0, "Tan and Le 2019, arXiv 1905.11946: global average pool"),
}
"""Pooling by `model_type`. Classification checkpoints have no trained pooler, and a `pooler` that transformers would
make up at random is never used: `cls` reads the state itself."""

WITHOUT_POOLER = ("data2vec-vision",)
"""Architectures whose class in transformers builds only on request the pooler that the pooling above reads."""
WITH_OPTIONAL_POOLER = ("vit", "deit", "ijepa")
"""Architectures whose class in transformers adds a pooler that the pooling above does not read."""


def build(
    name: str,
    *,
    pooling: ImagePooling | None = None,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    batch_images: int = BATCH_IMAGES,
    backend: Backend = "auto",
    precision: Precision = "fp32",
) -> dict[Modality, Encoder]:
    """Build the image encoder of a transformers checkpoint.

    Args:
        name: Hub id or local folder.
        pooling: `cls`, `mean` over patches, or `pooler`; what the authors define if None, see `ARCHITECTURES`.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        batch_images: Images per batch.
        backend: What computes: `torch`, `onnx`, `openvino`, or `auto`, see `BackendChoice`.
        precision: `fp32`, `bf16` or `int8`.

    Raises:
        ModelError: If the architecture is not in the table and no pooling is given.
    """
    choice = BackendChoice(backend, precision, device, dtype)
    checkpoint = resolve(name, revision=revision)
    kind = model_type(checkpoint)
    published = ARCHITECTURES.get(kind)
    if published is None:
        msg = f"{name} is a {kind!r} model; expected an image encoder: {', '.join(ARCHITECTURES)}"
        raise ModelError(msg)
    chosen = pooling or published.pooling
    if chosen not in ("cls", "mean", "pooler"):
        msg = f"pooling must be cls, mean or pooler, not {pooling!r}"
        raise ValueError(msg)
    unused = ("pooler.",) if chosen != "pooler" and kind in WITH_OPTIONAL_POOLER else ()
    backbone = Backbone(
        checkpoint,
        "AutoModel",
        extra="image",
        device=device,
        dtype=choice.torch_dtype,
        unused=(*unused, "embeddings.mask_token"),
        part=PARTS.get(kind),
        arguments={"add_pooling_layer": True} if chosen == "pooler" and kind in WITHOUT_POOLER else None,
    )

    def features(model: Any, batch: Mapping[str, Any]) -> Any:
        output = model(**batch, **({"noise": _in_order(model, batch)} if kind == "vit_mae" else {}))
        if chosen == "pooler":
            return output.pooler_output.flatten(1)
        states = output.last_hidden_state
        if states.ndim == 4:  # a feature map, shape (n, channels, height, width)
            states = states.flatten(2).transpose(1, 2)
        if chosen == "cls":
            return states[:, 0]
        return states[:, published.skip + getattr(model.config, "num_register_tokens", 0) :].mean(dim=1)

    images = TowerImage(
        backbone, dimension=_dimension, features=features, batch_images=batch_images, what={"pooling": chosen}
    )
    return choice.apply({"image": images})


FAMILY = Family(
    scheme="image",
    build=build,
    modalities=("image",),
    extra="image",
    summary="image encoders of transformers: ViT, DeiT, DINOv2 and 3, MAE, BEiT, Swin, ConvNeXt, ResNet, EfficientNet",
    examples=("facebook/dinov2-base", "google/vit-base-patch16-224-in21k", "microsoft/resnet-50"),
    dimensions=(768, 768, 2048),
    license="by model; DINOv3 has its own terms",
    rules=(Rule(has_model_type(*ARCHITECTURES), BY_IMAGE_TYPE),),
)


def _dimension(config: Any) -> int:
    sizes = getattr(config, "hidden_sizes", None)
    if sizes:
        return int(sizes[-1])
    return int(config.hidden_dim if config.model_type == "efficientnet" else config.hidden_size)


def _without_masking(model: Any) -> Any:
    """Turn off the masking of a masked autoencoder, which is for training only, and return the model."""
    model.config.mask_ratio = 0.0
    return model


def _with_whole_pool(model: Any) -> Any:
    """Let EfficientNet average its whole feature map by name, and return the model.

    transformers asks for windows of as many places as there are channels, which cover any map; OpenVINO refuses those.
    """
    import torch

    model.pooler = torch.nn.AdaptiveAvgPool2d(1)
    return model


PARTS = {"vit_mae": _without_masking, "efficientnet": _with_whole_pool}
"""What is changed of a loaded model, by `model_type`."""


def _in_order(model: Any, batch: Mapping[str, Any]) -> Any:
    """Return ascending noise, shape (n, patches), by which the model sorts patches: they keep their order."""
    import torch

    count = model.embeddings.patch_embeddings.num_patches
    return torch.arange(count, dtype=torch.float32, device=model.device).repeat(len(batch["pixel_values"]), 1)
