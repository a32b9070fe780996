"""Programs of users pass a strict type checker, and it sees their mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import langchain_senseweave
import senseweave

PROGRAM = """
from collections.abc import Sequence
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.stores import InMemoryByteStore
from langchain_core.tools import BaseTool
from langchain_core.vectorstores import VectorStore
from langchain_senseweave import (
    MediaCacheBackedEmbeddings,
    MediaLoader,
    SenseweaveChroma,
    SenseweaveEmbeddings,
    SenseweaveRetriever,
    add_media_documents,
    create_media_retriever_tool,
)

embeddings = SenseweaveEmbeddings(model="starter", root="/data")
plain: Embeddings = MediaCacheBackedEmbeddings.from_bytes_store(embeddings, InMemoryByteStore(), key_encoder="sha256")
store: VectorStore = SenseweaveChroma("corpus", embeddings, persist_directory="db")
SenseweaveChroma.from_documents([Document("x")], embeddings, persist_directory="db").add_media([Path("x")])
SenseweaveChroma.from_texts(["x"], embeddings).add_media(["x"])
stores: Sequence[SenseweaveChroma] = [SenseweaveChroma("corpus", embeddings)]
single: BaseRetriever = SenseweaveRetriever(vector_stores=store)
retriever = SenseweaveRetriever(vector_stores=stores, k=2, modalities=["image", "text"], quota={"image": 1})
found: list[Document] = retriever.retrieve_by_image("a.png", k=2, modalities=["image"], group=True)
ids: list[str] = add_media_documents(store, MediaLoader(["notes/"], embeddings=embeddings).load())
tool: BaseTool = create_media_retriever_tool(retriever, "search", "Searches.", modalities=["text"])
"""


def check(program: str, folder: Path) -> list[str]:
    (folder / "program.py").write_text(program)
    homes = [Path(langchain_senseweave.__file__).parents[1], Path(senseweave.__file__).parents[1]]
    cache = Path(__file__).parents[2] / ".mypy_cache"  # that of `make types`: analyzing LangChain takes a minute
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), "program.py"]
    environment = {**os.environ, "MYPYPATH": os.pathsep.join(map(str, homes))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if line.startswith("program.py") and "error:" in line]


@pytest.mark.slow
def test_a_program_passes_and_an_option_that_does_not_exist_is_seen(tmp_path):
    pytest.importorskip("mypy")
    (wrong,) = check(PROGRAM + 'retriever.retrieve_by_image("a.png", kk=3)\n', tmp_path)
    assert 'Unexpected keyword argument "kk"' in wrong
