"""Fixtures: a small space, an embedding model over it, small files of each kind, and a mixed corpus of nodes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chromadb
import pytest
from llama_index.core.schema import TextNode
from llama_index.embeddings.senseweave import SenseweaveEmbedding, media_node
from llama_index.vector_stores.chroma import ChromaVectorStore

from senseweave.spaces import Space

# The space that needs no weights lives with the tests of the embeddings package.
sys.path.insert(0, str(Path(__file__).parents[2] / "llama-index-embeddings-senseweave" / "tests"))

from sensible import new_space, write_files


@pytest.fixture
def space() -> Iterator[Space]:
    made = new_space()
    yield made
    made.close()


@pytest.fixture
def embed_model(space: Space) -> SenseweaveEmbedding:
    return SenseweaveEmbedding(space=space)


@pytest.fixture(autouse=True)
def _cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is spooled out of the user's cache."""
    monkeypatch.setenv("LLAMA_INDEX_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, list[Path]]:
    """Three files of each kind."""
    return write_files(tmp_path)


@pytest.fixture
def nodes(files: dict[str, list[Path]]) -> list[Any]:
    """Nodes of every file, and four of text that say nothing of their modality."""
    texts = ["a green field", "the low note of a horn", "a red door", "nothing in particular"]
    made: list[Any] = [TextNode(text=text, id_=text, metadata={"shelf": 1}) for text in texts]
    for kind, paths in files.items():
        made += [media_node(kind, path, shelf=2) for path in paths]  # type: ignore[arg-type]
    return made


@pytest.fixture
def new_store(tmp_path: Path) -> Callable[..., ChromaVectorStore]:
    """Makes a Chroma store with the distance that is named."""
    client = chromadb.PersistentClient(str(tmp_path / "chroma"), settings=chromadb.Settings(anonymized_telemetry=False))

    def made(distance: str = "cosine") -> ChromaVectorStore:
        collection = client.create_collection(f"media-{distance}", configuration={"hnsw": {"space": distance}})
        return ChromaVectorStore(chroma_collection=collection)

    return made


@pytest.fixture
def store(
    new_store: Callable[..., ChromaVectorStore], embed_model: SenseweaveEmbedding, nodes: list[Any]
) -> ChromaVectorStore:
    """A cosine store of the corpus."""
    made = new_store()
    made.add(list(embed_model(nodes)))
    return made
