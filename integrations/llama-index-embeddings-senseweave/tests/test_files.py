"""A file is one document: an edited, shortened or deleted file leaves nothing behind, whichever way it is kept."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chromadb
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionCache, IngestionPipeline
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.senseweave import MediaNodeParser, MediaReader, SenseweaveEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore

import senseweave as sw
from senseweave.media.kinds import picture_text

READER = MediaReader(seconds=1, characters=30)
PARAGRAPHS = ("The old door code is 4711.", "Holidays are in the summer.", "Lunch is at one o'clock.")


@pytest.fixture
def folder(tmp_path: Path, make: dict[str, Callable[..., bytes]]) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (made / "a.txt").write_text("\n\n".join(PARAGRAPHS))
    (made / "b.mp3").write_bytes(make["audio"]("low", "middle", "high"))
    (made / "c.jpg").write_bytes(make["image"]("red"))
    return made


@pytest.fixture
def store(tmp_path: Path) -> ChromaVectorStore:
    client = chromadb.PersistentClient(str(tmp_path / "store"))
    return ChromaVectorStore(chroma_collection=client.create_collection("files"))


def change(folder: Path, make: dict[str, Callable[..., bytes]]) -> None:
    (folder / "a.txt").write_text("\n\n".join(PARAGRAPHS[1:]))
    (folder / "b.mp3").write_bytes(make["audio"]("middle"))


def held(store: ChromaVectorStore) -> list[tuple[str, Any]]:
    """Return by file name what the store holds: texts, and the ends of windows."""
    kept: Any = store.client.get()
    records = zip(kept["metadatas"], kept["documents"], strict=True)
    return sorted(
        (Path(metadata["source"]).name, text if metadata["modality"] == "text" else metadata.get("end"))
        for metadata, text in records
    )


CHANGED = [("a.txt", PARAGRAPHS[1]), ("a.txt", PARAGRAPHS[2]), ("b.mp3", 1.0), ("c.jpg", None)]
"""What a store should hold of the folder after `change`."""


@pytest.mark.parametrize("transformations", ["the model", "parser and model"])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("strategy", [DocstoreStrategy.UPSERTS, DocstoreStrategy.UPSERTS_AND_DELETE])
async def test_a_pipeline_replaces_all_chunks_of_a_file_that_changed(
    embed_model: SenseweaveEmbedding,
    store: ChromaVectorStore,
    folder: Path,
    make: dict[str, Callable[..., bytes]],
    strategy: DocstoreStrategy,
    asynchronous: bool,
    transformations: str,
) -> None:
    steps = [embed_model] if transformations == "the model" else [MediaNodeParser(), embed_model]
    docstore = SimpleDocumentStore()

    async def ingest() -> int:
        pipeline = IngestionPipeline(
            transformations=steps,
            vector_store=store,
            docstore=docstore,
            docstore_strategy=strategy,
            disable_cache=True,
        )
        documents: Any = READER.load_data(folder)
        made = await pipeline.arun(documents=documents) if asynchronous else pipeline.run(documents=documents)
        return len(made)

    assert await ingest() == 3 + 3 + 1
    assert await ingest() == 0
    change(folder, make)
    assert await ingest() == 2 + 1
    assert [(name, text.strip() if isinstance(text, str) else text) for name, text in held(store)] == CHANGED
    (folder / "b.mp3").unlink()
    await ingest()
    gone = strategy == DocstoreStrategy.UPSERTS_AND_DELETE
    assert ("b.mp3" in {name for name, _ in held(store)}) != gone


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_index_refreshes_and_deletes_files_by_their_path(
    embed_model: SenseweaveEmbedding,
    store: ChromaVectorStore,
    folder: Path,
    make: dict[str, Callable[..., bytes]],
    asynchronous: bool,
) -> None:
    documents: Any = READER.load_data(folder)
    index = VectorStoreIndex.from_documents(
        documents,
        transformations=[embed_model],
        embed_model=embed_model,
        storage_context=StorageContext.from_defaults(vector_store=store),
    )
    change(folder, make)
    changed: Any = READER.load_data(folder)
    refreshed = await index.arefresh_ref_docs(changed) if asynchronous else index.refresh_ref_docs(changed)
    assert refreshed == [True, True, False]
    assert [(name, text.strip() if isinstance(text, str) else text) for name, text in held(store)] == CHANGED
    if asynchronous:
        await index.adelete_ref_doc(str(folder / "a.txt"))
    else:
        index.delete_ref_doc(str(folder / "a.txt"))
    assert held(store) == CHANGED[2:]


def test_an_index_in_memory_refreshes_and_deletes_files_by_their_path(
    embed_model: SenseweaveEmbedding, folder: Path, make: dict[str, Callable[..., bytes]]
) -> None:
    documents: Any = READER.load_data(folder)
    index = VectorStoreIndex.from_documents(documents, transformations=[embed_model], embed_model=embed_model)
    assert set(index.ref_doc_info) == {str(folder / name) for name in ("a.txt", "b.mp3", "c.jpg")}
    change(folder, make)
    changed: Any = READER.load_data(folder)
    assert index.refresh_ref_docs(changed) == [True, True, False]
    found = index.as_retriever(similarity_top_k=9).retrieve("red")
    assert sorted(str(hit.node.metadata.get("end")) for hit in found) == ["1.0", "None", "None", "None"]
    for name in ("a.txt", "b.mp3"):
        index.delete_ref_doc(str(folder / name), delete_from_docstore=True)
    assert [hit.node.metadata["source"] for hit in index.as_retriever().retrieve("red")] == [str(folder / "c.jpg")]
    assert set(index.ref_doc_info) == {str(folder / "c.jpg")}


def test_a_file_that_is_divided_in_another_way_counts_as_changed(
    embed_model: SenseweaveEmbedding, folder: Path
) -> None:
    pipeline = IngestionPipeline(transformations=[embed_model], cache=IngestionCache())
    wide, narrow = (MediaReader(seconds=seconds).load_data(folder / "b.mp3") for seconds in (2, 1))
    assert [document.id_ for document in wide] == [document.id_ for document in narrow]
    assert wide[0].hash != narrow[0].hash
    assert len(pipeline.run(nodes=wide)) == 2
    assert len(pipeline.run(nodes=narrow)) == 3


def test_a_file_survives_the_way_to_another_process(embed_model: SenseweaveEmbedding, folder: Path) -> None:
    documents = READER.load_data(folder)
    again = pickle.loads(pickle.dumps(documents))
    assert [document.hash for document in again] == [document.hash for document in documents]
    assert [node.embedding for node in embed_model(again)] == [node.embedding for node in embed_model(documents)]


def test_a_file_of_one_chunk_is_a_node_like_any_other_and_one_of_several_says_what_to_do(
    embed_model: SenseweaveEmbedding, folder: Path
) -> None:
    (photo,) = READER.load_data(folder / "c.jpg")
    index = VectorStoreIndex([photo], embed_model=embed_model)
    (hit,) = index.as_retriever().retrieve("red")
    assert index.vector_store.get(hit.node.node_id) == embed_model.get_image_embedding(folder / "c.jpg")  # type: ignore[attr-defined]
    (recording,) = READER.load_data(folder / "b.mp3")
    with pytest.raises(sw.MediaError, match=r"b\.mp3.*document of 3 chunks; use MediaNodeParser"):
        VectorStoreIndex([recording], embed_model=embed_model)


def test_the_encoding_of_text_files_can_be_named(tmp_path):
    (tmp_path / "note.txt").write_bytes("5 €".encode("iso8859-15"))
    nodes = MediaNodeParser()(MediaReader(encoding="iso8859-15").load_data(tmp_path))
    assert [node.get_content() for node in nodes] == ["5 €"]


def test_a_file_is_deleted_by_the_id_of_its_document(folder: Path, embed_model: SenseweaveEmbedding) -> None:
    """Code that deletes what it indexed asks LlamaIndex's documents for `doc_id` or `get_doc_id()`."""
    documents: Any = READER.load_data(folder)
    index = VectorStoreIndex.from_documents(documents, transformations=[embed_model], embed_model=embed_model)
    first, *others = documents
    assert first.doc_id == first.get_doc_id() == first.id_
    index.delete_ref_doc(first.doc_id, delete_from_docstore=True)
    kept = {node.ref_doc_id for node in index.docstore.docs.values()}
    assert kept == {document.doc_id for document in others}


class Engine:
    """Stands in for OCR: gives the same words for every picture."""

    def lines(self, image: Any, seconds: float | None = None, least_score: float | None = None) -> Any:
        return ["three jars of honey"], True


def test_words_in_pictures_are_nodes_beside_them(
    tmp_path: Path, make: dict[str, Callable[..., bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_text, "line_reader", Engine)
    monkeypatch.setattr(picture_text, "is_installed", lambda: True)
    (tmp_path / "sign.jpg").write_bytes(make["image"]("red"))
    (file,) = MediaReader(ocr="on").load_data(tmp_path)
    picture, words = MediaNodeParser()([file])
    assert words.get_content() == "three jars of honey"
    assert words.metadata["ocr"] is True
    assert words.metadata["source"] == picture.metadata["source"]
    assert len(MediaNodeParser()(MediaReader().load_data(tmp_path))) == 1
