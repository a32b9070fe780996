"""Make a graph of a text model: the transformer, what pools its states and what follows, in the format of ONNX."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.display import shorten
from senseweave.encoders.runtime.backends.base import Items, VectorBackend
from senseweave.encoders.runtime.backends.fast_tokenizer import FastTokenizer
from senseweave.encoders.runtime.tokenization import Tokenizer, least
from senseweave.errors import ModelError
from senseweave.extras import require

GRAPH: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
PROOF: Final = "proof.npz"
TOLERANCE: Final = 1e-5
"""Greatest difference between vectors of the graph and of the model, relative to the largest number in them."""
LONGEST_PROOF: Final = 512
"""Tokens of the longest text of the proof."""
LARGEST_IN_ONE_FILE: Final = 1_800_000_000
"""Bytes of weights; a file of ONNX ends at 2 GB, and larger weights lie beside it."""
_SENTENCE: Final = "to see whether a graph computes what its model does, some texts are short and others are long. "
TEXTS: Final = (
    "", "agree", "some texts", "are short", _SENTENCE, _SENTENCE.upper() * 2, "Größe, naïve, 東京, Москва 🙂 #42",
    "<s> [SEP] </s> special words are words", _SENTENCE * 4, _SENTENCE * 120,
)  # fmt: skip
"""Texts of the proof: empty, of equal and of very different lengths, in several scripts."""


@dataclass(frozen=True)
class Pipeline:
    """A text model from tokens to vectors.

    Attributes:
        name: What errors call it.
        module: torch module; takes `input_ids` and `attention_mask`, shape (n, tokens), int64, and returns vectors of
            shape (n, dimension).
        tokenizer: The model's tokenizer.
        limit: Tokens that are read if the user does not say; None for no limit.
        positions: Tokens that the model has positions for; None for no limit.
        reference: Computes the vectors of tokenized texts by the product's own path in torch.
    """

    name: str
    module: Any
    tokenizer: Tokenizer
    limit: int | None
    positions: int | None
    reference: Callable[[Items], np.ndarray]


def export_pipeline(pipeline: Pipeline, folder: Path) -> dict[str, object]:
    """Write the graph and the tokenizer of a model into a folder, and return facts about them.

    Raises:
        ModelError: If there can be no graph of it; the message says why.
        ImportError: If an exporter is missing; the message holds the install line.
    """
    fast = _export_tokenizer(pipeline, folder / TOKENIZER)
    torch = require("torch", extra="onnx")
    require("onnx", extra="onnx", feature=f"a graph of {pipeline.name}")
    require("onnxscript", extra="onnx", feature=f"a graph of {pipeline.name}")
    items = [item.data for item in fast.prepare(["are short", _SENTENCE], least(pipeline.limit, pipeline.positions))]
    ids, mask = pad_items(items, fast.padding)
    weights = sum(p.numel() * p.element_size() for p in pipeline.module.parameters())
    dynamic = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        with torch.inference_mode(), _quiet():
            program = torch.onnx.export(
                pipeline.module,
                (torch.from_numpy(ids), torch.from_numpy(mask)),
                dynamo=True,
                dynamic_shapes={"input_ids": dynamic, "attention_mask": dynamic},
                input_names=["input_ids", "attention_mask"],
                output_names=["vectors"],
                verbose=False,
            )
            program.save(str(folder / GRAPH), external_data=weights > LARGEST_IN_ONE_FILE)
    except Exception as error:  # the exporter fails in as many ways as there are models
        msg = f"{pipeline.name}: torch cannot export it: {type(error).__name__}: {shorten(str(error), 300)}"
        raise ModelError(msg) from error
    return {"limit": pipeline.limit, "positions": pipeline.positions, "padding": fast.padding}


def write_proof(pipeline: Pipeline, fast: FastTokenizer, path: Path) -> None:
    """Write the vectors of sample texts by the model in torch, which any engine can be compared with later."""
    limit = least(pipeline.limit, pipeline.positions)
    np.savez(path, *(pipeline.reference(batch) for batch in _proof_batches(fast, limit)))


def check_proof(name: str, backend: VectorBackend, fast: FastTokenizer, limit: int | None, path: Path) -> float:
    """Return the greatest difference between a backend and the model in torch, in batches and alone.

    Args:
        name: What errors call the model.
        backend: Computes the graph in float32.
        fast: The model's tokenizer.
        limit: Tokens that are read.
        path: Of `write_proof`.

    Raises:
        ModelError: If it is more than `TOLERANCE`.
    """
    largest = 0.0
    with np.load(path, allow_pickle=False) as proof:
        for number, batch in enumerate(_proof_batches(fast, limit)):
            expected, found = proof[f"arr_{number}"], backend.vectors(batch)
            difference = float(np.abs(found - expected).max() / max(1.0, float(np.abs(expected).max())))
            if not difference <= TOLERANCE:
                msg = (
                    f"{name}: vectors of its graph differ from those of torch by {difference:.1e}, more than "
                    f"{TOLERANCE:.0e}; use backend='torch'"
                )
                raise ModelError(msg)
            largest = max(largest, difference)
    return largest


def _proof_batches(fast: FastTokenizer, limit: int | None) -> list[Items]:
    prepared = fast.prepare(TEXTS, least(limit, LONGEST_PROOF))
    items = [item.data for item in prepared if item.error is None]
    return [items[:-1], items[3:4], items[2:4], items[-1:], items[-2:]]


def pad_items(items: Items, padding: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and mask of a batch, shape (n, tokens), int64, padded on the right to the longest text."""
    lengths = [len(item["input_ids"]) for item in items]
    ids = np.full((len(items), max(lengths)), padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, (item, length) in enumerate(zip(items, lengths, strict=True)):
        ids[row, :length] = item["input_ids"]
        mask[row, :length] = 1
    return ids, mask


def _export_tokenizer(pipeline: Pipeline, path: Path) -> FastTokenizer:
    """Write the tokenizer and read it back.

    Raises:
        ModelError: If it is not a fast tokenizer, or gives other tokens without transformers than with it.
    """
    tokenizer = pipeline.tokenizer.tokenizer
    if not getattr(tokenizer, "is_fast", False):
        msg = f"{pipeline.name} has no fast tokenizer (tokenizer.json), which a graph needs"
        raise ModelError(msg)
    path.write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    fast = FastTokenizer.read(path, int(tokenizer.pad_token_id))
    for limit in (None, least(pipeline.limit, pipeline.positions), 7):
        texts = TEXTS if limit is not None else TEXTS[:-1]
        for expected, found in zip(pipeline.tokenizer.prepare(texts, limit), fast.prepare(texts, limit), strict=True):
            kinds = expected.data.get("token_type_ids") or [0]
            same = list(expected.data["input_ids"]) == found.data["input_ids"] and expected.dropped == found.dropped
            if not same or any(kinds) or not all(expected.data["attention_mask"]):
                msg = (
                    f"{pipeline.name} has a tokenizer that does more than its tokenizer.json says; use backend='torch'"
                )
                raise ModelError(msg)
    return fast


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress, warnings and logs to itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
