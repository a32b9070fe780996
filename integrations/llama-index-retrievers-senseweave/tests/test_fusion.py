"""In fusion with LlamaIndex's own retrievers of the same nodes, each node is one."""

from __future__ import annotations

from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.llms.mock import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.retrievers.senseweave import SenseweaveRetriever


def test_a_node_that_a_stock_retriever_finds_too_is_found_once(
    store: Any, embed_model: SenseweaveEmbedding, nodes: list[Any]
) -> None:
    index = VectorStoreIndex.from_vector_store(store, embed_model=embed_model)
    stock = index.as_retriever(similarity_top_k=len(nodes))
    own = SenseweaveRetriever(store, embed_model, similarity_top_k=len(nodes))
    hashes = {found.node_id: found.node.hash for found in stock.retrieve("a red field")}
    assert {found.node_id: found.node.hash for found in own.retrieve("a red field")} == hashes
    options = {"mode": "reciprocal_rerank", "num_queries": 1, "use_async": False, "similarity_top_k": len(nodes)}
    fused = QueryFusionRetriever([stock, own], llm=MockLLM(), **options)
    assert len(fused.retrieve("a red field")) == len(nodes)
