"""Check that an installed distribution works: every module imports, and media are embedded, stored and found.

Usage: python tools/smoke.py NAME, in an environment that holds the distribution and the starter's weights.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", ANONYMIZED_TELEMETRY="False", HAYSTACK_TELEMETRY_ENABLED="False")
CORPUS = Path(__file__).parents[1] / "examples" / "data"
MEDIA = [CORPUS / "texts" / "library.txt", CORPUS / "images" / "photo-01.jpg", CORPUS / "audio" / "recording-03.mp3"]
CAT = "photo-01.jpg"


def core(folder: Path) -> Iterator[str]:
    """Yield the sources that the index finds."""
    import senseweave as sw

    index = sw.Index(folder / "index")
    report = index.add(MEDIA)
    assert (report.added, report.failed) == (3, []), report
    yield from (hit.source for hit in index.search("a cat", k=3))
    assert index.search(sw.Image(MEDIA[1]), k=1)[0].source.endswith(CAT)


def langchain(folder: Path) -> Iterator[str]:
    """Yield the sources that the retriever over a Chroma store finds."""
    from langchain_senseweave import MediaLoader, SenseweaveChroma, SenseweaveEmbeddings, SenseweaveRetriever

    embeddings = SenseweaveEmbeddings(model="starter")
    store = SenseweaveChroma("corpus", embeddings, persist_directory=str(folder))
    store.add_documents(list(MediaLoader(MEDIA, embeddings=embeddings).lazy_load()))
    for document in SenseweaveRetriever(vector_stores=[store], k=3).invoke("a cat"):
        yield document.metadata["source"]


def llama_index_store(folder: Path) -> tuple[Any, Any]:
    """Return a Chroma store of LlamaIndex that holds the media, and the embedding model."""
    import chromadb
    from llama_index.core import StorageContext, VectorStoreIndex
    from llama_index.embeddings.senseweave import MediaReader, SenseweaveEmbedding
    from llama_index.vector_stores.chroma import ChromaVectorStore

    model = SenseweaveEmbedding(model_name="starter")
    nodes = model([node for path in MEDIA for node in MediaReader(embed_model=model).load_data(path)])
    settings = {"hnsw": {"space": "cosine"}}
    client = chromadb.PersistentClient(str(folder))
    store = ChromaVectorStore(chroma_collection=client.create_collection("corpus", configuration=settings))
    VectorStoreIndex(nodes, embed_model=model, storage_context=StorageContext.from_defaults(vector_store=store))
    return store, model


def llama_index_embeddings(folder: Path) -> Iterator[str]:
    """Yield the sources that the stock retriever of LlamaIndex finds."""
    from llama_index.core import VectorStoreIndex

    store, model = llama_index_store(folder)
    retriever = VectorStoreIndex.from_vector_store(store, embed_model=model).as_retriever(similarity_top_k=3)
    yield from (found.metadata["source"] for found in retriever.retrieve("a cat"))


def llama_index_retrievers(folder: Path) -> Iterator[str]:
    """Yield the sources that the retriever finds."""
    from llama_index.retrievers.senseweave import SenseweaveRetriever

    retriever = SenseweaveRetriever(*llama_index_store(folder), similarity_top_k=3)
    yield from (found.metadata["source"] for found in retriever.retrieve("a cat"))


def haystack(folder: Path) -> Iterator[str]:
    """Yield the sources that a retriever over an in-memory store finds."""
    from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack_integrations.components.converters.senseweave import MediaToDocument
    from haystack_integrations.components.embedders.senseweave import (
        SenseweaveDocumentEmbedder,
        SenseweaveTextEmbedder,
    )

    documents = MediaToDocument().run(sources=[str(path) for path in MEDIA])["documents"]
    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    store.write_documents(SenseweaveDocumentEmbedder(model="starter").run(documents)["documents"])
    query = SenseweaveTextEmbedder(model="starter").run("a cat")["embedding"]
    for document in InMemoryEmbeddingRetriever(store, top_k=3).run(query)["documents"]:
        yield document.meta["file_path"]


CHECKS: dict[str, tuple[list[str], Callable[[Path], Iterator[str]]]] = {
    "senseweave": (["senseweave"], core),
    "langchain-senseweave": (["langchain_senseweave"], langchain),
    "llama-index-embeddings-senseweave": (["llama_index.embeddings.senseweave"], llama_index_embeddings),
    "llama-index-retrievers-senseweave": (["llama_index.retrievers.senseweave"], llama_index_retrievers),
    "senseweave-haystack": (
        [
            "haystack_integrations.common.senseweave",
            *(
                f"haystack_integrations.components.{room}.senseweave"
                for room in ("builders", "converters", "embedders", "retrievers", "writers")
            ),
        ],
        haystack,
    ),
}
"""Packages of each distribution, and what yields the sources that a search for a cat finds."""


def import_all(packages: list[str]) -> int:
    """Import every module of the packages and return how many there are; suites for authors' tests need pytest."""
    count = 0
    for package in packages:
        folder = importlib.import_module(package).__path__
        names = [found.name for found in pkgutil.walk_packages(folder, f"{package}.")]
        for name in names:
            if not name.startswith((f"{package}.testing", f"{package}.__main__")):
                importlib.import_module(name)
                count += 1
    return count


def untested_floors(name: str) -> list[str]:
    """Return what is declared lower than what is installed, because something else asks for more."""
    lines = []
    for line in requires(name) or ():
        matched = re.match(r"([\w.-]+)(?:\[[^]]*])?.*?>=([\d.]+)", line.partition(";")[0])
        if matched is None or "senseweave" in matched[1]:
            continue
        try:
            installed = version(matched[1])
        except ImportError:
            continue
        if numbers(installed)[: len(numbers(matched[2]))] > numbers(matched[2]):
            lines.append(f"{matched[1]}>={matched[2]} is declared, {installed} is tested")
    return sorted(set(lines))


def numbers(text: str) -> list[int]:
    """Return the numbers of a version."""
    return [int(part) for part in re.match(r"[\d.]+", text)[0].strip(".").split(".")]


def main() -> None:
    """Check the distribution that is named on the command line."""
    (name,) = sys.argv[1:]
    packages, search = CHECKS[name]
    warnings.simplefilter("ignore")
    count = import_all(packages)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        found = list(search(Path(folder)))
    assert found[0].endswith(CAT), found
    assert len(found) == 3, found
    print(f"{count} modules import; a search over text, image and audio finds the cat first")
    for line in untested_floors(name):
        print(f"note: {line}")


if __name__ == "__main__":
    main()
