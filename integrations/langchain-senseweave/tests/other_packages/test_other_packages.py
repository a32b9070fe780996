"""Packages that only this test installs work with SenseweaveEmbeddings unchanged; `make test-others` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.stores import InMemoryByteStore
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_senseweave import MediaLoader, SenseweaveChroma, SenseweaveRetriever, create_media_retriever_tool


def test_cache_backed_embeddings_cache_text_and_give_the_same_vectors(embeddings):
    classic = pytest.importorskip("langchain_classic.embeddings")
    documents, queries = InMemoryByteStore(), InMemoryByteStore()
    # One store for both, as query_embedding_cache=True would have it, answers a query with the vector of a document.
    cached = classic.CacheBackedEmbeddings.from_bytes_store(
        embeddings, documents, namespace="toy", key_encoder="sha256", query_embedding_cache=queries
    )
    assert cached.embed_documents(["dog", "cat"]) == embeddings.embed_documents(["dog", "cat"])
    assert cached.embed_documents(["dog", "cat"]) == embeddings.embed_documents(["dog", "cat"])
    assert cached.embed_query("dog") == embeddings.embed_query("dog")
    assert (len(list(documents.yield_keys())), len(list(queries.yield_keys()))) == (2, 1)


def test_the_multi_query_retriever_shows_each_document_once(embeddings, tmp_path):
    multi_query = pytest.importorskip("langchain_classic.retrievers.multi_query")
    store = SenseweaveChroma("notes", embeddings, persist_directory=str(tmp_path / "db"))
    store.add_texts(["how to bake bread", "coffee in the morning", "a dog in the park"])
    model = FakeListChatModel(responses=["bread recipe\nbaking a loaf\nbread"])
    retriever = SenseweaveRetriever(vector_stores=[store], k=3)
    found = multi_query.MultiQueryRetriever.from_llm(retriever=retriever, llm=model).invoke("bread")
    assert len(found) == 3
    assert len({document.id for document in found}) == 3


def test_the_ensemble_retriever_keeps_every_image(embeddings, red_png, blue_png, tone_wav, tmp_path):
    classic = pytest.importorskip("langchain_classic.retrievers")
    store = SenseweaveChroma("media", embeddings, persist_directory=str(tmp_path / "db"))
    store.add_documents(MediaLoader([red_png, blue_png, tone_wav]).load())
    memory = InMemoryVectorStore(embeddings)
    memory.add_documents([Document("a red field"), Document("a blue field")])
    ensemble = classic.EnsembleRetriever(
        retrievers=[SenseweaveRetriever(vector_stores=[store]), memory.as_retriever()], weights=[0.5, 0.5]
    )
    found = ensemble.invoke("red")
    assert len(found) == 5
    assert {entry.metadata.get("modality") for entry in found} == {None, "image", "audio"}


def test_lancedb_adds_and_finds_images(embeddings, red_png, blue_png, tmp_path):
    community = pytest.importorskip("langchain_community.vectorstores")
    pytest.importorskip("lancedb")
    store = community.LanceDB(embedding=embeddings, uri=str(tmp_path / "lance"), mode="overwrite")
    store.add_images(uris=[str(red_png), str(blue_png)], metadatas=[{"colour": "red"}, {"colour": "blue"}])
    found = store.similarity_search_by_vector(embeddings.embed_image([blue_png])[0], k=1)
    assert found[0].metadata["colour"] == "blue"
    assert store.similarity_search("red", k=2)


def test_an_agent_of_langchain_sees_content_blocks_from_the_tool(embeddings, red_png, tone_wav, tmp_path):
    agents = pytest.importorskip("langchain.agents")
    sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
    from offline_models import QuotingChatModel

    (tmp_path / "sea.txt").write_text("The sea is blue in summer.")
    store = SenseweaveChroma("media", embeddings, persist_directory=str(tmp_path / "db"))
    store.add_media([red_png, tone_wav, tmp_path / "sea.txt"])
    tool = create_media_retriever_tool(
        SenseweaveRetriever(vector_stores=[store]), "search", "Searches.", modalities=["text", "image", "audio"]
    )
    agent = agents.create_agent(QuotingChatModel(), [tool])
    messages = agent.invoke({"messages": [("user", "Is the sea blue in summer?")]})["messages"]
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    assert {block["type"] for block in messages[2].content} == {"text", "image", "file"}
    assert len(messages[2].artifact) == 3
    assert messages[3].text.startswith("The sea is blue in summer. [")
    assert "1 images, 1 recordings" in messages[3].text
