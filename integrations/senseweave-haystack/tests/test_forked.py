"""Components that were used before a fork work in the child."""

import asyncio
import os

import pytest
from children import run_in_child
from haystack import Document
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder, SenseweaveTextEmbedder
from haystack_integrations.components.retrievers.senseweave import SenseweaveMultimodalRetriever

import senseweave as sw


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_embedders_and_a_retriever_work_in_a_child_forked_after_use(tmp_path):
    with sw.Index(tmp_path / "index") as index:
        index.add([sw.Text("a cat"), sw.Text("a train")])
    words, documents = SenseweaveTextEmbedder(), SenseweaveDocumentEmbedder()
    retriever = SenseweaveMultimodalRetriever(index=tmp_path / "index", top_k=1)
    expected = words.run(text="a cat")["embedding"]
    assert documents.run(documents=[Document(content="a cat")])["documents"]
    assert retriever.run(query="a cat")["documents"][0].content == "a cat"

    def child():
        assert words.run(text="a cat")["embedding"] == pytest.approx(expected)
        assert asyncio.run(words.run_async(text="a dog"))["embedding"]
        assert documents.run(documents=[Document(content="a dog")])["documents"]
        assert retriever.run(query="a train")["documents"][0].content == "a train"
        assert asyncio.run(retriever.run_async(query="a cat"))["documents"][0].content == "a cat"

    run_in_child(child)
    retriever.close()
