"""A pytest suite for the author of any LangChain embeddings of images, audio or video, not of senseweave's alone.

LangChain's own suites cover text. This suite covers the methods that its stores look for: `embed_image(uris=[...])`,
`embed_audio` and `embed_video`. Inherit it in a test module, beside those of `langchain_tests`:

    class TestMyMedia(MultimodalEmbeddingsTests):
        @property
        def embeddings_class(self):
            return MyEmbeddings

        @property
        def embedding_model_params(self):
            return {"model": "my-model"}

        @property
        def modalities(self):
            return ("image", "audio")

Needs pytest and pytest-asyncio (`asyncio_mode = "auto"`), in the extra `testing`; it draws its own small files.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents.base import Blob
from langchain_core.embeddings import Embeddings

from senseweave.testing import FORMS as MEDIA_FORMS
from senseweave.testing import MIME_TYPES, MediaContract, sample_files

__all__ = ["FORMS", "MultimodalEmbeddingsTests", "sample_files"]

FORMS = (*MEDIA_FORMS, "blob", "blob_data")
"""The forms that an input may have; `pil` is for images alone."""


class MultimodalEmbeddingsTests(MediaContract):
    """The suite. Set `embeddings_class`, and the properties below it where the defaults do not fit.

    The properties `modalities`, `input_forms` (of `FORMS`) and `tolerance` are those of `MediaContract`.
    """

    @property
    def embeddings_class(self) -> type[Embeddings]:
        """The class to test."""
        raise NotImplementedError

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        """Arguments of its constructor."""
        return {}

    def make_model(self) -> Any:
        """Return the embeddings."""
        return self.embeddings_class(**self.embedding_model_params)

    def embed(self, model: Any, modality: str, items: Any) -> Any:
        """Return what `embed_<modality>(uris=[...])` returns."""
        return _method(model, f"embed_{modality}")(uris=items)

    def aembed(self, model: Any, modality: str, items: Any) -> Any:
        """Return what `aembed_<modality>(uris=[...])` returns."""
        return _method(model, f"aembed_{modality}")(uris=items)

    def embed_query(self, model: Any, text: str) -> Any:
        """Return the vector of a text as a query."""
        return model.embed_query(text)

    def embed_texts(self, model: Any, texts: list[str]) -> Any:
        """Return the vectors of texts as documents."""
        return model.embed_documents(texts)

    def input_in_form(self, path: Path, modality: str, form: str) -> Any:
        """Return a file in one of `FORMS`."""
        if form == "blob":
            return Blob.from_path(path)
        if form == "blob_data":
            return Blob.from_data(path.read_bytes(), mime_type=MIME_TYPES[modality])
        return super().input_in_form(path, modality, form)

    def test_the_stock_chroma_store_finds_an_image_by_itself(self, model: Any, samples: Any, tmp_path: Path) -> None:
        """Check that `Chroma.add_images` and `similarity_search_by_image` work, with metadata and without."""
        if "image" not in self.modalities:
            pytest.skip("embeds no images")
        chroma = pytest.importorskip("langchain_chroma")
        if metadata.version("langchain-chroma").startswith("1.0."):
            pytest.skip("langchain-chroma 1.0 passes a batch of vectors where Chroma wants one")
        store = chroma.Chroma("images", model, persist_directory=str(tmp_path / "chroma"))
        uris = [str(path) for path in samples("image")]
        store.add_images(uris=uris, metadatas=[{"number": 0}, {}, {"number": 2}], ids=["0", "1", "2"])
        for number in (0, 2):
            assert store.similarity_search_by_image(uris[number], k=1)[0].metadata == {"number": number}


def _method(model: Any, name: str) -> Any:
    if not hasattr(model, name):
        msg = f"there is no {name}"
        raise NotImplementedError(msg)
    return getattr(model, name)
