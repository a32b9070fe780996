"""Tiny rerankers with random weights: cross-encoders, ColBERT, ColPali and SPLADE, saved as usual."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tiny_text import SEED, wordpiece_tokenizer
from tiny_types import save_type


def save_cross_encoder(folder: Path, kind: str = "bert", labels: int = 1) -> Path:
    from sentence_transformers import CrossEncoder

    base = save_with_head(folder / "base", kind, "AutoModelForSequenceClassification", num_labels=labels)
    CrossEncoder(str(base), num_labels=labels, device="cpu").save_pretrained(str(folder / "model"))
    return folder / "model"


def save_with_head(folder: Path, kind: str, auto_class: str, **changes: Any) -> Path:
    """Save a model of a type with a head, and its tokenizer."""
    import torch
    import transformers

    path = save_type(folder, kind, **changes)
    config = transformers.AutoConfig.from_pretrained(path)
    torch.manual_seed(SEED)
    model = getattr(transformers, auto_class).from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=0.2)
    model.save_pretrained(path)
    return path


def save_colbert(folder: Path, kind: str = "bert", **settings: Any) -> Path:
    """Save a ColBERT: prompts, a projection, a mask that leaves out punctuation, normalized vectors."""
    import string

    import torch
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.base.modules import Normalize, Transformer
    from sentence_transformers.base.modules.dense import Dense
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask

    base = save_type(folder / "base", kind)
    torch.manual_seed(SEED)
    expansion = {"strategy": "fixed", "attend": False, "length": 16}
    options = {"query_expansion": expansion, "document_length": 24, **settings}
    transformer = Transformer(str(base), **options)
    dense = Dense(32, 16, bias=False, activation_function=torch.nn.Identity(), module_input_name="token_embeddings")
    mask = MultiVectorMask(skiplist_words=list(string.punctuation))
    normalize = Normalize(module_input_name="token_embeddings")
    model = MultiVectorEncoder(
        modules=[transformer, dense, mask, normalize],
        prompts={"query": "query: ", "document": "passage: "},
        device="cpu",
    )
    model.save_pretrained(str(folder / "model"))
    return folder / "model"


def save_splade(folder: Path, kind: str = "bert", **settings: Any) -> Path:
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import MLMTransformer, SpladePooling

    base = save_with_head(folder / "base", kind, "AutoModelForMaskedLM")
    model = SparseEncoder(modules=[MLMTransformer(str(base)), SpladePooling()], device="cpu", **settings)
    model.save_pretrained(str(folder / "model"))
    return folder / "model"


def save_colpali(folder: Path) -> Path:
    """Save a ColPali as transformers does, with its processor: SigLIP's patches before Gemma's layers."""
    import torch
    import transformers

    folder = folder / "model"
    tokenizer = wordpiece_tokenizer(folder)
    tokenizer.model_max_length = 128
    special = {"bos_token": "<bos>", "eos_token": "<eos>", "additional_special_tokens": ["<image>"]}
    tokenizer.add_special_tokens(special)
    image = transformers.SiglipImageProcessor(size={"height": 28, "width": 28})
    image.image_seq_length = 4
    processor = transformers.ColPaliProcessor(image, tokenizer)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    words = {"vocab_size": len(tokenizer), "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 256}
    torch.manual_seed(SEED)
    config = transformers.ColPaliConfig(
        vlm_config=transformers.PaliGemmaConfig(
            text_config={"model_type": "gemma", **sizes, **words, "pad_token_id": 0},
            vision_config={"model_type": "siglip_vision_model", **sizes, "image_size": 28, "patch_size": 14},
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
            projection_dim=32,
            hidden_size=32,
        ),
        embedding_dim=16,
    )
    model = transformers.ColPaliForRetrieval(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=0.2)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_word_weights(folder: Path, words: Sequence[str]) -> Path:
    """Save a sparse encoder without a network: each known word of a text has a weight of its own, and no other has."""
    import torch
    from sentence_transformers import SparseEncoder
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: at for at, token in enumerate(["[PAD]", "[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    )
    weights = torch.tensor([0.0, 0.0, *(1.0 + at % 3 for at in range(len(words)))])
    model = SparseEncoder(modules=[SparseStaticEmbedding(fast, weights)], device="cpu")
    model.save_pretrained(str(folder / "words"))
    return folder / "words"
