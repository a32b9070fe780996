"""Stores of any distance and kind of index give the nearest documents first."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from langchain_senseweave import SenseweaveRetriever

TEXTS = ["a dog on the grass", "bread from the oven", "the train is late"]


def _faiss(embeddings, kind):
    faiss = pytest.importorskip("faiss")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stores = pytest.importorskip("langchain_community.vectorstores")
    from langchain_community.docstore.in_memory import InMemoryDocstore

    size = len(embeddings.embed_query("x"))
    index = {
        "l2": lambda: faiss.IndexFlatL2(size),
        "product": lambda: faiss.IndexFlatIP(size),
        "l1": lambda: faiss.IndexFlat(size, faiss.METRIC_L1),
        "inverted lists": lambda: faiss.IndexIVFFlat(faiss.IndexFlatL2(size), size, 1),
    }[kind]()
    if not index.is_trained:
        index.train(np.asarray(embeddings.embed_documents(TEXTS), np.float32))
    store = stores.FAISS(embeddings, index, InMemoryDocstore(), {})
    store.add_texts(TEXTS)
    return store


def _qdrant(embeddings, kind):
    qdrant, client = pytest.importorskip("langchain_qdrant"), pytest.importorskip("qdrant_client")
    local, distance = client.QdrantClient(":memory:"), client.models.Distance(kind)
    size = len(embeddings.embed_query("x"))
    local.create_collection("texts", client.models.VectorParams(size=size, distance=distance))
    store = qdrant.QdrantVectorStore(local, "texts", embeddings, distance=distance)
    store.add_texts(TEXTS)
    return store


@pytest.mark.parametrize(
    ("make", "kind", "is_cosine"),
    [
        (_faiss, "l2", True),
        (_faiss, "product", True),
        (_faiss, "l1", False),
        (_faiss, "inverted lists", True),
        (_qdrant, "Cosine", True),
        (_qdrant, "Dot", True),
        (_qdrant, "Euclid", True),
        (_qdrant, "Manhattan", False),
    ],
)
def test_the_nearest_comes_first_whatever_the_distance(embeddings, make, kind, is_cosine):
    cosines = np.array(embeddings.embed_documents(TEXTS)) @ np.array(embeddings.embed_query("the dog"))
    found = SenseweaveRetriever(vector_stores=[make(embeddings, kind)]).invoke("the dog")
    assert [document.page_content for document in found] == [TEXTS[row] for row in np.argsort(-cosines)]
    if is_cosine:
        scores = [document.metadata["raw_score"] for document in found]
        assert scores == pytest.approx(sorted(cosines, reverse=True), abs=1e-4)


def test_an_index_that_gives_no_vectors_says_so_where_they_are_needed(embeddings):
    retriever = SenseweaveRetriever(vector_stores=[_faiss(embeddings, "inverted lists")])
    with pytest.raises(ValueError, match=r"IndexIVFFlat does not give the vectors of documents.*make_direct_map"):
        retriever.invoke("the dog", diversity=0.5)
