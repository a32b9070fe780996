"""The standard suite of langchain-tests for SenseweaveRetriever, over stores and over an index."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_tests.integration_tests import RetrieversIntegrationTests

from langchain_senseweave import SenseweaveChroma, SenseweaveEmbeddings, SenseweaveRetriever
from langchain_senseweave.testing import sample_files
from senseweave import Index, Text

TEXTS = ["a dog on the grass", "bread from the oven", "the train is late"]


class _Standard(RetrieversIntegrationTests):
    params: dict[str, Any]

    @property
    def retriever_constructor(self) -> type[SenseweaveRetriever]:
        return SenseweaveRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return self.params

    @property
    def retriever_query_example(self) -> str:
        return "a loaf of bread"

    async def test_ainvoke_takes_k_too(self, retriever: SenseweaveRetriever) -> None:
        assert len(await retriever.ainvoke(self.retriever_query_example, k=2)) == 2


class TestOverStoreOfStarter(_Standard):
    @pytest.fixture(autouse=True)
    def _fill(self, tmp_path):
        store = SenseweaveChroma(f"c{uuid.uuid4().hex}", SenseweaveEmbeddings(model="starter"))
        store.add_documents([Document(text) for text in TEXTS])
        store.add_images(sample_files(tmp_path, "image"))
        self.params = {"vector_stores": [store]}


class TestOverStoreOfTinyCLIP(_Standard):
    @pytest.fixture(autouse=True)
    def _fill(self, tiny_clip, tmp_path):
        store = SenseweaveChroma(f"c{uuid.uuid4().hex}", SenseweaveEmbeddings(model=tiny_clip))
        store.add_documents([Document(text) for text in TEXTS])
        store.add_images(sample_files(tmp_path, "image"))
        self.params = {"vector_stores": [store]}


class TestOverIndex(_Standard):
    @pytest.fixture(autouse=True)
    def _fill(self, tmp_path):
        with Index(tmp_path / "index") as index:
            index.add([*map(Text, TEXTS), *sample_files(tmp_path, "image")])
            self.params = {"index": index}
            yield
