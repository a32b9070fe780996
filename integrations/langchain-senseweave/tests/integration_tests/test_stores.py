"""One table of stores, each row driven by the same tests: what the README says of a store is what these tests see.

Stores whose package is missing are skipped; `make test-others` installs them.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import uuid
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from store_tables import LANGCHAIN, find_row, kinds

from langchain_senseweave import (
    MediaLoader,
    SenseweaveChroma,
    SenseweaveRetriever,
    aadd_media_documents,
    add_media_documents,
)
from langchain_senseweave.retrieval.other_stores import VectorView
from senseweave.interop import Plan, Query, StoreCall, Text


@contextmanager
def memory(embeddings, folder):
    yield InMemoryVectorStore(embeddings)


@contextmanager
def chroma(embeddings, folder):
    yield SenseweaveChroma("table", embeddings, persist_directory=str(folder))


@contextmanager
def stock_chroma(embeddings, folder):
    from langchain_chroma import Chroma

    yield Chroma("table", embeddings, persist_directory=str(folder))


@contextmanager
def chroma_server(embeddings, folder):
    import chromadb

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = "from chromadb.cli.cli import app; app()"
    options = ["run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-c", command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(120):
            try:
                client = chromadb.HttpClient("127.0.0.1", port)
                break
            except ValueError:
                time.sleep(0.5)
        yield SenseweaveChroma("table", embeddings, client=client)
    finally:
        server.terminate()
        server.wait()


@contextmanager
def faiss(embeddings, folder):
    pytest.importorskip("faiss")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stores = pytest.importorskip("langchain_community.vectorstores")
    from langchain_community.docstore.in_memory import InMemoryDocstore

    index = sys.modules["faiss"].IndexFlatL2(len(embeddings.embed_query("x")))
    yield stores.FAISS(embeddings, index, InMemoryDocstore(), {})


@contextmanager
def qdrant(embeddings, folder):
    qdrant = pytest.importorskip("langchain_qdrant")
    client = pytest.importorskip("qdrant_client")
    local = client.QdrantClient(path=str(folder))
    size = len(embeddings.embed_query("x"))
    local.create_collection("table", client.models.VectorParams(size=size, distance=client.models.Distance.COSINE))
    yield qdrant.QdrantVectorStore(local, "table", embeddings)
    local.close()


@contextmanager
def lancedb(embeddings, folder):
    pytest.importorskip("lancedb")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stores = pytest.importorskip("langchain_community.vectorstores")
    yield stores.LanceDB(embedding=embeddings, uri=str(folder), mode="append")


@contextmanager
def pgvector(embeddings, server):
    stores = pytest.importorskip("langchain_postgres")
    url = server.url(server.database(), "postgresql+psycopg")
    store = stores.PGVector(embeddings, connection=url, collection_name="table")
    yield store
    store._engine.dispose()


@contextmanager
def pgvector_table(embeddings, server):
    stores = pytest.importorskip("langchain_postgres")
    engine = stores.PGEngine.from_connection_string(server.url(server.database(), "postgresql+asyncpg"))
    engine.init_vectorstore_table("table", vector_size=len(embeddings.embed_query("x")))
    yield stores.PGVectorStore.create_sync(engine, embeddings, "table")


MAKERS = [memory, chroma, stock_chroma, chroma_server, faiss, qdrant, lancedb, pgvector, pgvector_table]
STORES = {make.__name__: make for make in MAKERS}
TRAIN = "The train is late."
TEXTS = [f"Note {number}: bread is baked in the morning." for number in range(60)] + [TRAIN]


@pytest.fixture(params=kinds(LANGCHAIN))
def row(request):
    return find_row(LANGCHAIN, request.param), STORES[request.param]


@pytest.fixture
def store(row, request, embeddings, tmp_path):
    _, make = row
    on_server = make in (pgvector, pgvector_table)
    place = request.getfixturevalue("postgres") if on_server else tmp_path / "db"
    with make(embeddings, place) as opened:
        yield opened


def own(identifier):
    """Return an id that every store takes: Qdrant takes UUIDs alone."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, identifier))


def number_is(store, number):
    """Return a filter on `n` in the language of the store."""
    kind = type(store).__name__
    if kind == "QdrantVectorStore":
        from qdrant_client import models

        return models.Filter(must=[models.FieldCondition(key="metadata.n", match=models.MatchValue(value=number))])
    return f"metadata.n = {number}" if kind == "LanceDB" else {"n": number}


@pytest.fixture
def media(embeddings, red_png, blue_png, tone_wav):
    documents = MediaLoader([red_png, blue_png, tone_wav], embeddings=embeddings).load()
    return [document.model_copy(update={"metadata": {**document.metadata, "n": 100}}) for document in documents]


@pytest.fixture
def filled(store, media):
    texts = [Document(text, id=own(text), metadata={"n": n}) for n, text in enumerate(TEXTS)]
    # One call: the first documents of a table decide in LanceDB which metadata there are.
    add_media_documents(store, [*media, *texts], batch_size=100)
    return store


def sources(documents):
    return [document.metadata.get("source") for document in documents]


def test_text_image_and_audio_find_what_they_should(filled, red_png, blue_png, tone_wav):
    retriever = SenseweaveRetriever(vector_stores=[filled], k=3)
    assert retriever.invoke(TRAIN)[0].page_content == TRAIN
    assert sources(retriever.retrieve_by_image(blue_png))[0] == str(blue_png)
    assert sources(retriever.retrieve_by_audio(tone_wav))[0] == str(tone_wav)


def test_scores_are_cosine_similarities(filled, embeddings, blue_png):
    found = SenseweaveRetriever(vector_stores=[filled], k=1, fusion="none").retrieve_by_image(blue_png)
    query, document = (embeddings.embed_image([blue_png], role=role)[0] for role in ("query", "document"))
    cosine = sum(a * b for a, b in zip(query, document, strict=True))
    assert found[0].metadata["raw_score"] == pytest.approx(cosine, abs=1e-3)


def test_a_modality_is_found_however_many_texts_are_nearer(filled, red_png, blue_png, tone_wav):
    retriever = SenseweaveRetriever(vector_stores=[filled], k=70)
    assert set(sources(retriever.invoke("bread is baked", modalities=["image"]))) == {str(red_png), str(blue_png)}
    assert sources(retriever.invoke("bread is baked", modalities=["audio"])) == [str(tone_wav)]
    assert len(retriever.invoke("bread is baked", modalities=["text"])) == len(TEXTS)
    assert len(retriever.invoke("bread is baked")) == len(TEXTS) + 3


def test_filters_hold_for_every_modality(filled):
    media = number_is(filled, 100)
    assert len(SenseweaveRetriever(vector_stores=[filled], k=70).invoke("bread", filter=media)) == 3
    narrowed = SenseweaveRetriever(vector_stores=[filled], k=70, filter=media)
    assert len(narrowed.invoke("bread", modalities=["image"])) == 2
    assert {document.metadata["n"] for document in narrowed.invoke("bread")} == {100}


def test_what_is_deleted_is_not_found_again(filled, media, red_png):
    filled.delete([media[0].id])
    retriever = SenseweaveRetriever(vector_stores=[filled], k=70)
    assert str(red_png) not in sources(retriever.retrieve_by_image(red_png))
    assert len(retriever.invoke("bread")) == len(TEXTS) + 2


def test_a_document_can_be_replaced_by_another_of_its_id(filled, media, high_wav, embeddings):
    changed = MediaLoader([high_wav], embeddings=embeddings).load()[0]
    changed = changed.model_copy(update={"id": media[2].id, "metadata": {**changed.metadata, "n": 7}})
    filled.delete([media[2].id])
    add_media_documents(filled, [changed])
    retriever = SenseweaveRetriever(vector_stores=[filled], k=70)
    assert sources(retriever.retrieve_by_audio(high_wav, modalities=["audio"])) == [str(high_wav)]


async def test_async_gives_what_sync_gives(store, media, blue_png):
    await aadd_media_documents(store, media)
    retriever = SenseweaveRetriever(vector_stores=[store], k=3)
    assert await retriever.ainvoke("bread") == retriever.invoke("bread")
    assert await retriever.aretrieve_by_image(blue_png) == retriever.retrieve_by_image(blue_png)


def test_the_table_says_how_the_store_is_asked(filled, row, embeddings):
    declared, _ = row
    (view,) = SenseweaveRetriever(vector_stores=[filled])._views
    assert (view.statistics("text", "text") is not None) == declared.calibrated
    asked = StoreCall(Query([Text("bread")]), Plan(3), [])
    vector = np.asarray(embeddings.embed_query("bread"), np.float32)
    answered = view.ask(vector.tolist(), 3, [], "image") if isinstance(view, VectorView) else []
    asks_for_more = any(document.metadata.get("modality") != "image" for document, _ in answered)
    assert asks_for_more == (declared.modalities != "yes")
    assert {found.metadata["modality"] for found in view.find(asked, vector, 3, "image")} == {"image"}


def test_results_can_be_spread_where_the_store_gives_its_vectors(filled, row):
    retriever = SenseweaveRetriever(vector_stores=[filled], k=3, diversity=0.9)
    if not row[0].spread:
        with pytest.raises(ValueError, match=f"{type(filled).__name__} does not give the vectors"):
            retriever.invoke("bread")
    else:
        assert len({document.metadata.get("modality", "text") for document in retriever.invoke("bread")}) > 1


def test_scores_are_calibrated_where_the_store_gives_its_vectors(filled):
    found = SenseweaveRetriever(vector_stores=[filled], k=3).invoke("bread")
    assert {document.metadata["score"] == document.metadata["raw_score"] for document in found} == {False}


async def test_pgvector_in_async_mode_is_filled_and_asked_asynchronously(embeddings, media, postgres, blue_png):
    stores = pytest.importorskip("langchain_postgres")
    url = postgres.url(postgres.database(), "postgresql+psycopg")
    store = stores.PGVector(embeddings, connection=url, collection_name="table", async_mode=True)
    await aadd_media_documents(store, [*media, *[Document(text, metadata={"n": 1}) for text in TEXTS]])
    retriever = SenseweaveRetriever(vector_stores=[store], k=70)
    found = await retriever.aretrieve_by_image(blue_png)
    assert sources(found)[0] == str(blue_png)
    assert len(found) == len(TEXTS) + 3
    assert len(await retriever.ainvoke("bread", modalities=["text"], filter={"n": 1})) == len(TEXTS)
    with pytest.raises(ValueError, match="async mode does not give the vectors"):
        await retriever.ainvoke("bread", diversity=0.5)
    await store._async_engine.dispose()
