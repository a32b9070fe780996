"""Tiny models of the image-text families, and the computations that their authors document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pictures import forms, livelier, one_by_one, pictures
from tiny_text import POSITIONS, SEED, bpe_tokenizer, long_text, texts, unigram_tokenizer, wordpiece_tokenizer

from senseweave.testing import Case

TEXT = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**TEXT, "image_size": 32, "patch_size": 8}


def clip_tokenizer(folder: Path) -> Any:
    """Byte-level BPE between a start and an end token, padded with the end token, as CLIP's."""
    from tokenizers import processors

    tokenizer = bpe_tokenizer(folder)
    tokenizer.pad_token = "</s>"
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def save(folder: Path, model: Any, tokenizer: Any, processor: Any, std: float = 0.5) -> str:
    import torch

    torch.manual_seed(SEED)
    livelier(model, std).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def square(kind: str) -> Any:
    """A processor of 32 x 32 pixels."""
    import transformers

    size = {"height": 32, "width": 32}
    return getattr(transformers, f"{kind}ImageProcessorPil")(size=size)


def crop(kind: str) -> Any:
    """A processor that resizes the short side and crops the centre to 32 x 32 pixels."""
    import transformers

    return getattr(transformers, f"{kind}ImageProcessorPil")(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )


def make_clip(folder: Path) -> str:
    from transformers import CLIPConfig, CLIPModel

    tokenizer = clip_tokenizer(folder)
    text = {
        **TEXT,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": POSITIONS,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = CLIPConfig(text_config=text, vision_config=VISION, projection_dim=12)
    return save(folder, CLIPModel(config), tokenizer, crop("CLIP"))


def make_sentence_transformers_clip(folder: Path) -> str:
    """What sentence-transformers saves: modules.json, and the CLIP model in `0_CLIPModel`."""
    inner = folder / "0_CLIPModel"
    inner.mkdir()
    make_clip(inner)
    module = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
    (folder / "modules.json").write_text(json.dumps([module]))
    return str(folder)


def make_metaclip2(folder: Path) -> str:
    """MetaCLIP 2: an image tower as CLIP's, and text of any language."""
    from transformers import MetaClip2Config, MetaClip2Model

    tokenizer = clip_tokenizer(folder)
    tokens = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.bos_token_id}
    tokens |= {"pad_token_id": 1, "vocab_size": len(tokenizer)}
    tokenizer.pad_token = "<pad>"
    config = MetaClip2Config(
        text_config={**TEXT, **tokens, "max_position_embeddings": POSITIONS}, vision_config=VISION, projection_dim=12
    )
    return save(folder, MetaClip2Model(config), tokenizer, crop("CLIP"))


def make_chinese_clip(folder: Path) -> str:
    from transformers import ChineseCLIPConfig, ChineseCLIPModel

    tokenizer = wordpiece_tokenizer(folder)
    text = {**TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": POSITIONS, "pad_token_id": 0}
    config = ChineseCLIPConfig(text_config=text, vision_config=VISION, projection_dim=12)
    return save(folder, ChineseCLIPModel(config), tokenizer, crop("ChineseCLIP"))


def make_altclip(folder: Path) -> str:
    """Multilingual: an XLM-RoBERTa text tower."""
    from transformers import AltCLIPConfig, AltCLIPModel

    tokenizer = bpe_tokenizer(folder)
    text = {
        **TEXT,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": POSITIONS + 2,
        "pad_token_id": tokenizer.pad_token_id,
        "project_dim": 16,
    }
    config = AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=12)
    return save(folder, AltCLIPModel(config), tokenizer, crop("CLIP"))


def siglip_text(tokenizer: Any) -> dict[str, Any]:
    return {
        **TEXT,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": POSITIONS,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
    }


def make_siglip(folder: Path) -> str:
    from transformers import SiglipConfig, SiglipModel

    tokenizer = unigram_tokenizer(folder)
    config = SiglipConfig(text_config=siglip_text(tokenizer), vision_config=VISION)
    return save(folder, SiglipModel(config), tokenizer, square("Siglip"))


def make_siglip2(folder: Path) -> str:
    """NaFlex: patches of the image's own aspect ratio, at most 16 of them."""
    from transformers import Siglip2Config, Siglip2ImageProcessorPil, Siglip2Model

    tokenizer = unigram_tokenizer(folder)
    vision = {**TEXT, "patch_size": 8, "num_patches": 16}
    config = Siglip2Config(text_config=siglip_text(tokenizer), vision_config=vision)
    return save(folder, Siglip2Model(config), tokenizer, Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16))


def make_blip(folder: Path) -> str:
    from transformers import BlipConfig, BlipForImageTextRetrieval

    tokenizer = wordpiece_tokenizer(folder)
    text = {**TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": POSITIONS, "encoder_hidden_size": 16}
    text |= {"pad_token_id": 0, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    config = BlipConfig(text_config=text, vision_config=VISION, projection_dim=12, image_text_hidden_size=12)
    return save(folder, BlipForImageTextRetrieval(config), tokenizer, square("Blip"))


def make_open_clip(folder: Path) -> str:
    """A folder with open_clip_config.json and weights, as open_clip pushes it to a hub."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    config = {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 16, "head_width": 8, "patch_size": 8},
        "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
    }
    preprocess = {
        "mean": [0.5, 0.4, 0.3],
        "std": [0.2, 0.2, 0.3],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
    torch.manual_seed(SEED)
    model = livelier(open_clip.CLIP(**config))
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    return str(folder)


def transformers_texts(folder: Path, items: Sequence[str], role: str, **padding: Any) -> np.ndarray:
    """`get_text_features` of one text at a time (documentation of CLIPModel and AltCLIPModel in transformers)."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def compute(text: str) -> Any:
        inputs = tokenizer([text], truncation=True, max_length=POSITIONS, return_tensors="pt", **padding)
        if padding:
            inputs = {"input_ids": inputs["input_ids"]}
        return model.get_text_features(**inputs).pooler_output

    return one_by_one(compute, items)


def siglip_texts(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """Padded to the full length, without a mask (documentation of SigLIP in transformers, usage tips)."""
    return transformers_texts(folder, items, role, padding="max_length")


def transformers_images(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """`get_image_features` of one image at a time, by the model's own processor (documentation of CLIPModel)."""
    from transformers import AutoImageProcessor, AutoModel

    processor, model = (
        AutoImageProcessor.from_pretrained(folder, backend="pil"),
        AutoModel.from_pretrained(folder).eval(),
    )
    return one_by_one(
        lambda image: model.get_image_features(**processor(images=image, return_tensors="pt")).pooler_output, items
    )


def inner(reference: Any) -> Any:
    """The same reference over the CLIP folder inside a folder of sentence-transformers."""
    return lambda folder, items, role: reference(folder / "0_CLIPModel", items, role)


def blip_scores(folder: Path) -> Any:
    from transformers import AutoImageProcessor, AutoTokenizer, BlipForImageTextRetrieval

    model = BlipForImageTextRetrieval.from_pretrained(folder).eval()
    return model, AutoTokenizer.from_pretrained(folder), AutoImageProcessor.from_pretrained(folder, backend="pil")


def blip_texts(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """text_proj of the first state (salesforce/BLIP, models/blip_retrieval.py; `use_itm_head=False`)."""
    model, tokenizer, _ = blip_scores(folder)

    def compute(text: str) -> Any:
        inputs = tokenizer([text], truncation=True, max_length=35, return_tensors="pt", return_token_type_ids=False)
        return model.text_proj(model.text_encoder(**inputs).last_hidden_state[:, 0, :])

    return one_by_one(compute, items)


def blip_images(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """vision_proj of the first state (salesforce/BLIP, models/blip_retrieval.py)."""
    model, _, processor = blip_scores(folder)
    return one_by_one(
        lambda image: model.vision_proj(
            model.vision_model(**processor(images=image, return_tensors="pt")).last_hidden_state[:, 0, :]
        ),
        items,
    )


def open_clip_texts(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """`encode_text` of tokenized texts (README of open_clip)."""
    import open_clip

    model = open_clip.create_model(f"local-dir:{folder}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    return one_by_one(lambda text: model.encode_text(tokenizer([text])), items)


def open_clip_images(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """`encode_image` of preprocessed images (README of open_clip)."""
    import open_clip

    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    return one_by_one(lambda image: model.encode_image(preprocess(image).unsqueeze(0)), items)


def pair(name: str, make: Any, text: Any, image: Any, weights: tuple[str, str]) -> list[Case]:
    """The text and the image case of one family; `weights` are a tensor of each tower."""
    return [
        Case(f"{name}-text", "text", make, texts, text, long_item=long_text, poison=weights[0], missing=weights[0]),
        Case(f"{name}-image", "image", make, pictures, image, forms=forms, poison=weights[1], missing=weights[1]),
    ]


IMAGE_TEXT_FAMILIES: list[Case] = [
    *pair(
        "clip",
        make_clip,
        transformers_texts,
        transformers_images,
        ("text_projection.weight", "visual_projection.weight"),
    ),
    *pair(
        "clip-sentence-transformers",
        make_sentence_transformers_clip,
        inner(transformers_texts),
        inner(transformers_images),
        ("text_projection.weight", "visual_projection.weight"),
    ),
    *pair(
        "metaclip-2",
        make_metaclip2,
        transformers_texts,
        transformers_images,
        ("text_projection.weight", "visual_projection.weight"),
    ),
    *pair(
        "chinese-clip",
        make_chinese_clip,
        transformers_texts,
        transformers_images,
        ("text_projection.weight", "visual_projection.weight"),
    ),
    *pair(
        "altclip",
        make_altclip,
        transformers_texts,
        transformers_images,
        ("text_projection.weight", "visual_projection.weight"),
    ),
    *pair(
        "siglip", make_siglip, siglip_texts, transformers_images, ("text_model.head.weight", "vision_model.head.probe")
    ),
    *pair(
        "siglip2",
        make_siglip2,
        siglip_texts,
        transformers_images,
        ("text_model.head.weight", "vision_model.head.probe"),
    ),
    *pair("blip", make_blip, blip_texts, blip_images, ("text_proj.weight", "vision_proj.weight")),
    *pair("open-clip", make_open_clip, open_clip_texts, open_clip_images, ("text_projection", "visual.proj")),
]
