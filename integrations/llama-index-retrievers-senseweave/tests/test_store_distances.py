"""Stores of any distance give the nearest nodes first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.retrievers.senseweave import SenseweaveRetriever

TEXTS = ["a green field", "the low note of a horn", "a red door"]


def _retriever(store: Any, model: SenseweaveEmbedding) -> SenseweaveRetriever:
    context = StorageContext.from_defaults(vector_store=store)
    index = VectorStoreIndex([TextNode(text=text) for text in TEXTS], storage_context=context, embed_model=model)
    return SenseweaveRetriever.from_defaults(index)


def _expected(model: SenseweaveEmbedding) -> list[str]:
    cosines = np.array(model.get_text_embedding_batch(TEXTS)) @ np.array(model.get_query_embedding("a red field"))
    return [TEXTS[row] for row in np.argsort(-cosines)]


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
async def test_qdrant_gives_the_nearest_first(embed_model: SenseweaveEmbedding, distance: str) -> None:
    qdrant = pytest.importorskip("qdrant_client", reason="needs qdrant-client")
    stores = pytest.importorskip("llama_index.vector_stores.qdrant", reason="needs llama-index-vector-stores-qdrant")
    vectors = qdrant.models.VectorParams(size=embed_model.dimension, distance=qdrant.models.Distance(distance))
    client = qdrant.QdrantClient(":memory:")
    _retriever(stores.QdrantVectorStore(client=client, collection_name="texts", dense_config=vectors), embed_model)
    opened = stores.QdrantVectorStore(client=client, collection_name="texts")  # which is not told the distance
    retriever = SenseweaveRetriever(opened, embed_model)
    assert [node.text for node in retriever.retrieve("a red field")] == _expected(embed_model)
    assert [node.text for node in await retriever.aretrieve("a red field")] == _expected(embed_model)


@pytest.mark.parametrize("metric", ["METRIC_INNER_PRODUCT", "METRIC_L2", "METRIC_L1"])
def test_faiss_gives_the_nearest_first(embed_model: SenseweaveEmbedding, metric: str) -> None:
    faiss = pytest.importorskip("faiss", reason="needs faiss-cpu")
    stores = pytest.importorskip("llama_index.vector_stores.faiss", reason="needs llama-index-vector-stores-faiss")
    store = stores.FaissVectorStore(faiss_index=faiss.IndexFlat(embed_model.dimension, getattr(faiss, metric)))
    found = _retriever(store, embed_model).retrieve("a red field")
    assert [node.text for node in found] == _expected(embed_model)
