"""Media nodes through LlamaIndex's own indexes, stores, retrievers and synthesis: nothing is lost on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import chromadb
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.llms.types import AudioBlock, ImageBlock, VideoBlock
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.llms.mock import MockLLMWithChatMemoryOfLastCall
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import Node, TextNode
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.senseweave import SenseweaveEmbedding, media_node
from llama_index.vector_stores.chroma import ChromaVectorStore

KINDS = ("image", "audio", "video")
QUESTIONS = {"image": "something green", "audio": "a middle tone", "video": "something blue"}
BLOCKS: dict[str, Any] = {"image": ImageBlock, "audio": AudioBlock, "video": VideoBlock}
EXPECTED = {"image": 1, "audio": 1, "video": 2}


def chroma(folder: Path) -> ChromaVectorStore:
    client = chromadb.PersistentClient(str(folder), settings=chromadb.Settings(anonymized_telemetry=False))
    collection = client.get_or_create_collection("media", configuration={"hnsw": {"space": "cosine"}})
    return ChromaVectorStore(chroma_collection=collection)


def media_nodes(files: Any, kinds: tuple[str, ...] = KINDS) -> list[Node]:
    return [media_node(kind, path) for kind in kinds for path in files[kind]]  # type: ignore[arg-type]


def build_index(nodes: list[Any], model: SenseweaveEmbedding, store: Any = None) -> VectorStoreIndex:
    """The documented way: the model is a transformation as well as the model of the queries."""
    context = StorageContext.from_defaults(vector_store=store) if store is not None else None
    return VectorStoreIndex.from_documents(nodes, transformations=[model], embed_model=model, storage_context=context)


REOPEN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import chromadb
from llama_index.core import VectorStoreIndex
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.vector_stores.chroma import ChromaVectorStore
from sensible import new_space
client = chromadb.PersistentClient(sys.argv[2], settings=chromadb.Settings(anonymized_telemetry=False))
store = ChromaVectorStore(chroma_collection=client.get_collection("media"))
index = VectorStoreIndex.from_vector_store(store, embed_model=SenseweaveEmbedding(space=new_space()))
found = {}
for kind, question in json.loads(sys.argv[3]).items():
    nodes = index.as_retriever(similarity_top_k=9).retrieve(question)
    block = next(n.node for n in nodes if n.node.metadata["modality"] == kind).get_content_blocks()[-1]
    found[kind] = [type(block).__name__, getattr(block, f"resolve_{kind}")().read().hex()]
print(json.dumps(found))
"""


@pytest.mark.integration
def test_the_very_bytes_come_back_from_a_store_that_another_process_opened(
    embed_model: SenseweaveEmbedding, files: Any, tmp_path: Path
) -> None:
    build_index(media_nodes(files), embed_model, chroma(tmp_path / "store"))
    ran = subprocess.run(
        [sys.executable, "-c", REOPEN, str(Path(__file__).parent), str(tmp_path / "store"), json.dumps(QUESTIONS)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(ran.stdout.splitlines()[-1])
    for kind in KINDS:
        assert found[kind] == [BLOCKS[kind].__name__, files[kind][EXPECTED[kind]].read_bytes().hex()]


@pytest.mark.parametrize(
    "way", ["from_documents", "embedded first", "insert", "async", "nodes alone", "nodes alone, async"]
)
def test_every_way_into_an_index_stores_the_vector_of_the_media(
    embed_model: SenseweaveEmbedding, files: Any, tmp_path: Path, way: str
) -> None:
    nodes: list[Any] = [*media_nodes(files), TextNode(text="a red thing", id_="text")]
    store = chroma(tmp_path / "store")
    context = StorageContext.from_defaults(vector_store=store)
    if way == "from_documents":
        build_index(nodes, embed_model, store)
    elif way == "embedded first":
        VectorStoreIndex(list(embed_model(nodes)), embed_model=embed_model, storage_context=context)
    elif way == "insert":
        empty = VectorStoreIndex([], embed_model=embed_model, transformations=[embed_model], storage_context=context)
        for node in nodes:
            empty.insert(node)
    elif way == "nodes alone":
        VectorStoreIndex(nodes[:4], embed_model=embed_model, storage_context=context).insert_nodes(nodes[4:])
    elif way == "nodes alone, async":
        VectorStoreIndex(nodes, embed_model=embed_model, storage_context=context, use_async=True)
    else:
        VectorStoreIndex(list(embed_model(nodes)), embed_model=embed_model, storage_context=context, use_async=True)
    kept = store.client.get(include=["embeddings"])
    vectors = dict(zip(kept["ids"], kept["embeddings"].tolist(), strict=True))
    expected = {node.id_: node.embedding for node in embed_model(media_nodes(files))}
    expected["text"] = embed_model.get_text_embedding("a red thing")
    assert vectors == {id_: pytest.approx(vector, abs=1e-6) for id_, vector in expected.items()}


def test_a_document_store_keeps_media_nodes_whole(embed_model: SenseweaveEmbedding, files: Any, tmp_path: Path) -> None:
    nodes = media_nodes(files)
    docstore = SimpleDocumentStore()
    docstore.add_documents(nodes)
    docstore.persist(str(tmp_path / "docstore.json"))
    back = SimpleDocumentStore.from_persist_path(str(tmp_path / "docstore.json"))
    for node in nodes:
        again: Any = back.get_document(node.id_)
        assert type(again) is Node
        assert (again.hash, again.get_content_blocks()) == (node.hash, node.get_content_blocks())


def test_deduplication_in_fusion_keeps_two_media_without_text(embed_model: SenseweaveEmbedding, files: Any) -> None:
    retrievers = [build_index(media_nodes(files, (kind,)), embed_model).as_retriever() for kind in ("image", "audio")]
    fusion = QueryFusionRetriever(
        retrievers,
        llm=MockLLMWithChatMemoryOfLastCall(is_chat_model=True),
        num_queries=1,
        similarity_top_k=6,
        mode=FUSION_MODES.RECIPROCAL_RANK,
        use_async=False,
    )
    found = fusion.retrieve("a green thing with a low tone")
    assert len({hit.node.node_id for hit in found}) == 4  # two of each, as many as each retriever gives
    assert {hit.node.metadata["modality"] for hit in found} == {"image", "audio"}


@pytest.mark.parametrize("kind", KINDS)
def test_synthesis_is_sent_the_media_themselves(embed_model: SenseweaveEmbedding, kind: str, files: Any) -> None:
    llm = MockLLMWithChatMemoryOfLastCall(is_chat_model=True)
    index = build_index([*media_nodes(files, (kind,)), TextNode(text="unlike anything")], embed_model)
    engine = RetrieverQueryEngine.from_args(index.as_retriever(similarity_top_k=1), llm=llm, multimodal=True)
    engine.query(QUESTIONS[kind])
    blocks = [block for message in llm.last_chat_messages or [] for block in message.blocks]
    sent = [getattr(block, f"resolve_{kind}")().read() for block in blocks if isinstance(block, BLOCKS[kind])]
    assert sent == [files[kind][EXPECTED[kind]].read_bytes()]
    texts = [getattr(block, "text", "") for block in blocks]
    assert any(f"modality: {kind}" in text for text in texts)
    assert not any(str(files[kind][EXPECTED[kind]].parent) in text for text in texts)


@pytest.mark.parametrize("strategy", [DocstoreStrategy.UPSERTS, DocstoreStrategy.UPSERTS_AND_DELETE])
def test_a_pipeline_with_a_docstore_embeds_only_what_is_new_and_replaces_what_changed(
    embed_model: SenseweaveEmbedding, space: Any, files: Any, tmp_path: Path, strategy: DocstoreStrategy
) -> None:
    store = chroma(tmp_path / "store")
    pipeline = IngestionPipeline(
        transformations=[embed_model],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=strategy,
        disable_cache=True,
    )
    red, green, _ = files["image"]
    assert len(pipeline.run(nodes=media_nodes(files))) == 9
    assert pipeline.run(nodes=media_nodes(files)) == []
    red.write_bytes(green.read_bytes())
    files["audio"].pop()
    (changed,) = pipeline.run(nodes=media_nodes(files))
    assert changed.metadata["source"] == str(red)
    kept = store.client.get(ids=[changed.node_id], include=["embeddings"])["embeddings"][0]
    assert kept.tolist() == pytest.approx(embed_model.get_image_embedding(green), abs=1e-6)
    assert store.client.count() == (9 if strategy is DocstoreStrategy.UPSERTS else 8)
    assert sum(space.encoders["image"].batches) == 3 + 1 + 1


def test_an_index_replaces_a_file_that_changed(embed_model: SenseweaveEmbedding, files: Any, tmp_path: Path) -> None:
    store = chroma(tmp_path / "store")
    index = build_index(media_nodes(files, ("image",)), embed_model, store)
    red, green, _ = files["image"]
    red.write_bytes(green.read_bytes())
    refreshed = index.refresh_ref_docs(media_nodes(files, ("image",)))  # type: ignore[arg-type]
    assert refreshed == [True, False, False]
    assert store.client.count() == 3
    shas = [metadata["sha256"] for metadata in store.client.get()["metadatas"]]
    assert len(set(shas)) == 2


@pytest.mark.parametrize("simple", [True, False])
def test_with_the_model_among_the_settings_the_plain_calls_work_and_embed_only_what_changed(
    embed_model: SenseweaveEmbedding, space: Any, files: Any, tmp_path: Path, simple: bool, settings: Any
) -> None:
    settings.embed_model = embed_model
    settings.transformations = [embed_model]
    context = StorageContext.from_defaults(vector_store=None if simple else chroma(tmp_path / "store"))
    index = VectorStoreIndex.from_documents(media_nodes(files), storage_context=context)  # type: ignore[arg-type]
    if simple:  # stores what the encoder says of pictures with the nodes, and takes that for a change, once
        index.refresh_ref_docs(media_nodes(files))  # type: ignore[arg-type]
    assert not any(index.refresh_ref_docs(media_nodes(files)))  # type: ignore[arg-type]
    computed = {kind: sum(space.encoders[kind].batches) for kind in KINDS}
    red, green, _ = files["image"]
    red.write_bytes(green.read_bytes())
    assert index.refresh_ref_docs(media_nodes(files)) == [True] + [False] * 8  # type: ignore[arg-type]
    assert {kind: sum(space.encoders[kind].batches) for kind in KINDS} == {**computed, "image": computed["image"] + 1}
    found = index.as_retriever(similarity_top_k=9).retrieve("something green")
    assert len(found) == len({hit.node.node_id for hit in found}) == 9
    assert [hit.node.metadata["source"] for hit in found if "red" in hit.node.get_content()] == []
    index.delete_ref_doc(media_node("image", red).node_id, delete_from_docstore=True)
    assert len(index.as_retriever(similarity_top_k=9).retrieve("something green")) == 8
