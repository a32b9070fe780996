"""Quantized vectors: what is lost without rescoring comes back with it, and sizes are those of the number types."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
pytest.importorskip("faiss")

from quantized import measure


def test_rescoring_finds_again_what_bits_lose(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = {row["vectors"]: row for row in measure(vectors[50:], vectors[:50], tmp_path)}
    recall = {name: row["recall_at_10"][0] for name, row in rows.items()}
    assert recall["float32"] == 1
    assert recall["int8"] > 0.9
    assert recall["binary"] < recall["binary, 40 rescored"] < recall["binary, 100 rescored"]
    assert 256 <= rows["float32"]["memory_mb"] < 260
    assert rows["binary"]["memory_mb"] < rows["int8"]["memory_mb"] < rows["float32"]["memory_mb"]
    assert rows["binary, 40 rescored"]["disk_mb"] == 256
