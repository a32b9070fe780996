"""The contract that senseweave asks of every family, over a tiny checkpoint."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from senseweave.testing import Case, EncoderContract

TEXTS = ["a dog", "the quick brown fox jumps over the lazy dog", "rain", "she sings a quiet song about the sea"]


def save_tiny_model(folder: Path) -> str:
    table = np.random.default_rng(7).standard_normal((500, 16)).astype(np.float32)
    save_file({"words": table}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "example", "hidden_size": 16}))
    return f"example:{folder}"


def mean_of_words(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """The definition of the family."""
    table = load_file(folder / "model.safetensors")["words"]
    return np.stack(
        [table[[zlib.crc32(w.encode()) % 500 for w in text.lower().split()]].mean(axis=0) for text in items]
    )


class TestExampleFamily(EncoderContract):
    cases = (
        Case(
            id="example-text",
            modality="text",
            make=save_tiny_model,
            items=lambda folder: list(TEXTS),
            reference=mean_of_words,
            long_item=lambda folder: "word " * 100,
            poison="words",
            missing="words",
            half_types=frozenset(),
        ),
    )
