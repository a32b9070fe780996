"""A model and a retriever that were used before a fork work in the child."""

from __future__ import annotations

import asyncio
import os

import pytest
from children import run_in_child
from llama_index.core.schema import TextNode
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.retrievers.senseweave import SenseweaveRetriever


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_model_and_a_retriever_work_in_a_child_forked_after_use(embed_model: SenseweaveEmbedding) -> None:
    retriever = SenseweaveRetriever.from_nodes([TextNode(text="red"), TextNode(text="a low note")], embed_model)
    vector = embed_model.get_text_embedding("red")
    expected = [hit.node.node_id for hit in retriever.retrieve("red")]
    asyncio.run(embed_model.aget_text_embedding("blue"))

    def child() -> None:
        assert embed_model.get_text_embedding("red") == vector
        assert asyncio.run(embed_model.aget_text_embedding("green"))
        assert [hit.node.node_id for hit in retriever.retrieve("red")] == expected
        assert [hit.node.node_id for hit in asyncio.run(retriever.aretrieve("red"))] == expected

    run_in_child(child)
