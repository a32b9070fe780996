"""fastembed as a peer of the starter's text encoder: the same weights, written as a plain ONNX graph.

It does not resolve beside the huggingface-hub of this project, so that `make bench` puts it, without what it depends
on, into a folder of its own; where it cannot be imported, rows are without it.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

NAME = "all-MiniLM-L6-v2, exported"
MAX_LENGTH = 256
"""Tokens that sentence-transformers reads of a text; fastembed takes it from the tokenizer's settings."""
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def is_installed() -> bool:
    """Return whether fastembed can be imported."""
    return importlib.util.find_spec("fastembed") is not None


def load(checkpoint: Path, folder: Path, threads: int) -> Callable[[list[str]], np.ndarray]:
    """Return fastembed's `embed` of a BERT checkpoint, pooled and normalized as sentence-transformers does.

    Args:
        checkpoint: Folder of the checkpoint.
        folder: An empty folder, where the graph is written.
        threads: For arithmetic.
    """
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(checkpoint / name, folder)
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "model_max_length": MAX_LENGTH}))
    export(checkpoint, folder / "model.onnx")
    if all(model["model"] != NAME for model in TextEmbedding.list_supported_models()):
        TextEmbedding.add_custom_model(
            NAME,
            pooling=PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(url="not-fetched"),
            dim=384,
            model_file="model.onnx",
        )
    model = TextEmbedding(NAME, specific_model_path=str(folder), threads=threads)
    return lambda texts: np.stack(list(model.embed(texts)))


def export(checkpoint: Path, path: Path) -> None:
    """Write a checkpoint of transformers as an ONNX graph from tokens to the states of its last layer."""
    import torch
    from transformers import AutoModel

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = AutoModel.from_pretrained(checkpoint).eval()

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            states: torch.Tensor = self.model(**dict(zip(INPUTS, inputs, strict=True))).last_hidden_state
            return states

    example = tuple(torch.ones((2, 8), dtype=torch.int64) for _ in INPUTS)
    axes = {0: "batch", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            States(),
            example,
            str(path),
            input_names=list(INPUTS),
            output_names=["states"],
            dynamic_axes=dict.fromkeys((*INPUTS, "states"), axes),
            opset_version=17,
            dynamo=False,
        )
