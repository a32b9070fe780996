"""The Chroma store and the async methods in forked children and beside the event loop's own threads."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from children import run_in_child
from langchain_core.documents import Document

from langchain_senseweave import MediaLoader, SenseweaveEmbeddings
from langchain_senseweave.retrieval.chroma import SenseweaveChroma
from langchain_senseweave.retrieval.retriever import SenseweaveRetriever


def test_a_store_and_its_retriever_work_in_a_child_forked_after_use(
    embeddings: SenseweaveEmbeddings, tmp_path: Path
) -> None:
    store = SenseweaveChroma("forked", embeddings, persist_directory=str(tmp_path / "db"))
    store.add_texts(["tomato", "train"], ids=["t1", "t2"])
    retriever = SenseweaveRetriever(vector_stores=[store], k=1)
    assert retriever.invoke("tomato")[0].page_content == "tomato"

    def child() -> None:
        assert store.similarity_search("tomato", k=1)[0].page_content == "tomato"
        assert retriever.invoke("train")[0].page_content == "train"
        assert asyncio.run(retriever.ainvoke("train"))[0].page_content == "train"
        store.add_texts(["added by the child"], ids=["t3"])

    run_in_child(child)
    assert store.get(ids=["t3"])["documents"] == ["added by the child"]


def test_a_store_in_memory_says_at_once_what_to_do_in_a_child(embeddings: SenseweaveEmbeddings) -> None:
    store = SenseweaveChroma("forked-memory", embeddings)
    store.add_texts(["tomato"])

    def child() -> None:
        with pytest.raises(Exception, match="EphemeralClient of Chroma does not work in a forked process"):
            store.similarity_search("tomato")

    run_in_child(child)


async def test_async_methods_need_no_thread_of_the_event_loop(
    embeddings: SenseweaveEmbeddings, red_png: Path, tmp_path: Path
) -> None:
    store = SenseweaveChroma("busy", embeddings, persist_directory=str(tmp_path / "db"))
    gate = threading.Event()
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as full:
        loop.set_default_executor(full)
        blocked = loop.run_in_executor(None, gate.wait, 60)
        try:
            await asyncio.wait_for(store.aadd_images([red_png]), 30)
            assert await asyncio.wait_for(embeddings.aembed_image([red_png]), 30)
            found = await asyncio.wait_for(store.asimilarity_search_by_image(red_png, k=1), 30)
            assert Path(found[0].metadata["source"]) == red_png

            async def use_all() -> None:
                assert await store.aadd_texts(["tomato"], ids=["t1"]) == ["t1"]
                assert await store.aadd_documents([Document("train", id="t2")]) == ["t2"]
                vector = await embeddings.aembed_query("tomato")
                for found in (
                    await store.aget_by_ids(["t1"]),
                    await store.asimilarity_search("tomato", k=1),
                    await store.asimilarity_search_by_vector(vector, k=1),
                    await store.amax_marginal_relevance_search("tomato", k=1),
                    await store.amax_marginal_relevance_search_by_vector(vector, k=1),
                    await store.asearch("tomato", "similarity", k=1),
                    [document for document, _ in await store.asimilarity_search_with_score("tomato", k=1)],
                    [document for document, _ in await store.asimilarity_search_with_relevance_scores("tomato", k=1)],
                    await SenseweaveRetriever(vector_stores=[store], k=1).ainvoke("tomato"),
                    await (await SenseweaveChroma.afrom_texts(["tomato"], embeddings)).asimilarity_search("x", k=1),
                ):
                    assert [document.page_content for document in found] == ["tomato"]
                assert [document.metadata["source"] async for document in MediaLoader([red_png]).alazy_load()]
                await store.adelete(["t1"])
                assert not await store.aget_by_ids(["t1"])

            await asyncio.wait_for(use_all(), 60)
        finally:
            gate.set()
        assert await blocked
