"""Tiny models of several modalities as sentence-transformers saves them, with a layer behind both towers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from films import films
from films import forms as film_forms
from films import longer_than as film_longer_than
from pictures import forms as picture_forms
from pictures import livelier, one_by_one, pictures
from sounds import forms as sound_forms
from sounds import longer_than, sounds
from tiny_clap import clap_maker
from tiny_image_text import make_clip
from tiny_text import SEED, long_text, texts

from senseweave.testing import Case


def maker(make: Any) -> Any:
    """A model of two towers by `make`, then a dense layer that no native family would know of."""

    def made(folder: Path) -> str:
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.base.modules.transformer import Transformer
        from sentence_transformers.sentence_transformer.modules import Dense

        inner = folder.parent / f"{folder.name}-towers"
        inner.mkdir()
        make(inner)
        torch.manual_seed(SEED)
        dense = Dense(in_features=12, out_features=8, activation_function=torch.nn.Tanh())
        SentenceTransformer(modules=[Transformer(str(inner)), dense], device="cpu").save(str(folder))
        return str(folder)

    return made


def reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """`SentenceTransformer.encode` of one input that names its modality (documentation of sentence-transformers 6)."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")

    def compute(item: Any) -> Any:
        if isinstance(item, str):
            return model.encode({"text": item})
        if hasattr(item, "samples"):
            return model.encode({"audio": {"array": item.samples, "sampling_rate": item.sampling_rate}})
        if hasattr(item, "frames"):
            return model.encode({"video": np.ascontiguousarray(item.frames.transpose(0, 3, 1, 2))})
        return model.encode({"image": item})

    return one_by_one(compute, items)


def make_video(folder: Path) -> str:
    """V-JEPA 2, pooled, and the layer behind it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling
    from transformers import VJEPA2Config, VJEPA2Model, VJEPA2VideoProcessor

    inner = folder.parent / f"{folder.name}-tower"
    torch.manual_seed(SEED)
    predictor = {"pred_hidden_size": 24, "pred_num_attention_heads": 2, "pred_num_hidden_layers": 1}
    config = VJEPA2Config(
        patch_size=16, crop_size=32, frames_per_clip=8, tubelet_size=2, hidden_size=24, num_attention_heads=2,
        num_hidden_layers=2, mlp_ratio=2.0, pred_num_mask_tokens=1, **predictor,
    )  # fmt: skip
    livelier(VJEPA2Model(config), 0.2).save_pretrained(inner)
    size = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    VJEPA2VideoProcessor(**size).save_pretrained(inner)
    modules = [Transformer(str(inner)), Pooling(24, "mean"), Dense(in_features=24, out_features=8)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder))
    return str(folder)


CLIP, CLAP = maker(make_clip), maker(clap_maker(fused=False))
OMNI_FAMILIES: list[Case] = [
    Case(
        "omni-text",
        "text",
        CLIP,
        texts,
        reference,
        long_item=long_text,
        poison="text_projection.weight",
        missing="text_projection.weight",
    ),
    Case(
        "omni-image",
        "image",
        CLIP,
        pictures,
        reference,
        forms=picture_forms,
        poison="visual_projection.weight",
        missing="visual_projection.weight",
    ),
    Case(
        "omni-audio",
        "audio",
        CLAP,
        sounds,
        reference,
        forms=sound_forms,
        long_item=longer_than(10.0),
        splits_long=True,
        poison="audio_projection.linear1.weight",
        missing="audio_projection.linear1.weight",
    ),
    Case(
        "omni-video",
        "video",
        make_video,
        films,
        reference,
        forms=film_forms,
        long_item=film_longer_than(10.0),
        splits_long=True,
        poison="encoder.layernorm.weight",
        missing="encoder.layernorm.weight",
    ),
]
