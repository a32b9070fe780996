"""The embedding model keeps the contract of embeddings of media that every framework's package is tested by."""

from __future__ import annotations

from typing import Any

from llama_index.embeddings.senseweave import SenseweaveEmbedding

from senseweave.testing import FORMS, MediaContract, toy_space


class TestSenseweaveEmbedding(MediaContract):
    modalities = ("image", "audio", "video")
    input_forms = FORMS

    def make_model(self) -> Any:
        return SenseweaveEmbedding(space=toy_space())

    def embed(self, model: Any, modality: str, items: Any) -> Any:
        return getattr(model, f"get_{modality}_embedding_batch")(items)

    def aembed(self, model: Any, modality: str, items: Any) -> Any:
        return getattr(model, f"aget_{modality}_embedding_batch")(items)

    def embed_query(self, model: Any, text: str) -> Any:
        return model.get_query_embedding(text)

    def embed_texts(self, model: Any, texts: list[str]) -> Any:
        return model.get_text_embedding_batch(texts)


class TestWithoutSound(TestSenseweaveEmbedding):
    modalities = ("image",)

    def make_model(self) -> Any:
        return SenseweaveEmbedding(space=toy_space(modalities=["text", "image"]))
