"""Tiny rerankers that see: ColQwen2 as transformers and as sentence-transformers save it, and sparse codes of CLIP."""

from __future__ import annotations

from pathlib import Path

from tiny_image_text import make_clip
from tiny_text import SEED, wordpiece_tokenizer

MARKS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def save_colqwen(folder: Path) -> Path:
    """Save a ColQwen2 as transformers does, with its processor."""
    import torch
    import transformers

    folder = folder / "model"
    tokenizer = wordpiece_tokenizer(folder)
    tokenizer.model_max_length = 512
    tokenizer.add_special_tokens({"eos_token": "<|endoftext|>", "additional_special_tokens": MARKS})
    start, end, image, video = (tokenizer.convert_tokens_to_ids(mark) for mark in MARKS[2:])
    pixels = transformers.Qwen2VLImageProcessor(patch_size=14, merge_size=2, min_pixels=28 * 28, max_pixels=56 * 56)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    rotary = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [1, 1, 2]}
    words = {"vocab_size": len(tokenizer), "num_key_value_heads": 2, "max_position_embeddings": 512}
    text = {**sizes, **words, "rope_parameters": rotary, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    vision = {"embed_dim": 32, "hidden_size": 32, "depth": 2, "num_heads": 4, "patch_size": 14, "mlp_ratio": 2}
    torch.manual_seed(SEED)
    language = transformers.Qwen2VLConfig(
        text_config=text,
        vision_config={**vision, "spatial_merge_size": 2, "temporal_patch_size": 2},
        image_token_id=image,
        video_token_id=video,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    model = transformers.ColQwen2ForRetrieval(transformers.ColQwen2Config(vlm_config=language, embedding_dim=16)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=0.2)
    model.save_pretrained(folder)
    transformers.ColQwen2Processor(pixels, tokenizer).save_pretrained(folder)
    return folder


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
