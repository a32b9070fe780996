"""The writer writes to every store, also where a pipeline runs asynchronously."""

import asyncio
import time
from uuid import uuid4

import pytest
from haystack import Document, Pipeline
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.components.converters.senseweave import MediaToDocument
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder, SenseweaveTextEmbedder
from haystack_integrations.components.retrievers.senseweave import (
    SenseweaveChromaRetriever,
    SenseweaveMultimodalRetriever,
)
from haystack_integrations.components.writers.senseweave import SenseweaveDocumentWriter
from haystack_integrations.document_stores.chroma import ChromaDocumentStore


def _store(kind, tmp_path):
    name = f"written-{uuid4().hex}"
    if kind == "in memory":
        return InMemoryDocumentStore(embedding_similarity_function="cosine")
    place = {"persist_path": str(tmp_path / "chroma")} if kind == "chroma folder" else {}
    return ChromaDocumentStore(collection_name=name, distance_function="cosine", **place)


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["in memory", "chroma", "chroma folder"])
async def test_an_asynchronous_pipeline_indexes_into_a_local_store_and_finds_there(kind, tmp_path, photo):
    (tmp_path / "note.txt").write_text("The dog is asleep on the sofa.")
    store = _store(kind, tmp_path)
    indexing = Pipeline()
    indexing.add_component("converter", MediaToDocument())
    indexing.add_component("embedder", SenseweaveDocumentEmbedder())
    indexing.add_component("writer", SenseweaveDocumentWriter(document_store=store, policy="overwrite"))
    indexing.connect("converter.documents", "embedder.documents")
    indexing.connect("embedder.documents", "writer.documents")
    indexing = Pipeline.loads(indexing.dumps()) if kind == "chroma folder" else indexing
    sources = [tmp_path / "note.txt", photo]
    written = await indexing.run_async({"converter": {"sources": sources}})
    assert written["writer"]["documents_written"] == 2
    if kind == "in memory":
        return
    querying = Pipeline()
    querying.add_component("embedder", SenseweaveTextEmbedder())
    querying.add_component("retriever", SenseweaveChromaRetriever(document_store=store, top_k=1))
    querying.connect("embedder.embedding", "retriever.query_embedding")
    several = SenseweaveMultimodalRetriever(retrievers={"all": SenseweaveChromaRetriever(document_store=store)})
    querying.add_component("several", several)
    question = "Where does the dog sleep?"
    found = await querying.run_async({"embedder": {"text": question}, "several": {"query": question}})
    assert found["retriever"]["documents"][0].content == "The dog is asleep on the sofa."
    assert len(found["several"]["documents"]) == 2


def test_duplicates_are_treated_as_the_policy_says():
    store = InMemoryDocumentStore()
    writer = SenseweaveDocumentWriter(document_store=store, policy="FAIL")
    first, second = (Document(id="1", content=content) for content in ("old", "new"))
    assert writer.run(documents=[first]) == {"documents_written": 1}
    with pytest.raises(DuplicateDocumentError):
        writer.run(documents=[second])
    assert writer.run(documents=[second], policy=DuplicatePolicy.SKIP) == {"documents_written": 0}
    assert writer.run(documents=[second], policy=DuplicatePolicy.OVERWRITE) == {"documents_written": 1}
    assert [document.content for document in store.filter_documents()] == ["new"]
    with pytest.raises(ValueError, match="sometimes"):
        SenseweaveDocumentWriter(document_store=store, policy="sometimes")


def test_the_writer_survives_its_dict():
    store = ChromaDocumentStore(collection_name="dict")
    writer = SenseweaveDocumentWriter(document_store=store, policy=DuplicatePolicy.SKIP)
    again = SenseweaveDocumentWriter.from_dict(writer.to_dict())
    assert again.policy is DuplicatePolicy.SKIP
    assert again.to_dict() == writer.to_dict()


@pytest.mark.integration
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("kind", ["in memory", "chroma"])
async def test_files_that_were_edited_or_cut_short_leave_nothing_old_behind(kind, tmp_path, wave_bytes, asynchronous):
    store = _store(kind, tmp_path)
    note, other, sound = tmp_path / "note.txt", tmp_path / "other.txt", tmp_path / "sound.wav"
    converter, embedder = MediaToDocument(seconds=1, characters=30), SenseweaveDocumentEmbedder()
    writer = SenseweaveDocumentWriter(document_store=store, policy="overwrite", replace_by="source")

    async def index(*sources):
        embedded = embedder.run(converter.run(sources=list(sources))["documents"])["documents"]
        if asynchronous:
            await writer.run_async(documents=embedded)
        else:
            writer.run(documents=embedded)
        return store.count_documents()

    note.write_text("The old door code is 4711.\n\nLunch is at one o'clock.")
    other.write_text("Bees make honey.")
    sound.write_bytes(wave_bytes(3.0))
    assert await index(note, other, sound) == 2 + 1 + 3
    note.write_text("Lunch is at one o'clock.")
    sound.write_bytes(wave_bytes(1.0))
    assert await index(note, sound) == 1 + 1 + 1
    texts = [each.content.strip() for each in store.filter_documents() if each.meta["modality"] == "text"]
    assert sorted(texts) == ["Bees make honey.", "Lunch is at one o'clock."]


async def test_the_event_loop_is_not_blocked_while_the_store_writes():
    class Slow(InMemoryDocumentStore):
        def write_documents(self, documents, policy=DuplicatePolicy.NONE):
            time.sleep(0.3)
            return len(documents)

    writing = asyncio.create_task(
        SenseweaveDocumentWriter(document_store=Slow()).run_async(documents=[Document(content="x")])
    )
    turns = 0
    while not writing.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert await writing == {"documents_written": 1}
    assert turns > 5
