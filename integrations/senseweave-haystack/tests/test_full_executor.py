"""Asynchronous components need no thread of the event loop's own, of which all may be busy, and stop with tasks."""

import asyncio
import threading

import pytest
from haystack import Document
from haystack_integrations.components.builders.senseweave import MultimodalPromptBuilder
from haystack_integrations.components.converters.senseweave import MediaToDocument
from haystack_integrations.components.embedders.senseweave import (
    SenseweaveDocumentEmbedder,
    SenseweaveMediaEmbedder,
    SenseweaveTextEmbedder,
)
from haystack_integrations.components.retrievers.senseweave import (
    SenseweaveChromaRetriever,
    SenseweaveMultimodalRetriever,
)
from haystack_integrations.components.writers.senseweave import SenseweaveDocumentWriter
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

import senseweave as sw

SECONDS = 60


@pytest.fixture
async def full_executor():
    """Occupy every thread of the event loop's default executor until the test ends."""
    ended = threading.Event()
    blocked = [asyncio.ensure_future(asyncio.to_thread(ended.wait, SECONDS)) for _ in range(40)]
    await asyncio.sleep(0)
    yield
    ended.set()
    await asyncio.gather(*blocked)


@pytest.mark.integration
async def test_every_component_proceeds(tmp_path, photo, full_executor):
    async def run(component, **inputs):
        return await asyncio.wait_for(component.run_async(**inputs), SECONDS)

    store = ChromaDocumentStore("full", persist_path=str(tmp_path / "store"), distance_function="cosine")
    documents = (await run(MediaToDocument(), sources=[photo]))["documents"]
    embedded = (await run(SenseweaveDocumentEmbedder(), documents=documents))["documents"]
    assert (await run(SenseweaveMediaEmbedder(), media=photo))["embedding"]
    assert (await run(SenseweaveDocumentWriter(document_store=store), documents=embedded))["documents_written"] == 1
    vector = (await run(SenseweaveTextEmbedder(), text="a cat"))["embedding"]
    found = (await run(SenseweaveChromaRetriever(document_store=store), query_embedding=vector))["documents"]
    assert [document.id for document in found] == [documents[0].id]
    with sw.Index(tmp_path / "index") as index:
        index.add([sw.Text("a cat")])
    retriever = SenseweaveMultimodalRetriever(index=tmp_path / "index")
    found = (await run(retriever, query="a cat"))["documents"]
    assert (await run(MultimodalPromptBuilder(), query="a cat", documents=found))["prompt"]
    retriever.close()


@pytest.mark.integration
async def test_a_cancelled_embedding_of_documents_stops_between_batches(starter, monkeypatch):
    permits, begun = threading.Semaphore(0), threading.Semaphore(0)
    encoder = starter.encoders["text"]
    forward = encoder.forward

    def wait(batch):
        begun.release()
        assert permits.acquire(timeout=SECONDS)
        return forward(batch)

    monkeypatch.setattr(encoder, "forward", wait)
    monkeypatch.setattr(encoder, "batch_budget", 64)
    embedder = SenseweaveDocumentEmbedder()
    documents = [Document(content=f"text number {n}, which no other test embeds") for n in range(100)]
    task = asyncio.ensure_future(embedder.run_async(documents=documents))
    while not begun.acquire(blocking=False):
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    permits.release(1000)
    assert await asyncio.wait_for(embedder.run_async(documents=[Document(content="later, much later")]), SECONDS)
    count = 1
    while begun.acquire(blocking=False):
        count += 1
    assert count <= 3
