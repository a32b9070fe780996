"""Fixtures: a small space, an embedding model over it, and small files of each kind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.embeddings.senseweave import SenseweaveEmbedding

from senseweave.spaces import Space

# Worker processes that tests start inherit this, and find the space by its module's name.
sys.path.insert(0, str(Path(__file__).parent))

from sensible import MAKERS, new_space, write_files


@pytest.fixture
def space() -> Iterator[Space]:
    made = new_space()
    yield made
    made.close()


@pytest.fixture
def embed_model(space: Space) -> SenseweaveEmbedding:
    return SenseweaveEmbedding(space=space, embed_batch_size=3)


@pytest.fixture(autouse=True)
def _cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is spooled out of the user's cache."""
    monkeypatch.setenv("LLAMA_INDEX_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Any:
    """LlamaIndex's global settings; afterwards they are as before."""
    for name in ("_embed_model", "_transformations"):
        monkeypatch.setattr(Settings, name, None)
    return Settings


@pytest.fixture(scope="session")
def make() -> dict[str, Callable[..., bytes]]:
    """By kind, what makes the bytes of a file: `make["image"]("red")`, `make["audio"]("low", "high")`."""
    return MAKERS


@pytest.fixture
def files(tmp_path: Path) -> dict[str, list[Path]]:
    """Three files of each kind, without suffixes."""
    return write_files(tmp_path)
