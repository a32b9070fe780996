"""A tiny model with random weights of every model type that the family `contextual` loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny_text import SEED, wordpiece_tokenizer

from senseweave.encoders.families.contextual import ENCODER_DECODER_TYPES

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "vocab_size": 250,
    "type_vocab_size": 2,
    "pad_token_id": 0,
}
T5 = {"d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4}
XLM = {"emb_dim": 32, "n_layers": 2, "n_heads": 4, "n_words": 250, "pad_index": 0}
DEBERTA = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "max_relative_positions": 32}
OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 16},
    "convbert": {"embedding_size": 32, "head_ratio": 2, "conv_kernel_size": 3},
    "deberta": DEBERTA,
    "deberta-v2": {**DEBERTA, "position_buckets": 16, "share_att_key": True},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "electra": {"embedding_size": 32},
    "esm": {"position_embedding_type": "rotary", "mask_token_id": 4},
    "eurobert": {"num_key_value_heads": 4, "head_dim": 8},
    "flaubert": XLM,
    "longformer": {"attention_window": [8, 8]},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 16},
    "mobilebert": {
        "embedding_size": 32,
        "intra_bottleneck_size": 32,
        "true_hidden_size": 32,
        "num_feedforward_networks": 1,
    },
    "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 16},
    "mt5": T5,
    "nystromformer": {"num_landmarks": 64, "segment_means_seq_len": 64},
    "rembert": {"input_embedding_size": 32, "output_embedding_size": 32},
    "roc_bert": {"enable_shape": False, "enable_pronunciation": False},
    "roformer": {"embedding_size": 32},
    "squeezebert": {"embedding_size": 32},
    "t5": T5,
    "umt5": T5,
    "xlm": XLM,
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
}
FUNNEL = {
    "block_sizes": [1, 1],
    "block_repeats": [1, 1],
    "d_model": 32,
    "n_head": 4,
    "d_head": 8,
    "d_inner": 64,
    "num_decoder_layers": 1,
    "architectures": ["FunnelModel"],
}


def save_type(folder: Path, kind: str, **changes: Any) -> Path:
    """Save a model and its tokenizer, which names no limit of its own."""
    import torch
    import transformers

    torch.manual_seed(SEED)
    sizes = {"vocab_size": 250, **FUNNEL} if kind == "funnel" else {**SIZES, **OWN.get(kind, {})}
    special = {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
    config = transformers.AutoConfig.for_model(kind, **{**sizes, **special, **changes})
    cls = transformers.AutoModelForTextEncoding if kind in ENCODER_DECODER_TYPES else transformers.AutoModel
    model = cls.from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(std=0.2)  # large enough for what a neighbor changes to show
    model.save_pretrained(folder)
    tokenizer = wordpiece_tokenizer(folder)
    tokenizer.model_max_length = int(1e30)
    tokenizer.save_pretrained(folder)
    return folder
