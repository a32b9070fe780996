"""The standard suite of langchain-tests for SenseweaveChroma, with nothing overridden."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from langchain_senseweave import SenseweaveChroma, SenseweaveEmbeddings


class TestChromaStandard(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        store = SenseweaveChroma(f"c{uuid.uuid4().hex}", self.get_embeddings())
        yield store
        store.delete_collection()


class TestChromaWithStarterStandard(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        store = SenseweaveChroma(f"c{uuid.uuid4().hex}", SenseweaveEmbeddings(model="starter"))
        yield store
        store.delete_collection()
