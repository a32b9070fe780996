"""Retrievers of other packages whose scores are distances, or scaled: the best Document comes first all the same."""

from uuid import uuid4

import numpy as np
import pytest
from haystack import Document
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder, SenseweaveTextEmbedder
from haystack_integrations.components.retrievers.chroma import ChromaEmbeddingRetriever
from haystack_integrations.components.retrievers.senseweave import SenseweaveMultimodalRetriever
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

pytestmark = pytest.mark.integration

TEXTS = ("A cat sleeps on the sofa.", "Bread needs flour, water and patience.", "The 8:15 train is late.")
QUESTION = "Where is the cat?"


class Unlabelled:
    """A retriever of a package that is not known, whose scores are distances."""

    def __init__(self, retriever):
        self._retriever = retriever

    def run(self, query_embedding, filters=None, top_k=None):
        return self._retriever.run(query_embedding=query_embedding, filters=filters, top_k=top_k)


def chroma(distance):
    store = ChromaDocumentStore(collection_name=f"distance-{uuid4().hex}", distance_function=distance)
    return store, ChromaEmbeddingRetriever(store)


def unlabelled(distance):
    store, retriever = chroma(distance)
    return store, Unlabelled(retriever)


def qdrant(similarity):
    stores = pytest.importorskip("haystack_integrations.document_stores.qdrant", reason="needs qdrant-haystack")
    retrievers = pytest.importorskip("haystack_integrations.components.retrievers.qdrant")
    store = stores.QdrantDocumentStore(":memory:", embedding_dim=384, similarity=similarity)
    return store, retrievers.QdrantEmbeddingRetriever(store)


def in_memory(function):
    store = InMemoryDocumentStore(embedding_similarity_function=function)
    return store, InMemoryEmbeddingRetriever(store, scale_score=True)


@pytest.fixture(scope="module")
def documents(starter):
    return SenseweaveDocumentEmbedder().run([Document(content=text) for text in TEXTS])["documents"]


def _check_cosines(found, documents):
    query = np.array(SenseweaveTextEmbedder().run(QUESTION)["embedding"])
    cosines = {document.content: float(np.array(document.embedding) @ query) for document in documents}
    assert [document.content for document in found] == sorted(cosines, key=lambda text: -cosines[text])
    for document in found:
        assert document.meta["raw_score"] == pytest.approx(cosines[document.content], abs=1e-3)


@pytest.mark.parametrize(
    ("make", "distance"),
    [
        (chroma, "cosine"),
        (chroma, "l2"),
        (chroma, "ip"),
        (unlabelled, "l2"),
        (qdrant, "l2"),
        (in_memory, "cosine"),
        (in_memory, "dot_product"),
    ],
)
async def test_scores_are_taken_for_the_similarities_that_they_stand_for(documents, make, distance):
    store, inner = make(distance)
    store.write_documents(documents)
    retriever = SenseweaveMultimodalRetriever(retrievers={"all": inner})
    _check_cosines(retriever.run(query=QUESTION)["documents"], documents)
    _check_cosines((await retriever.run_async(query=QUESTION))["documents"], documents)


@pytest.mark.parametrize("make", [chroma, qdrant])
def test_the_distance_of_a_single_document_is_known_too(documents, make):
    store, inner = make("l2")
    store.write_documents(documents[:1])
    found = SenseweaveMultimodalRetriever(retrievers={"all": inner}).run(query=QUESTION)["documents"]
    _check_cosines(found, documents[:1])


def test_distances_of_postgresql_are_known(documents, postgres, monkeypatch):
    stores = pytest.importorskip("haystack_integrations.document_stores.pgvector", reason="needs pgvector-haystack")
    retrievers = pytest.importorskip("haystack_integrations.components.retrievers.pgvector")
    monkeypatch.setenv("PG_CONN_STR", postgres.url(postgres.database()))
    store = stores.PgvectorDocumentStore(embedding_dimension=384, vector_function="l2_distance")
    store.write_documents(documents)
    inner = retrievers.PgvectorEmbeddingRetriever(document_store=store)
    retriever = SenseweaveMultimodalRetriever(retrievers={"all": inner})
    _check_cosines(retriever.run(query=QUESTION)["documents"], documents)
    _check_cosines(retriever.run(query=QUESTION, top_k=1)["documents"], documents[:1])
