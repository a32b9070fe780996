"""Every call heeds a subclass that embeds texts in its own way."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document
from langchain_core.stores import InMemoryByteStore
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_senseweave import (
    MediaCacheBackedEmbeddings,
    MediaLoader,
    SenseweaveChroma,
    SenseweaveEmbeddings,
    SenseweaveRetriever,
)


class Prefixed(SenseweaveEmbeddings):
    """Puts a word before queries and another before documents."""

    def embed_query(self, text):
        return super().embed_query(f"query {text}")

    def embed_documents(self, texts):
        return super().embed_documents([f"passage {text}" for text in texts])


class PrefixedTwice(Prefixed):
    """Has asynchronous methods of its own."""

    async def aembed_query(self, text):
        return await super().aembed_query(f"query {text}")


@pytest.fixture
def prefixed(space):
    return Prefixed(model=space)


def stored_vector(store, text):
    found = store.get(include=["embeddings", "documents"])
    return next(v.tolist() for v, words in zip(found["embeddings"], found["documents"], strict=True) if words == text)


async def test_async_gives_what_sync_gives(prefixed, embeddings, space):
    assert (
        await prefixed.aembed_query("bread") == prefixed.embed_query("bread") == embeddings.embed_query("query bread")
    )
    assert await prefixed.aembed_documents(["bread"]) == embeddings.embed_documents(["passage bread"])
    assert await PrefixedTwice(model=space).aembed_query("bread") == embeddings.embed_query("query bread")


def test_a_text_gets_the_same_vector_alone_beside_media_and_by_every_way_of_adding(
    prefixed, embeddings, red_png, tmp_path
):
    expected = pytest.approx(embeddings.embed_documents(["passage bread"])[0], abs=1e-6)
    (tmp_path / "bread.txt").write_text("bread")
    image = MediaLoader([red_png]).load()
    for number, add in enumerate(
        [
            lambda store: store.add_documents([Document("bread")]),
            lambda store: store.add_documents([Document("bread"), *image]),
            lambda store: store.add_media([tmp_path / "bread.txt", red_png]),
        ]
    ):
        store = SenseweaveChroma(f"way-{number}", prefixed, persist_directory=str(tmp_path / "db"))
        add(store)
        assert stored_vector(store, "bread") == expected


async def test_retrievers_ask_with_the_query_of_the_subclass(prefixed, embeddings):
    store = InMemoryVectorStore(prefixed)
    store.add_texts(["bread"])
    retriever = SenseweaveRetriever(vector_stores=[store])
    query, document = embeddings.embed_query("query bread"), embeddings.embed_documents(["passage bread"])[0]
    cosine = sum(a * b for a, b in zip(query, document, strict=True))
    for found in (retriever.invoke("bread"), await retriever.ainvoke("bread")):
        assert found[0].metadata["raw_score"] == pytest.approx(cosine, abs=1e-5)


async def test_a_cache_keeps_what_the_subclass_computes_apart_from_others(prefixed, embeddings):
    kept = InMemoryByteStore()
    plain, cached = MediaCacheBackedEmbeddings(embeddings, kept), MediaCacheBackedEmbeddings(prefixed, kept)
    assert plain.embed_query("bread") == pytest.approx(embeddings.embed_query("bread"), abs=1e-6)
    assert cached.embed_query("bread") == pytest.approx(embeddings.embed_query("query bread"), abs=1e-6)
    assert await cached.aembed_documents(["bread"]) == cached.embed_documents(["bread"])
    assert cached.embed_documents(["bread"])[0] == pytest.approx(prefixed.embed_documents(["bread"])[0], abs=1e-6)
