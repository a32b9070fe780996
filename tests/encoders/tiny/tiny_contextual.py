"""Tiny models of the families `contextual` and `tokens`, and the computations that their authors document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tiny_text import (
    GPT2,
    LLAMA,
    MODERN,
    POSITIONS,
    T5,
    bpe_tokenizer,
    causal_tokenizer,
    long_text,
    save_model,
    texts,
    unigram_tokenizer,
    wordpiece_tokenizer,
)

from senseweave.testing import Case


def token_states(folder: Path, texts: Sequence[str], **options: Any) -> list[list[Any]]:
    """States of every layer for each text by itself, with transformers alone: no batch, no padding."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer, T5EncoderModel

    tokenizer = AutoTokenizer.from_pretrained(folder)
    cls = T5EncoderModel if AutoConfig.from_pretrained(folder).model_type == "t5" else AutoModel
    model = cls.from_pretrained(folder).eval()
    states = []
    for text in texts:
        features = tokenizer(text, return_tensors="pt", truncation=True, **options)
        with torch.inference_mode():
            output = model(**features, output_hidden_states=True)
        states.append([layer[0] for layer in output.hidden_states[:-1]] + [output.last_hidden_state[0]])
    return states


def pooled(how: str, layers: Sequence[int] = (-1,)) -> Callable[[Path, Sequence[str], str], np.ndarray]:
    """Pooling over each text's tokens alone (Reimers and Gurevych 2019, section 3; Devlin et al. 2018, table 7)."""

    def reference(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
        import torch

        rows = []
        for states in token_states(folder, items):
            tokens = torch.stack([states[layer] for layer in layers]).mean(dim=0)
            ways = {"cls": tokens[0], "last": tokens[-1], "mean": tokens.mean(dim=0), "max": tokens.max(dim=0).values}
            rows.append(ways[how].numpy())
        return np.stack(rows)

    return reference


def contextual(
    name: str,
    kind: str,
    tokenizer: Callable[[Path], Any] = wordpiece_tokenizer,
    *,
    pooling: str = "mean",
    layers: Sequence[int] = (-1,),
    poison: str = "word_embeddings.weight",
    missing: str = "layer.1.attention.self.query.weight",
    scheme: str = "",
    **config: Any,
) -> Case:
    return Case(
        id=name,
        modality="text",
        make=lambda folder: scheme + str(save_model(folder, kind, tokenizer, **config)),
        items=texts,
        options={"pooling": pooling, "layers": tuple(layers)},
        reference=pooled(pooling, layers),
        long_item=long_text,
        poison=poison,
        missing=missing,
    )


def matrix_mean(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """The mean of rows of the embedding matrix, special tokens included."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    matrix = model.get_input_embeddings().weight.detach().numpy()
    return np.stack([matrix[tokenizer(text, truncation=True)["input_ids"]].mean(axis=0) for text in items])


def tokens(name: str, kind: str, tokenizer: Callable[[Path], Any], *, layer: Any = -1, **how: Any) -> Case:
    poison = how.pop("poison", "word_embeddings.weight")
    missing = how.pop("missing", "layer.1.attention.self.query.weight")
    reference = matrix_mean if layer == "matrix" else pooled("mean", (layer,))
    return Case(
        id=name,
        modality="text",
        make=lambda folder: f"tokens:{save_model(folder, kind, tokenizer, **how)}",
        items=texts,
        options={"layer": layer},
        reference=reference,
        long_item=long_text,
        poison=poison,
        missing=missing,
    )


CONTEXTUAL_FAMILIES: list[Case] = [
    contextual("contextual-bert-mean", "Bert"),
    contextual("contextual-bert-cls", "Bert", pooling="cls"),
    contextual("contextual-bert-max", "Bert", pooling="max"),
    contextual("contextual-bert-last-four", "Bert", layers=(-1, -2, -3, -4)),
    contextual("contextual-roberta-mean", "Roberta", bpe_tokenizer, max_position_embeddings=POSITIONS + 2),
    contextual("contextual-roberta-last", "Roberta", bpe_tokenizer, pooling="last", max_position_embeddings=66),
    contextual("contextual-xlm-roberta", "XLMRoberta", unigram_tokenizer, max_position_embeddings=66),
    contextual(
        "contextual-distilbert",
        "DistilBert",
        dim=32,
        n_layers=3,
        n_heads=4,
        hidden_dim=48,
        missing="layer.1.attention.q_lin.weight",
    ),
    contextual(
        "contextual-albert",
        "Albert",
        unigram_tokenizer,
        embedding_size=16,
        missing="albert_layers.0.attention.query.weight",
    ),
    contextual("contextual-modernbert", "ModernBert", **MODERN),
    contextual("contextual-modernbert-last-four", "ModernBert", layers=(-1, -2, -3, -4), **MODERN),
    contextual("contextual-t5-encoder", "T5", unigram_tokenizer, **T5),
    contextual("contextual-gpt2-last", "GPT2", causal_tokenizer, pooling="last", scheme="contextual:", **GPT2),
    tokens("tokens-bert-layer-2", "Bert", wordpiece_tokenizer, layer=2),
    tokens("tokens-bert-matrix", "Bert", wordpiece_tokenizer, layer="matrix"),
    tokens("tokens-gpt2", "GPT2", causal_tokenizer, **GPT2),
    tokens("tokens-llama", "Llama", bpe_tokenizer, **LLAMA),
    tokens("tokens-mistral-layer-1", "Mistral", bpe_tokenizer, layer=1, **LLAMA),
    tokens("tokens-t5", "T5", unigram_tokenizer, **T5),
]
