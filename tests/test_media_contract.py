"""A space keeps the contract of embeddings of media that every framework's package is tested by."""

from __future__ import annotations

from typing import Any

from senseweave.testing import FORMS, MediaContract, toy_space


class TestSpace(MediaContract):
    modalities = ("image", "audio", "video")
    input_forms = FORMS

    def make_model(self) -> Any:
        return toy_space()

    def embed(self, model: Any, modality: str, items: Any) -> Any:
        return getattr(model, f"embed_{modality}")(items).tolist()

    async def aembed(self, model: Any, modality: str, items: Any) -> Any:
        return (await getattr(model, f"aembed_{modality}")(items)).tolist()

    def embed_query(self, model: Any, text: str) -> Any:
        return model.embed_text([text], role="query").tolist()[0]

    def embed_texts(self, model: Any, texts: list[str]) -> Any:
        return model.embed_text(texts).tolist()


class TestSpaceWithoutSound(TestSpace):
    modalities = ("image",)

    def make_model(self) -> Any:
        return toy_space(modalities=["text", "image"])
