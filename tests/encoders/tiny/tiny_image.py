"""Tiny models of the image families without text, and the computations that their authors document."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pictures import forms, livelier, one_by_one, pictures

from senseweave.testing import Case

SEED = 7
TRANSFORMER = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
PATCHES = {**TRANSFORMER, "image_size": 32, "patch_size": 8}
STAGES = {"hidden_sizes": [8, 12, 16], "depths": [1, 1, 1], "num_stages": 3}


def maker(kind: str, processor: str, **config: Any) -> Callable[[Path], str]:
    """Save a tiny model of a kind such as `ViT`, without a pooler where it has one to leave out."""

    def make(folder: Path) -> str:
        import torch
        import transformers

        torch.manual_seed(SEED)
        model_class = getattr(transformers, f"{kind}Model")
        options = {}
        if kind in ("ViT", "DeiT", "IJepa", "Data2VecVision"):
            options["add_pooling_layer"] = kind == "Data2VecVision"
        model = livelier(model_class(getattr(transformers, f"{kind}Config")(**config), **options))
        norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        if norms:  # statistics of noise in place of those that an untrained batch norm lacks
            for norm in norms:
                norm.momentum = None
            model.train()(torch.randn(8, 3, 32, 32))
            model.eval()
        model.save_pretrained(folder)
        size = {"shortest_edge": 32} if processor == "ConvNext" else {"height": 32, "width": 32}
        made = getattr(transformers, f"{processor}ImageProcessorPil")(size=size)
        made.save_pretrained(folder)
        return str(folder)

    return make


def transformers_reference(read: Callable[[Any], Any], **options: Any) -> Callable[..., np.ndarray]:
    """The model's output for one image at a time, prepared by its own processor."""

    def reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
        from transformers import AutoImageProcessor, AutoModel

        processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
        model = AutoModel.from_pretrained(folder, **options).eval()
        return one_by_one(lambda image: read(model(**processor(images=image, return_tensors="pt"))), items)

    return reference


def class_token(output: Any) -> Any:
    return output.last_hidden_state[:, 0]


def pooled(output: Any) -> Any:
    return output.pooler_output


def patch_mean(output: Any) -> Any:
    return output.last_hidden_state.mean(dim=1)


def case(name: str, make: Any, reference: Any, weight: str, **more: Any) -> Case:
    return Case(name, "image", make, pictures, reference, forms=forms, poison=weight, missing=weight, **more)


def of_transformers(name: str, kind: str, read: Any, weight: str, processor: str = "ViT", **config: Any) -> Case:
    options = config.pop("options", {})
    return case(name, maker(kind, processor, **config), transformers_reference(read, **options), weight)


def make_timm(folder: Path) -> str:
    """A folder as timm pushes it to a hub: config.json with `architecture` and `pretrained_cfg`, and weights."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(SEED)
    model = livelier(timm.create_model("test_vit", num_classes=5))
    save_file(model.state_dict(), folder / "model.safetensors")
    config = {
        "architecture": "test_vit",
        "num_classes": 5,
        "num_features": model.num_features,
        "pretrained_cfg": {
            "input_size": [3, 160, 160],
            "crop_pct": 0.95,
            "mean": [0.5] * 3,
            "std": [0.5] * 3,
            "num_classes": 5,
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def make_timm_file(folder: Path) -> str:
    """An architecture and a weight file."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(SEED)
    model = livelier(timm.create_model("test_convnext"))
    save_file(model.state_dict(), folder / "model.safetensors")
    return f"timm:test_convnext//{folder / 'model.safetensors'}"


def timm_features(model: Any, items: Sequence[Any]) -> np.ndarray:
    """forward_features, then forward_head(pre_logits=True), after the model's own transform (timm's model cards)."""
    import timm

    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    model.eval()
    return one_by_one(
        lambda image: model.forward_head(model.forward_features(transform(image).unsqueeze(0)), pre_logits=True), items
    )


def timm_folder(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    import timm

    return timm_features(timm.create_model(f"local-dir:{folder}", pretrained=True), items)


def timm_file(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    import timm

    return timm_features(timm.create_model("test_convnext", checkpoint_path=folder / "model.safetensors"), items)


IMAGE_FAMILIES: list[Case] = [
    of_transformers("vit", "ViT", class_token, "layernorm.weight", **PATCHES),
    of_transformers("deit", "DeiT", class_token, "layernorm.weight", **PATCHES),
    of_transformers("dinov2", "Dinov2", class_token, "layernorm.weight", **PATCHES),
    of_transformers(
        "dinov2-registers", "Dinov2WithRegisters", class_token, "layernorm.weight", num_register_tokens=2, **PATCHES
    ),
    of_transformers("dinov3", "DINOv3ViT", pooled, "norm.weight", num_register_tokens=2, **PATCHES),
    of_transformers("ijepa", "IJepa", patch_mean, "layernorm.weight", **PATCHES),
    of_transformers(
        "vit-mae",
        "ViTMAE",
        class_token,
        "layernorm.weight",
        **PATCHES,
        options={"mask_ratio": 0.0},
        decoder_hidden_size=8,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=8,
    ),
    of_transformers("beit", "Beit", pooled, "pooler.layernorm.weight", use_mean_pooling=True, **PATCHES),
    of_transformers(
        "data2vec-vision", "Data2VecVision", pooled, "pooler.layernorm.weight", use_mean_pooling=True,
        options={"add_pooling_layer": True}, **PATCHES,
    ),
    of_transformers(
        "swin", "Swin", pooled, "layernorm.weight", image_size=32, patch_size=2, embed_dim=8, depths=[1, 1],
        num_heads=[2, 2], window_size=4,
    ),
    of_transformers(
        "swinv2", "Swinv2", pooled, "layernorm.weight", image_size=32, patch_size=2, embed_dim=8, depths=[1, 1],
        num_heads=[2, 2], window_size=4,
    ),
    of_transformers("convnext", "ConvNext", pooled, "layernorm.weight", **STAGES),
    of_transformers("convnextv2", "ConvNextV2", pooled, "layernorm.weight", **STAGES),
    of_transformers(
        "resnet", "ResNet", pooled, "embedder.embedder.convolution.weight", embedding_size=8, hidden_sizes=[8, 16],
        depths=[1, 1],
    ),
    of_transformers(
        "regnet", "RegNet", pooled, "embedder.embedder.convolution.weight", embedding_size=8, hidden_sizes=[8, 16],
        depths=[1, 1], groups_width=4,
    ),
    of_transformers(
        "efficientnet", "EfficientNet", pooled, "embeddings.convolution.weight", image_size=32, width_coefficient=0.25,
        depth_coefficient=0.2, hidden_dim=320, depth_divisor=8,
    ),
    case("timm-folder", make_timm, timm_folder, "norm.weight"),
    case("timm-file", make_timm_file, timm_file, "head.norm.weight"),
]  # fmt: skip
