"""Models by name: options reach them, and embeddings pickle without their weights."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import senseweave as sw
from langchain_senseweave import SenseweaveEmbeddings
from langchain_senseweave.testing import sample_files


def test_options_reach_the_model(tiny_clip):
    short = SenseweaveEmbeddings(model=tiny_clip, dimensions=4, device="cpu", dtype="float32", max_length=8)
    assert short.dimension == len(short.embed_query("a dog")) == 4
    raw = SenseweaveEmbeddings(model=tiny_clip, normalize=False)
    assert np.linalg.norm(raw.embed_query("a dog")) != pytest.approx(1.0, abs=1e-3)
    assert SenseweaveEmbeddings(model="starter", load_options={"window_seconds": 5.0}).fingerprint != (
        SenseweaveEmbeddings(model="starter").fingerprint
    )


def test_an_option_that_the_family_lacks_is_an_error_that_lists_those_it_has():
    with pytest.raises(TypeError, match=r"no option colour; it has: .*device"):
        _ = SenseweaveEmbeddings(model="starter", load_options={"colour": "red"}).space


def test_a_model_that_does_not_exist_is_an_error_that_names_it():
    with pytest.raises(sw.ModelError, match="nonsense"):
        _ = SenseweaveEmbeddings(model="nonsense:model").space


def test_embeddings_pickle_small_and_give_the_same_vectors_again(tiny_clip):
    embeddings = SenseweaveEmbeddings(model=tiny_clip)
    vector = embeddings.embed_query("a dog")
    pickled = pickle.dumps(embeddings)
    assert len(pickled) < 5000
    assert pickle.loads(pickled).embed_query("a dog") == vector


@pytest.mark.parametrize("model", ["starter", "tiny_clip"])
def test_vectors_are_those_of_the_core(model, tmp_path, request):
    name = request.getfixturevalue("tiny_clip") if model == "tiny_clip" else model
    space, embeddings = sw.load(name), SenseweaveEmbeddings(model=name)
    images = sample_files(tmp_path, "image")
    assert embeddings.embed_query("a dog") == space.embed_text(["a dog"], role="query")[0].tolist()
    assert embeddings.embed_image(images) == space.embed_image(images).tolist()
