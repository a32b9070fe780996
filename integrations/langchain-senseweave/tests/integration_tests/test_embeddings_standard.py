"""The standard suites of langchain-tests, and the suite for media, for the embedded default and for a tiny CLIP."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_senseweave import SenseweaveEmbeddings
from langchain_senseweave.testing import FORMS, MultimodalEmbeddingsTests, sample_files


class _Starter:
    @property
    def embeddings_class(self) -> type[SenseweaveEmbeddings]:
        return SenseweaveEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, object]:
        return {"model": "starter"}

    @property
    def modalities(self) -> tuple[str, ...]:
        return ("image", "audio", "video")

    @property
    def input_forms(self) -> tuple[str, ...]:
        return FORMS


class _TinyCLIP(_Starter):
    folder: str

    @pytest.fixture(autouse=True)
    def _save(self, tiny_clip: str) -> None:
        type(self).folder = tiny_clip

    @property
    def embedding_model_params(self) -> dict[str, object]:
        return {"model": self.folder}

    @property
    def modalities(self) -> tuple[str, ...]:
        return ("image",)


class TestStarterUnit(_Starter, EmbeddingsUnitTests):
    pass


class TestStarterIntegration(_Starter, EmbeddingsIntegrationTests):
    pass


class TestStarterMedia(_Starter, MultimodalEmbeddingsTests):
    @pytest.fixture
    def samples(self, tmp_path, corpus):
        """Recordings of speech, since words are what the starter compares; else the suite's own samples."""

        def chosen(modality: str) -> list[Path]:
            if modality != "audio":
                return sample_files(tmp_path, modality)
            names = ("recording-01.wav", "recording-02.flac", "recording-06.wav")
            return [Path(shutil.copy(corpus / "audio" / name, tmp_path)) for name in names]

        return chosen


class TestTinyCLIPUnit(_TinyCLIP, EmbeddingsUnitTests):
    pass


class TestTinyCLIPIntegration(_TinyCLIP, EmbeddingsIntegrationTests):
    pass


class TestTinyCLIPMedia(_TinyCLIP, MultimodalEmbeddingsTests):
    pass
