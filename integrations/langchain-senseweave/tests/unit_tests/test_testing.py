"""The public suite passes for good embeddings, and finds the faults that it is there to find."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from langchain_senseweave import MediaCacheBackedEmbeddings, SenseweaveEmbeddings
from langchain_senseweave.testing import FORMS, MultimodalEmbeddingsTests, sample_files


class _Toy(MultimodalEmbeddingsTests):
    @property
    def embeddings_class(self):
        return SenseweaveEmbeddings

    @property
    def input_forms(self):
        return FORMS

    @pytest.fixture(autouse=True)
    def _use_a_toy_space(self, make_space):
        self.make_space = make_space


class TestAllModalities(_Toy):
    @property
    def embedding_model_params(self):
        return {"model": self.make_space()}

    @property
    def modalities(self):
        return ("image", "audio", "video")


class TestImagesAlone(_Toy):
    @property
    def embedding_model_params(self):
        return {"model": self.make_space(modalities=["text", "image"])}


class TestCached(_Toy):
    @property
    def embeddings_class(self):
        return MediaCacheBackedEmbeddings

    @property
    def embedding_model_params(self):
        from langchain_core.stores import InMemoryByteStore

        return {"embeddings": SenseweaveEmbeddings(model=self.make_space()), "store": InMemoryByteStore()}

    @property
    def modalities(self):
        return ("image", "audio", "video")


class Opening(SenseweaveEmbeddings):
    """Takes a text that names a file for the file."""

    def embed_query(self, text):
        return self.embed_image([text])[0] if Path(text).exists() else super().embed_query(text)


class Arrays(SenseweaveEmbeddings):
    """Returns arrays."""

    def embed_image(self, uris=None, **options):
        return [np.array(vector) for vector in super().embed_image(uris, **options)]


class Letters(SenseweaveEmbeddings):
    """Takes a string for a list."""

    def embed_image(self, uris=None, **options):
        return [[0.0]] if isinstance(uris, str) else super().embed_image(uris, **options)


class Reversed(SenseweaveEmbeddings):
    """Returns batches in another order."""

    def embed_image(self, uris=None, **options):
        return super().embed_image(uris, **options)[::-1]


class Silent(SenseweaveEmbeddings):
    """Makes something up for files that it cannot read."""

    def embed_image(self, uris=None, **options):
        return super().embed_image([uri for uri in uris if Path(uri).exists() and "broken" not in str(uri)], **options)


FAULTS = [
    (Opening, "test_text_that_looks_like_a_file_stays_text"),
    (Arrays, "test_media_methods_take_lists_and_return_lists_of_floats"),
    (Letters, "test_a_single_string_is_refused"),
    (Reversed, "test_an_item_has_the_same_vector_alone_and_in_a_batch"),
    (Reversed, "test_async_agrees_with_sync"),
    (Silent, "test_an_unreadable_file_is_named"),
]


@pytest.mark.parametrize(("faulty", "test"), FAULTS)
def test_the_suite_fails_for_faulty_embeddings(faulty, test, space, tmp_path):
    suite = MultimodalEmbeddingsTests()
    arguments = {
        "model": faulty(model=space),
        "samples": lambda modality: sample_files(tmp_path, modality),
        "modality": "image",
    }
    if "unreadable" in test:
        arguments["tmp_path"] = tmp_path
    method = getattr(suite, test)

    def run():
        return asyncio.run(method(**arguments)) if asyncio.iscoroutinefunction(method) else method(**arguments)

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run()
