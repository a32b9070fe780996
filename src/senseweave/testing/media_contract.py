"""The contract of a framework's embeddings of images, audio and video, as tests: subclass it and say how to ask.

    class TestMyEmbeddings(MediaContract):
        modalities = ("image", "audio")

        def make_model(self):
            return MyEmbeddings("my-model")

        def embed(self, model, modality, items):
            return getattr(model, f"embed_{modality}")(items)

        async def aembed(self, model, modality, items): ...

        def embed_query(self, model, text): ...

        def embed_texts(self, model, texts): ...

Needs pytest-asyncio (`asyncio_mode = "auto"`); it draws its own small files.
"""

from __future__ import annotations

import base64
import inspect
import math
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from senseweave.testing.samples import MIME_TYPES, SUFFIXES, sample_files

FORMS = ("str", "path", "file_uri", "data_uri", "bytes", "pil")
"""The forms that an input may have; `pil` is for images alone."""


class MediaContract:
    """The suite. Fill in `make_model` and the methods after it, and the properties where the defaults do not fit."""

    @property
    def modalities(self) -> Sequence[str]:
        """What the model embeds besides text, of `image`, `audio` and `video`."""
        return ("image",)

    @property
    def input_forms(self) -> Sequence[str]:
        """The forms of input that it takes, of those that `input_in_form` makes."""
        return ("str",)

    @property
    def tolerance(self) -> float:
        """Largest difference between two computations of one vector, per dimension."""
        return 1e-4

    def make_model(self) -> Any:
        """Return a new instance of the model, of equal settings each time."""
        raise NotImplementedError

    def embed(self, model: Any, modality: str, items: Any) -> Any:
        """Return the model's answer to media of a modality.

        Raises:
            NotImplementedError: If the model has no method for the modality.
        """
        raise NotImplementedError

    def aembed(self, model: Any, modality: str, items: Any) -> Awaitable[Any]:
        """Return what `embed` returns, by the model's asynchronous method."""
        raise NotImplementedError

    def embed_query(self, model: Any, text: str) -> Any:
        """Return the vector of a text as a query."""
        raise NotImplementedError

    def embed_texts(self, model: Any, texts: list[str]) -> Any:
        """Return the vectors of texts as documents."""
        raise NotImplementedError

    def input_in_form(self, path: Path, modality: str, form: str) -> Any:
        """Return a file in one of the forms that an input may have, of `FORMS`; a framework adds its own."""
        if form == "pil":
            return Image.open(path)
        data = path.read_bytes()
        return {
            "str": str(path),
            "path": path,
            "file_uri": path.as_uri(),
            "data_uri": f"data:{MIME_TYPES[modality]};base64,{base64.b64encode(data).decode()}",
            "bytes": data,
        }[form]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for the modalities that it is about."""
        if "modality" in metafunc.fixturenames:
            lacking = metafunc.definition.name == "test_a_modality_that_is_lacking_is_an_error"
            every = [modality for modality in SUFFIXES if (modality in self.modalities) != lacking]
            metafunc.parametrize("modality", every)

    @pytest.fixture
    def model(self) -> Any:
        """Return the model."""
        return self.make_model()

    @pytest.fixture
    def samples(self, tmp_path: Path) -> Callable[..., list[Path]]:
        """Return a function that draws three small files of a modality."""
        return partial(sample_files, tmp_path)

    def test_media_methods_take_lists_and_return_lists_of_floats(self, model: Any, samples: Any, modality: str) -> None:
        """Check that each item has a list of plain, finite Python floats, as stores need."""
        items = [str(path) for path in samples(modality)]
        vectors = self.embed(model, modality, items)
        assert type(vectors) is list
        assert len(vectors) == len(items)
        for vector in vectors:
            assert type(vector) is list, "a vector must be a list: Chroma refuses an array where there is metadata"
            assert all(type(value) is float for value in vector)
            assert all(math.isfinite(value) for value in vector)

    def test_media_and_text_have_vectors_of_one_length(self, model: Any, samples: Any, modality: str) -> None:
        """Check that the vector of a text can be compared with those of media."""
        vectors = self.embed(model, modality, [str(path) for path in samples(modality)])
        assert {len(vector) for vector in vectors} == {len(self.embed_query(model, "a photo"))}

    def test_a_single_string_is_refused(self, model: Any, samples: Any, modality: str) -> None:
        """Check that a path that is not in a list is a TypeError, not a list of letters."""
        with pytest.raises(TypeError):
            self.embed(model, modality, str(samples(modality)[0]))

    def test_an_empty_list_gives_an_empty_list(self, model: Any, modality: str) -> None:
        """Check that nothing in is nothing out, and no error."""
        assert self.embed(model, modality, []) == []

    def test_an_item_has_the_same_vector_alone_and_in_a_batch(self, model: Any, samples: Any, modality: str) -> None:
        """Check that batches change neither values nor order."""
        items = [str(path) for path in samples(modality)]
        alone = [self.embed(model, modality, [item])[0] for item in items]
        self._assert_close(self.embed(model, modality, items), alone)
        self._assert_close(self.embed(model, modality, items[::-1]), alone[::-1])

    def test_other_instances_give_the_same_vectors(self, model: Any, samples: Any, modality: str) -> None:
        """Check that a second instance of equal settings agrees with the first."""
        items = [str(path) for path in samples(modality)]
        self._assert_close(self.embed(self.make_model(), modality, items), self.embed(model, modality, items))

    def test_different_media_have_different_vectors(self, model: Any, samples: Any, modality: str) -> None:
        """Check that the content is looked at."""
        vectors = np.array(self.embed(model, modality, [str(path) for path in samples(modality)]))
        for left, right in ((0, 1), (0, 2), (1, 2)):
            assert np.abs(vectors[left] - vectors[right]).max() > self.tolerance

    def test_all_forms_of_one_content_have_one_vector(self, model: Any, samples: Any, modality: str) -> None:
        """Check that path, URL of a file, data URI, bytes and decoded image agree, of those that are taken."""
        path = samples(modality)[0]
        forms = [form for form in self.input_forms if form != "pil" or modality == "image"]
        expected = self.embed(model, modality, [str(path)])[0]
        for form in forms:
            self._assert_close(self.embed(model, modality, [self.input_in_form(path, modality, form)]), [expected])

    def test_an_unreadable_file_is_named(self, model: Any, samples: Any, tmp_path: Path, modality: str) -> None:
        """Check that a bad file among good files is an error that names it."""
        broken = tmp_path / f"broken{SUFFIXES[modality]}"
        broken.write_bytes(b"this is no media at all " * 10)
        for bad in (broken, tmp_path / f"missing{SUFFIXES[modality]}"):
            with pytest.raises(Exception, match=bad.stem):
                self.embed(model, modality, [str(samples(modality)[0]), str(bad)])

    def test_text_that_looks_like_a_file_stays_text(self, model: Any, samples: Any, modality: str) -> None:
        """Check that a query is never opened as a file."""
        path = samples(modality)[0]
        media = self.embed(model, modality, [str(path)])[0]
        by_path, by_uri = self.embed_query(model, str(path)), self.embed_query(model, path.as_uri())
        path.unlink()
        self._assert_close([self.embed_query(model, str(path))], [by_path])
        for text in (by_path, by_uri, self.embed_texts(model, [str(path)])[0]):
            assert np.abs(np.array(text) - np.array(media)).max() > self.tolerance

    def test_text_that_looks_like_a_url_is_not_fetched(self, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Check that a query is never fetched; models behind an API of their own mark this as an expected failure."""
        self.embed_query(model, "warm up")

        def refuse(*args: Any, **kwargs: Any) -> Any:
            msg = f"a text was looked up: {args}"
            raise AssertionError(msg)

        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        monkeypatch.setattr(socket.socket, "connect", refuse)
        assert len(self.embed_query(model, "https://example.com/photo.png"))
        assert len(self.embed_texts(model, ["https://example.com/photo.png", "https://example.com/talk.mp3"])) == 2

    async def test_async_agrees_with_sync(self, model: Any, samples: Any, modality: str) -> None:
        """Check that there is an asynchronous method, which gives the same vectors."""
        items = [str(path) for path in samples(modality)]
        expected = self.embed(model, modality, items)
        result = self.aembed(model, modality, items)
        assert inspect.isawaitable(result)
        self._assert_close(await result, expected)

    def test_a_modality_that_is_lacking_is_an_error(self, model: Any, samples: Any, modality: str) -> None:
        """Check that a model without a modality says so instead of making vectors of something else."""
        with pytest.raises((NotImplementedError, ValueError)):
            self.embed(model, modality, [str(samples(modality)[0])])

    def _assert_close(self, given: Any, expected: Any) -> None:
        np.testing.assert_allclose(np.array(given), np.array(expected), atol=self.tolerance, rtol=0)
