"""A case of the contract for every model type that `contextual` lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from tiny_text import long_text, texts
from tiny_types import save_type

from senseweave.encoders.families.contextual import ENCODER_DECODER_TYPES, ENCODER_TYPES
from senseweave.testing import Case

LIMIT = 48
"""Tokens that the tokenizers are saved to keep, which every type has positions for."""
QUERY = "layer.1.attention.self.query.weight"
MISSING = {
    "albert": "attention.query.weight",
    "deberta": "layer.1.attention.self.in_proj.weight",
    "deberta-v2": "layer.1.attention.self.query_proj.weight",
    "distilbert": "layer.1.attention.q_lin.weight",
    "eurobert": "layers.1.mlp.up_proj.weight",
    "flaubert": "attentions.1.q_lin.weight",
    "fnet": "layer.1.intermediate.dense.weight",
    "funnel": "blocks.0.0.ffn.linear_1.weight",
    "gte": "layer.1.attention.qkv_proj.weight",
    "jina_embeddings_v3": "layers.1.mixer.Wqkv.weight",
    "modernbert": "layers.1.attn.Wqkv.weight",
    "mpnet": "layer.1.attention.attn.q.weight",
    "nomic_bert": "layers.1.attn.Wqkv.weight",
    "squeezebert": "layers.1.attention.query.weight",
    "t5": "layer.1.DenseReluDense.wi.weight",
    "mt5": "layer.1.DenseReluDense.wi_0.weight",
    "umt5": "layer.1.DenseReluDense.wi_0.weight",
    "xlm": "attentions.1.q_lin.weight",
}
"""A weight of the second layer, where it is not called as in BERT."""
RENAMED = {
    "gte": "layers.1.self_attn.k_proj.weight",
    "jina_embeddings_v3": "layers.1.self_attn.k_proj.weight",
    "nomic_bert": "layers.1.self_attn.k_proj.weight",
}
"""What transformers calls it in the model."""

WITHOUT_HALF = {"deberta", "fnet", "mra"}
"""Types without kernels for half types, which they say."""


def saver(kind: str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        from transformers import AutoTokenizer

        save_type(folder, kind)
        AutoTokenizer.from_pretrained(folder, model_max_length=LIMIT).save_pretrained(folder)
        return f"contextual:{folder}"

    return make


def mean_of_states(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """The mean of the last states of each text by itself, with transformers alone (Reimers and Gurevych 2019)."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding, AutoTokenizer

    encodes = AutoConfig.from_pretrained(folder).model_type in ENCODER_DECODER_TYPES
    model = (AutoModelForTextEncoding if encodes else AutoModel).from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in items:
        features = tokenizer(text, return_tensors="pt", truncation=True, return_token_type_ids=False)
        with torch.inference_mode():
            rows.append(model(**features).last_hidden_state[0].mean(dim=0).numpy())
    return np.stack(rows)


EVERY_TYPE: list[Case] = [
    Case(
        id=f"type-{kind}",
        modality="text",
        make=saver(kind),
        items=texts,
        reference=mean_of_states,
        long_item=long_text,
        poison="weight",
        missing=MISSING.get(kind, QUERY),
        missing_as=RENAMED.get(kind),
        half_types=frozenset() if kind in WITHOUT_HALF else frozenset({"bfloat16", "float16"}),
    )
    for kind in (*ENCODER_TYPES, *ENCODER_DECODER_TYPES)
]
