"""The table of stores in the README: each row is driven by the same tests, or stands there as what does not work."""

from uuid import uuid4

import pytest
from chroma_server import ChromaServer
from haystack import Document
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder
from haystack_integrations.components.retrievers.senseweave import (
    SenseweaveChromaRetriever,
    SenseweaveMultimodalRetriever,
)
from haystack_integrations.components.writers.senseweave import SenseweaveDocumentWriter
from haystack_integrations.document_stores.chroma import ChromaDocumentStore
from store_tables import HAYSTACK, find_row, kinds

pytestmark = pytest.mark.integration

TENANT = {"field": "meta.tenant", "operator": "==", "value": "alpha"}
MODALITIES = ["text", "image", "audio", "video"]
TEXTS = ("Bread needs flour, water and patience.", "The 8:15 train is late.")


@pytest.fixture(params=kinds(HAYSTACK))
def kind(request):
    return request.param


@pytest.fixture
def place(kind, tmp_path, request, monkeypatch):
    """A store of a kind, and a retriever over it."""
    name = f"table-{uuid4().hex}"
    if kind == "in memory":
        store = InMemoryDocumentStore(embedding_similarity_function="cosine")
        yield store, InMemoryEmbeddingRetriever(store)
    elif kind.startswith("qdrant"):
        stores = pytest.importorskip("haystack_integrations.document_stores.qdrant", reason="needs qdrant-haystack")
        qdrant = pytest.importorskip(
            "haystack_integrations.components.retrievers.qdrant", reason="needs qdrant-haystack"
        )
        where = {"path": str(tmp_path / "qdrant")} if kind == "qdrant folder" else {"location": ":memory:"}
        store = stores.QdrantDocumentStore(**where, embedding_dim=384, similarity="cosine", return_embedding=True)
        yield store, qdrant.QdrantEmbeddingRetriever(document_store=store)
    elif kind == "pgvector":
        stores = pytest.importorskip("haystack_integrations.document_stores.pgvector", reason="needs pgvector-haystack")
        retrievers = pytest.importorskip("haystack_integrations.components.retrievers.pgvector")
        server = request.getfixturevalue("postgres")
        monkeypatch.setenv("PG_CONN_STR", server.url(server.database()))
        store = stores.PgvectorDocumentStore(embedding_dimension=384, vector_function="cosine_similarity")
        yield store, retrievers.PgvectorEmbeddingRetriever(document_store=store)
    elif kind == "chroma server":
        server = ChromaServer(tmp_path / "server")
        store = ChromaDocumentStore(
            collection_name=name, host="127.0.0.1", port=server.port, distance_function="cosine"
        )
        try:
            yield store, SenseweaveChromaRetriever(document_store=store)
        finally:
            server.kill()
    else:
        folder = {"persist_path": str(tmp_path / "chroma")} if kind == "chroma folder" else {}
        store = ChromaDocumentStore(collection_name=name, distance_function="cosine", **folder)
        yield store, SenseweaveChromaRetriever(document_store=store)


@pytest.fixture
def documents(photo, tone):
    """Texts that name no modality, a photograph and a recording, of two tenants."""
    made = [Document(content=text, meta={"tenant": "alpha"}) for text in TEXTS]
    media = [("image", photo), ("audio", tone)]
    made += [
        Document(content=kind, meta={"file_path": str(path), "modality": kind, "tenant": "beta"})
        for kind, path in media
    ]
    return SenseweaveDocumentEmbedder().run(made)["documents"]


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request):
    return request.param


async def _run(component, asynchronous, **inputs):
    return await component.run_async(**inputs) if asynchronous else component.run(**inputs)


def _modalities(result):
    return {document.meta.get("modality", "text") for document in result["documents"]}


async def test_text_and_media_are_found_by_text_and_media(place, documents, photo, tone, asynchronous):
    store, inner = place
    writer = SenseweaveDocumentWriter(document_store=store)
    assert await _run(writer, asynchronous, documents=documents) == {"documents_written": 4}
    several = SenseweaveMultimodalRetriever(retrievers={"all": inner}, modalities=MODALITIES)
    found = await _run(several, asynchronous, query="How do I bake bread?")
    assert len(found["documents"]) == 4
    for path, modality in ((photo, "image"), (tone, "audio")):
        only = SenseweaveMultimodalRetriever(retrievers={"all": inner}, modalities=[modality])
        found = await _run(only, asynchronous, media=path)
        assert _modalities(found) == {modality}
        assert found["documents"][0].meta["raw_score"] == pytest.approx(1.0, abs=1e-3)
    texts = SenseweaveMultimodalRetriever(retrievers={"all": inner}, modalities=["text"])
    found = await _run(texts, asynchronous, query="How do I bake bread?")
    assert [document.content for document in found["documents"]] == list(TEXTS)


async def test_the_table_says_how_the_store_is_asked(place, documents, kind, monkeypatch):
    store, inner = place
    row = find_row(HAYSTACK, kind)
    assert type(inner).__name__ in row.retriever
    store.write_documents(documents)
    called = []
    plain = type(inner).run
    monkeypatch.setattr(
        type(inner), "run", lambda self, *args, **options: called.append(1) or plain(self, *args, **options)
    )
    retriever = SenseweaveMultimodalRetriever(retrievers={"all": inner}, fusion="none")
    await retriever.run_async(query="bread")
    if type(inner) is not SenseweaveChromaRetriever:  # whose run_async is its run in a thread
        assert bool(called) == (kind not in row.own_async)
    else:
        assert not row.own_async


async def test_filters_hold_together_with_modalities_and_options(place, documents, asynchronous):
    store, inner = place
    store.write_documents(documents)
    several = SenseweaveMultimodalRetriever(retrievers={"all": inner}, modalities=MODALITIES)
    found = await _run(several, asynchronous, query="bread", filters=TENANT)
    assert {document.meta["tenant"] for document in found["documents"]} == {"alpha"}
    assert len(found["documents"]) == 2
    spread = await _run(several, asynchronous, query="bread", options={"diversity": 0.9, "quota": {"audio": 1}})
    assert _modalities(spread) == {"text", "image", "audio"}
    limited = SenseweaveMultimodalRetriever(retrievers={"all": inner}, modalities=["image"], filters=TENANT)
    assert (await _run(limited, asynchronous, query="bread"))["documents"] == []


async def test_documents_are_replaced_and_deleted(place, documents, asynchronous):
    store, inner = place
    writer = SenseweaveDocumentWriter(document_store=store, policy=DuplicatePolicy.OVERWRITE)
    await _run(writer, asynchronous, documents=documents[:2])
    changed = Document(id=documents[0].id, content="Cheese needs milk.", embedding=documents[0].embedding)
    await _run(writer, asynchronous, documents=[changed])
    several = SenseweaveMultimodalRetriever(retrievers={"all": inner})
    found = await _run(several, asynchronous, query="bread")
    assert {document.content for document in found["documents"]} == {"Cheese needs milk.", TEXTS[1]}
    store.delete_documents([documents[0].id])
    found = await _run(several, asynchronous, query="bread")
    assert [document.content for document in found["documents"]] == [TEXTS[1]]
