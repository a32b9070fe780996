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

import base64
import inspect
import math
import socket
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents.base import Blob
from langchain_core.embeddings import Embeddings

from senseweave.testing import SUFFIXES, sample_files

__all__ = ["FORMS", "MultimodalEmbeddingsTests", "sample_files"]

FORMS = ("str", "path", "file_uri", "data_uri", "bytes", "blob", "blob_data", "pil")
"""The forms that an input may have; `pil` is for images alone."""


class MultimodalEmbeddingsTests:
    """The suite. Set `embeddings_class`, and the properties below it where the defaults do not fit."""

    @property
    def embeddings_class(self) -> type[Embeddings]:
        """The class to test."""
        raise NotImplementedError

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        """Arguments of its constructor."""
        return {}

    @property
    def modalities(self) -> tuple[str, ...]:
        """What it embeds besides text, of `image`, `audio` and `video`."""
        return ("image",)

    @property
    def input_forms(self) -> tuple[str, ...]:
        """The forms of input that it takes, of `FORMS`."""
        return ("str",)

    @property
    def tolerance(self) -> float:
        """Largest difference between two computations of one vector, per dimension."""
        return 1e-4

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for the modalities that it is about."""
        if "modality" in metafunc.fixturenames:
            lacking = metafunc.definition.name == "test_a_modality_that_is_lacking_is_an_error"
            every = [modality for modality in SUFFIXES if (modality in self.modalities) != lacking]
            metafunc.parametrize("modality", every)

    @pytest.fixture
    def model(self) -> Any:
        """The embeddings."""
        return self.embeddings_class(**self.embedding_model_params)

    @pytest.fixture
    def samples(self, tmp_path: Path) -> Callable[..., list[Path]]:
        """Draws three small files of a modality."""
        return partial(sample_files, tmp_path)

    def test_media_methods_take_uris_and_return_lists_of_floats(self, model: Any, samples: Any, modality: str) -> None:
        """`embed_<modality>(uris=[...])` gives one list of plain, finite Python floats per item, as stores need."""
        embed = self._method(model, modality)
        uris = [str(path) for path in samples(modality)]
        vectors = embed(uris=uris)
        assert type(vectors) is list
        assert len(vectors) == len(uris)
        for vector in vectors:
            assert type(vector) is list, "a vector must be a list: Chroma refuses an array where there is metadata"
            assert all(type(value) is float for value in vector)
            assert all(math.isfinite(value) for value in vector)

    def test_media_and_text_have_vectors_of_one_length(self, model: Any, samples: Any, modality: str) -> None:
        """A query text can be compared with media."""
        vectors = self._method(model, modality)(uris=[str(path) for path in samples(modality)])
        assert {len(vector) for vector in vectors} == {len(model.embed_query("a photo"))}

    def test_a_single_string_is_refused(self, model: Any, samples: Any, modality: str) -> None:
        """A path that is not in a list is a TypeError, not a list of letters."""
        with pytest.raises(TypeError):
            self._method(model, modality)(uris=str(samples(modality)[0]))

    def test_an_empty_list_gives_an_empty_list(self, model: Any, modality: str) -> None:
        """Nothing in, nothing out, and no error."""
        assert self._method(model, modality)(uris=[]) == []

    def test_an_item_has_the_same_vector_alone_and_in_a_batch(self, model: Any, samples: Any, modality: str) -> None:
        """Batches change neither values nor order."""
        embed = self._method(model, modality)
        uris = [str(path) for path in samples(modality)]
        alone = [embed(uris=[uri])[0] for uri in uris]
        self._assert_close(embed(uris=uris), alone)
        self._assert_close(embed(uris=uris[::-1]), alone[::-1])

    def test_other_instances_give_the_same_vectors(self, model: Any, samples: Any, modality: str) -> None:
        """A second instance of equal arguments agrees with the first."""
        uris = [str(path) for path in samples(modality)]
        other = self.embeddings_class(**self.embedding_model_params)
        self._assert_close(self._method(other, modality)(uris=uris), self._method(model, modality)(uris=uris))

    def test_different_media_have_different_vectors(self, model: Any, samples: Any, modality: str) -> None:
        """The content is looked at."""
        vectors = np.array(self._method(model, modality)(uris=[str(path) for path in samples(modality)]))
        for left, right in ((0, 1), (0, 2), (1, 2)):
            assert np.abs(vectors[left] - vectors[right]).max() > self.tolerance

    def test_all_forms_of_one_content_have_one_vector(self, model: Any, samples: Any, modality: str) -> None:
        """Path, URL of a file, data URI, bytes, blob and decoded image agree, of those that are taken."""
        path = samples(modality)[0]
        items = [_form(path, modality, form) for form in self.input_forms if form != "pil" or modality == "image"]
        expected = self._method(model, modality)(uris=[str(path)])[0]
        for item in items:
            self._assert_close(self._method(model, modality)(uris=[item]), [expected])

    def test_an_unreadable_file_is_named(self, model: Any, samples: Any, tmp_path: Path, modality: str) -> None:
        """A bad file among good files is an error that names it."""
        broken = tmp_path / f"broken{SUFFIXES[modality]}"
        broken.write_bytes(b"this is no media at all " * 10)
        embed = self._method(model, modality)
        for bad in (broken, tmp_path / f"missing{SUFFIXES[modality]}"):
            with pytest.raises(Exception, match=bad.stem):
                embed(uris=[str(samples(modality)[0]), str(bad)])

    def test_text_that_looks_like_a_file_stays_text(self, model: Any, samples: Any, modality: str) -> None:
        """A query is never opened as a file."""
        path = samples(modality)[0]
        media = self._method(model, modality)(uris=[str(path)])[0]
        by_path, by_uri = model.embed_query(str(path)), model.embed_query(path.as_uri())
        path.unlink()
        self._assert_close([model.embed_query(str(path))], [by_path])
        for text in (by_path, by_uri, model.embed_documents([str(path)])[0]):
            assert np.abs(np.array(text) - np.array(media)).max() > self.tolerance

    def test_text_that_looks_like_a_url_is_not_fetched(self, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """A query is never fetched; embeddings that call an API of their own mark this as an expected failure."""
        model.embed_query("warm up")

        def refuse(*args: Any, **kwargs: Any) -> Any:
            msg = f"a text was looked up: {args}"
            raise AssertionError(msg)

        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        monkeypatch.setattr(socket.socket, "connect", refuse)
        assert model.embed_query("https://example.com/photo.png")
        assert model.embed_documents(["https://example.com/photo.png", "https://example.com/talk.mp3"])

    async def test_async_agrees_with_sync(self, model: Any, samples: Any, modality: str) -> None:
        """`aembed_<modality>` exists, is a coroutine, and gives the same vectors."""
        uris = [str(path) for path in samples(modality)]
        expected = self._method(model, modality)(uris=uris)
        method = getattr(model, f"aembed_{modality}", None)
        assert method is not None, f"there is no aembed_{modality}"
        result = method(uris=uris)
        assert inspect.isawaitable(result)
        self._assert_close(await result, expected)

    def test_a_modality_that_is_lacking_is_an_error(self, model: Any, samples: Any, modality: str) -> None:
        """A model without a modality says so instead of making vectors of something else."""
        method = getattr(model, f"embed_{modality}", None)
        if method is not None:
            with pytest.raises((NotImplementedError, ValueError)):
                method(uris=[str(samples(modality)[0])])

    def test_the_stock_chroma_store_finds_an_image_by_itself(self, model: Any, samples: Any, tmp_path: Path) -> None:
        """`Chroma.add_images` and `similarity_search_by_image` work, with metadata and without."""
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

    def _method(self, model: Any, modality: str) -> Callable[..., Any]:
        method = getattr(model, f"embed_{modality}", None)
        assert method is not None, f"there is no embed_{modality}"
        found: Callable[..., Any] = method
        return found

    def _assert_close(self, given: Any, expected: Any) -> None:
        np.testing.assert_allclose(np.array(given), np.array(expected), atol=self.tolerance, rtol=0)


def _form(path: Path, modality: str, form: str) -> Any:
    mime_type = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}[modality]
    if form == "pil":
        from PIL import Image as PILImage

        return PILImage.open(path)
    data = path.read_bytes()
    return {
        "str": str(path),
        "path": path,
        "file_uri": path.as_uri(),
        "data_uri": f"data:{mime_type};base64,{base64.b64encode(data).decode()}",
        "bytes": data,
        "blob": Blob.from_path(path),
        "blob_data": Blob.from_data(data, mime_type=mime_type),
    }[form]
