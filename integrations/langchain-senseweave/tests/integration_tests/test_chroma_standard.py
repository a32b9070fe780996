"""The standard suite of langchain-tests for SenseweaveChroma, with nothing overridden."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from langchain_senseweave import SenseweaveChroma, SenseweaveEmbeddings


def opened(embeddings: object) -> Iterator[VectorStore]:
    store = SenseweaveChroma(f"c{uuid.uuid4().hex}", embeddings)
    yield store
    store.delete_collection()


class TestChromaStandard(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        yield from opened(self.get_embeddings())


class TestChromaOfStarterStandard(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        yield from opened(SenseweaveEmbeddings(model="starter"))


class TestChromaOfTinyCLIPStandard(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tiny_clip: str) -> Iterator[VectorStore]:
        yield from opened(SenseweaveEmbeddings(model=tiny_clip))
