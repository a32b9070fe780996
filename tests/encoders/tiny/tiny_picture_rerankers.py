"""Tiny rerankers that see: ColQwen2, sparse codes of CLIP, and vision-language models, as they are usually saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny_bridges import vision_language
from tiny_image_text import make_clip
from tiny_text import SEED, wordpiece_tokenizer

MARKS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
SHOWN = "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
EACH, PARTS, END = "{% for turn in messages %}", "{% for part in turn.content %}", "{% endfor %}"
ANSWER = "{% if add_generation_prompt %}<|im_start|>{% endif %}"
CHAT = f"{EACH}<|im_start|>{PARTS}{SHOWN}{END}<|im_end|>{END}{ANSWER}"
PAIR = f"{EACH}{{{{ turn.role }}}} : {PARTS}{SHOWN}{END} {END}{ANSWER}"
"""Chat templates: of turns of a user, and of a query and a document."""


def save_colqwen(folder: Path) -> Path:
    """Save a ColQwen2 as transformers does, with its processor."""
    import transformers

    folder = folder / "model"
    tokenizer, pixels, language = qwen_parts(folder)
    config = transformers.ColQwen2Config(vlm_config=language, embedding_dim=16)
    save_lively(transformers.ColQwen2ForRetrieval, config, folder)
    transformers.ColQwen2Processor(pixels, tokenizer).save_pretrained(folder)
    return folder


def save_qwen(folder: Path) -> Path:
    """Save a Qwen2-VL that chats, with a token for each of its answers."""
    import transformers

    folder = folder / "model"
    tokenizer, pixels, language = qwen_parts(folder, ["True", "False", "yes", "no"])
    save_lively(transformers.Qwen2VLForConditionalGeneration, language, folder)
    video = transformers.Qwen2VLVideoProcessor(patch_size=14, merge_size=2)
    transformers.Qwen2VLProcessor(pixels, tokenizer, video, chat_template=CHAT).save_pretrained(folder)
    return folder


def save_llava(folder: Path) -> Path:
    """Save a LLaVA that chats, with a token for each of its answers."""
    folder = folder / "model"
    folder.mkdir()
    vision_language(folder, ["True", "False", "yes", "no"])
    return folder


def save_seeing_cross_encoder(folder: Path) -> Path:
    """Save a Qwen2-VL as sentence-transformers does for rerankers: a chat of query and document, and log-odds."""
    from sentence_transformers import CrossEncoder
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.cross_encoder.modules import LogitScore

    base = save_qwen(folder)
    (base / "chat_template.jinja").write_text(PAIR)
    network = Transformer(str(base), transformer_task="any-to-any")
    yes, no = network.tokenizer.convert_tokens_to_ids(["yes", "no"])
    CrossEncoder(modules=[network, LogitScore(yes, no)], device="cpu").save_pretrained(str(folder / "modules"))
    return folder / "modules"


def qwen_parts(folder: Path, words: list[str] | None = None) -> tuple[Any, Any, Any]:
    """Return tokenizer, image processor and configuration of a Qwen2-VL.

    Args:
        folder: Where the tokenizer is made.
        words: Written with one token each.
    """
    import transformers

    tokenizer = wordpiece_tokenizer(folder)
    tokenizer.model_max_length = 512
    tokenizer.add_tokens(words or [])
    tokenizer.add_special_tokens({"eos_token": "<|endoftext|>", "additional_special_tokens": MARKS})
    start, end, image, video = (tokenizer.convert_tokens_to_ids(mark) for mark in MARKS[2:])
    pixels = transformers.Qwen2VLImageProcessor(patch_size=14, merge_size=2, min_pixels=28 * 28, max_pixels=56 * 56)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    rotary = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [1, 1, 2]}
    counts = {"vocab_size": len(tokenizer), "num_key_value_heads": 2, "max_position_embeddings": 512}
    text = {**sizes, **counts, "rope_parameters": rotary, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    vision = {"embed_dim": 32, "hidden_size": 32, "depth": 2, "num_heads": 4, "patch_size": 14, "mlp_ratio": 2}
    language = transformers.Qwen2VLConfig(
        text_config=text,
        vision_config={**vision, "spatial_merge_size": 2, "temporal_patch_size": 2},
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    return tokenizer, pixels, language


def save_lively(kind: Any, config: Any, folder: Path) -> None:
    """Save a model of a class with weights that are large enough for scores to differ."""
    import torch

    torch.manual_seed(SEED)
    model = kind(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=0.2)
    model.save_pretrained(folder)


def save_colqwen_modules(folder: Path) -> Path:
    """Save a ColQwen2 as sentence-transformers does: modules.json, and the mask behind the model."""
    from sentence_transformers import MultiVectorEncoder

    MultiVectorEncoder(str(save_colqwen(folder)), device="cpu").save_pretrained(str(folder / "modules"))
    return folder / "modules"


def save_sparse_clip(folder: Path) -> Path:
    """Save CLIP with a sparse autoencoder behind both towers (CSR)."""
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sparse_encoder.modules import SparseAutoEncoder

    (folder / "towers").mkdir()
    make_clip(folder / "towers")
    torch.manual_seed(SEED)
    codes = SparseAutoEncoder(input_dim=12, hidden_dim=48, k=8)
    with torch.no_grad():
        for weight in codes.parameters():
            if weight.dim() > 1:
                weight.normal_(std=0.5)
    model = SparseEncoder(modules=[Transformer(str(folder / "towers")), codes], device="cpu")
    model.save_pretrained(str(folder / "model"))
    return folder / "model"


def pictures() -> list[Any]:
    """Return pictures of three sizes and shades."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    shapes = ((60, 40), (39, 80), (48, 48))
    return [
        Image.fromarray(generator.integers(0, 255, (*shape, 3), dtype=np.uint8) // (at + 1))
        for at, shape in enumerate(shapes)
    ]
