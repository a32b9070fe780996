"""The key of an embedding API is in nothing that LangChain keeps, shows or traces."""

from __future__ import annotations

import pickle

import pytest
from key_server import KEY, VARIABLE, holds_key, key_server, written
from langchain_core.documents import Document
from langchain_core.load import dumps
from langchain_core.stores import InMemoryByteStore
from langchain_core.vectorstores import InMemoryVectorStore

import senseweave as sw
from langchain_senseweave import MediaCacheBackedEmbeddings, SenseweaveEmbeddings, content_blocks, document_from_media
from langchain_senseweave.retrieval.chroma import SenseweaveChroma
from langchain_senseweave.retrieval.retriever import SenseweaveRetriever

LINK = f"https://user:{KEY}@host/photo.png?sig={KEY}"


@pytest.fixture
def embeddings(monkeypatch):
    monkeypatch.setenv(VARIABLE, KEY)
    with key_server() as url:
        options = {"base_url": url, "key_variable": VARIABLE, "max_retries": 0}
        yield SenseweaveEmbeddings(model="openai:m", cache_size=0, load_options=options)


def test_the_key_is_in_no_dump_cache_store_trace_or_error(embeddings, tmp_path, caplog):
    caplog.set_level("DEBUG")
    kept = InMemoryByteStore()
    cached = MediaCacheBackedEmbeddings(embeddings, kept)
    assert cached.embed_documents(["a dog"]) == cached.embed_documents(["a dog"])
    store = SenseweaveChroma("keys", embeddings, persist_directory=str(tmp_path / "db"))
    store.add_texts(["a dog"])
    memory = InMemoryVectorStore(embeddings)
    memory.add_texts(["a cat"])
    memory.dump(str(tmp_path / "memory.json"))
    retriever = SenseweaveRetriever(vector_stores=[store], k=1)
    assert retriever.invoke("a dog")[0].page_content == "a dog"
    shown = [dumps(value) for value in (embeddings, cached, store, retriever, retriever.invoke("a dog"))]
    shown += [repr(value) for value in (embeddings, cached, store, retriever, memory)]
    shown += [str(list(kept.yield_keys())), cached.fingerprint, str(retriever._get_ls_params())]
    shown += [embeddings.model_dump_json(), pickle.dumps(embeddings).decode("latin-1")]
    with pytest.raises(sw.ModelError, match="answered 401") as caught:
        embeddings.embed_query("poison")
    shown += [written(caught.value), caplog.text]
    shown += [file.read_bytes().decode("latin-1") for file in tmp_path.rglob("*") if file.is_file()]
    assert any(VARIABLE in text for text in shown)  # what names the key is written, so the search looks at it
    assert not [text for text in shown if holds_key(text)]


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": KEY},
        {"load_options": {"api_key": KEY}, "device": 3},
        {"load_options": {"headers": {"Authorization": KEY}}},
        {"load_options": {"base_url": f"http://user:{KEY}@localhost:1/v1"}},
        {"load_options": {"base_url": f"http://localhost:1/v1?api_key={KEY}"}},
        {"load_options": {"key_variable": KEY}},
    ],
)
def test_a_key_in_the_wrong_place_is_repeated_by_no_error_and_no_dump(options):
    shown = []

    def use():
        shown.append(SenseweaveEmbeddings(model="openai:m", **options))
        shown[0].embed_query("a dog")

    with pytest.raises((ValueError, TypeError)) as caught:
        use()
    assert not holds_key(written(caught.value))
    for embeddings in shown:
        assert not holds_key(repr(embeddings) + dumps(embeddings))
        if "key_variable" not in options["load_options"]:  # no key by its name, and refused when the model is loaded
            assert not holds_key(embeddings.model_dump_json())


def test_a_signed_address_is_in_no_text_that_a_model_or_a_person_reads(red_png):
    document = document_from_media(sw.Image(red_png), "a red square", metadata={"source": LINK})
    assert "photo.png" in document.page_content
    texts = [document.page_content]
    for full_paths in (False, True):
        blocks = content_blocks([Document("words", metadata={"source": LINK})], full_paths=full_paths)
        texts += [block["text"] for block in blocks]
    other = document_from_media(sw.Image(red_png), "a red square", metadata={"source": f"{LINK}2"})
    assert other.page_content != document.page_content  # still no other chunk's text
    assert not [text for text in texts if holds_key(text)]
