"""Stores of LangChain work with SenseweaveEmbeddings unchanged."""

from __future__ import annotations

from langchain_chroma import Chroma
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore

TEXTS = ["a dog on the grass", "bread from the oven", "the train is late"]


async def test_chroma_finds_texts_sync_and_async(embeddings, tmp_path):
    store = Chroma.from_texts(TEXTS, embeddings, persist_directory=str(tmp_path))
    assert store.similarity_search("the dog", k=1)[0].page_content == TEXTS[0]
    assert (await store.asimilarity_search("the dog", k=1))[0].page_content == TEXTS[0]
    assert len(store.max_marginal_relevance_search("the dog", k=2, fetch_k=3)) == 2
    assert len(store.as_retriever(search_kwargs={"k": 2}).invoke("the dog")) == 2


async def test_the_in_memory_store_finds_texts_sync_and_async(embeddings):
    store = InMemoryVectorStore(embeddings)
    store.add_documents([Document(text) for text in TEXTS])
    assert store.similarity_search("fresh bread", k=1)[0].page_content == TEXTS[1]
    assert (await store.asimilarity_search("fresh bread", k=1))[0].page_content == TEXTS[1]


def test_the_in_memory_store_finds_images_by_vector(embeddings, red_png, blue_png):
    store = InMemoryVectorStore(embeddings)
    for path, vector in zip([red_png, blue_png], embeddings.embed_image([red_png, blue_png]), strict=True):
        store.store[path.name] = {"id": path.name, "vector": vector, "text": path.name, "metadata": {}}
    assert store.similarity_search_by_vector(embeddings.embed_image([blue_png])[0], k=1)[0].page_content == "blue.png"
