"""Asynchronous methods need no thread of the event loop's own, of which none may be free, and stop with their tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import TextNode
from llama_index.embeddings.senseweave import MediaNodeParser, MediaReader, SenseweaveEmbedding
from llama_index.retrievers.senseweave import MediaPostprocessor, SenseweaveRetriever

SECONDS = 60


@pytest.fixture
async def full_executor() -> AsyncIterator[None]:
    """Occupy every thread of the event loop's default executor until the test ends."""
    ended = threading.Event()
    blocked = [asyncio.ensure_future(asyncio.to_thread(ended.wait, SECONDS)) for _ in range(40)]
    await asyncio.sleep(0)
    yield
    ended.set()
    await asyncio.gather(*blocked)


@pytest.mark.usefixtures("full_executor")
async def test_embedding_loading_and_retrieval_proceed(
    store: Any, embed_model: SenseweaveEmbedding, files: dict[str, list[Path]]
) -> None:
    assert await asyncio.wait_for(embed_model.aget_text_embedding("red"), SECONDS)
    assert await asyncio.wait_for(embed_model.aget_image_embedding_batch(files["image"]), SECONDS)
    documents = await asyncio.wait_for(MediaReader().aload_data(files["image"]), SECONDS)
    assert await asyncio.wait_for(MediaReader().alazy_load_data(files["image"]), SECONDS)
    nodes = await asyncio.wait_for(MediaNodeParser().acall(documents), SECONDS)
    assert len(await asyncio.wait_for(embed_model.acall(nodes), SECONDS)) == len(files["image"])
    found = await asyncio.wait_for(SenseweaveRetriever(store, embed_model).aretrieve("green"), SECONDS)
    assert await asyncio.wait_for(MediaPostprocessor().apostprocess_nodes(found, query_str="green"), SECONDS)


async def test_a_cancelled_embedding_of_nodes_stops_between_batches(
    embed_model: SenseweaveEmbedding, space: Any
) -> None:
    permits, begun = threading.Semaphore(0), threading.Semaphore(0)

    def wait() -> None:
        begun.release()
        assert permits.acquire(timeout=SECONDS)

    space.encoders["text"].before_forward = wait
    nodes = [TextNode(text=f"a red thing, number {n}") for n in range(60)]  # 20 batches
    task = asyncio.ensure_future(embed_model.acall(nodes))
    while not begun.acquire(blocking=False):
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    permits.release(1000)
    assert await asyncio.wait_for(embed_model.aget_text_embedding("later"), SECONDS)
    count = 1
    while begun.acquire(blocking=False):
        count += 1
    assert count <= 3
