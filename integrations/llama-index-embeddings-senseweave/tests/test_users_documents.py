"""Documents as users have them: of stock readers, with facts of their files, unsplit, or sent to an extractor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import chromadb
import pytest
from llama_index.core import Document, SimpleDirectoryReader, StorageContext, VectorStoreIndex
from llama_index.core.extractors import TitleExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms.mock import MockLLM
from llama_index.core.schema import MetadataMode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.embeddings.senseweave import MediaNodeParser, MediaReader, SenseweaveEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore

SUFFIXES = (".txt", ".png", ".wav")


@pytest.fixture
def folder(tmp_path: Path, make: dict[str, Callable[..., bytes]]) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (made / "a.txt").write_text("A red door.\n\nA green field.")
    (made / "b.png").write_bytes(make["image"]("red"))
    (made / "c.wav").write_bytes(make["audio"]("low", "high"))
    return made


@pytest.fixture(params=["chroma", "in memory"])
def store(request: Any, tmp_path: Path) -> Any:
    if request.param == "in memory":
        return SimpleVectorStore()
    client = chromadb.PersistentClient(str(tmp_path / "store"))
    return ChromaVectorStore(chroma_collection=client.create_collection("documents"))


def read(folder: Path, **options: Any) -> list[Any]:
    """Read a folder by LlamaIndex's own reader, which leaves its files to one of this package."""
    reader = MediaReader(seconds=1, characters=15)
    extractors: Any = dict.fromkeys(SUFFIXES, reader)
    return SimpleDirectoryReader(str(folder), file_extractor=extractors, raise_on_error=True, **options).load_data()


def found(index: VectorStoreIndex, question: str) -> list[str]:
    return [hit.node.get_content() for hit in index.as_retriever(similarity_top_k=5).retrieve(question)]


def test_a_stock_reader_of_folders_reads_media_by_ours(folder: Path, embed_model: SenseweaveEmbedding) -> None:
    documents = read(folder)
    assert [document.metadata["modality"] for document in documents] == ["text", "image", "audio"]
    assert documents[1].metadata["file_name"] == "b.png"
    nodes = MediaNodeParser()(documents)
    assert [node.metadata["modality"] for node in nodes] == ["text", "text", "image", "audio", "audio"]
    assert nodes[0].get_content(MetadataMode.EMBED).strip() == "A red door."
    shown = " ".join(node.get_content(MetadataMode.LLM) for node in nodes)
    assert not any(fact in shown for fact in ("file_size", "creation_date", "file_name", str(folder)))


@pytest.mark.parametrize("named", [False, True])
def test_its_files_are_deleted_by_the_ids_that_it_gives(
    folder: Path, store: Any, embed_model: SenseweaveEmbedding, named: bool
) -> None:
    documents = read(folder, filename_as_id=named)
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex.from_documents(
        documents, transformations=[embed_model], embed_model=embed_model, storage_context=context
    )
    assert len(found(index, "a red door")) == 5
    index.delete_ref_doc(documents[0].id_, delete_from_docstore=True)
    assert not any("door" in text or "field" in text for text in found(index, "a red door"))


async def test_a_stock_reader_of_folders_reads_media_asynchronously(folder: Path) -> None:
    extractors: Any = dict.fromkeys(SUFFIXES, MediaReader())
    documents = await SimpleDirectoryReader(str(folder), file_extractor=extractors, raise_on_error=True).aload_data()
    assert [Path(document.metadata["source"]).name for document in documents] == ["a.txt", "b.png", "c.wav"]


def test_a_document_that_nothing_splits_is_updated_and_deleted(store: Any, embed_model: SenseweaveEmbedding) -> None:
    index = VectorStoreIndex.from_documents(
        [Document(text="A red door.", id_="door"), Document(text="A green field.", id_="field")],
        transformations=[embed_model],
        embed_model=embed_model,
        storage_context=StorageContext.from_defaults(vector_store=store),
    )
    index.update_ref_doc(Document(text="A blue door.", id_="door"))
    assert sorted(found(index, "a red door")) == ["A blue door.", "A green field."]
    index.delete_ref_doc("door")
    assert found(index, "a red door") == ["A green field."]


def test_a_pipeline_replaces_a_document_that_nothing_splits(tmp_path: Path, embed_model: SenseweaveEmbedding) -> None:
    client = chromadb.PersistentClient(str(tmp_path / "store"))
    collection = client.create_collection("documents")
    pipeline = IngestionPipeline(
        transformations=[embed_model],
        docstore=SimpleDocumentStore(),
        vector_store=ChromaVectorStore(chroma_collection=collection),
    )
    for text in ("A red door.", "A blue door."):
        pipeline.run(documents=[Document(text=text, id_="door")])
    assert collection.get()["documents"] == ["A blue door."]


def test_extractors_of_metadata_take_nodes_of_media(folder: Path, embed_model: SenseweaveEmbedding) -> None:
    title = TitleExtractor(llm=MockLLM(max_tokens=3), show_progress=False)
    pipeline = IngestionPipeline(transformations=[MediaNodeParser(), title, embed_model])
    nodes = pipeline.run(documents=read(folder))
    assert len(nodes) == 5
    assert all(node.metadata["document_title"] for node in nodes)
