"""The standard suites of langchain-tests for SenseweaveEmbeddings on the embedded default."""

from __future__ import annotations

from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_senseweave import SenseweaveEmbeddings


class TestStarterUnit(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[SenseweaveEmbeddings]:
        return SenseweaveEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, object]:
        return {"model": "starter"}


class TestStarterIntegration(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[SenseweaveEmbeddings]:
        return SenseweaveEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, object]:
        return {"model": "starter"}
