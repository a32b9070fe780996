"""What a sentence-transformers folder says of its vectors holds in every family that reads such folders."""

import json
from functools import partial

import numpy as np
import pytest
from tiny_image_text import make_clip, make_sentence_transformers_clip
from tiny_omni import maker
from tiny_sentence import save_static
from tiny_text import texts

import senseweave as sw

pytestmark = pytest.mark.filterwarnings("ignore")
MAKERS = {
    "static": partial(save_static, kind="sentence-transformers"),
    "clip": make_sentence_transformers_clip,
    "omni": maker(make_clip),
}


@pytest.fixture(params=MAKERS)
def folder(request, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    MAKERS[request.param](folder)
    return folder


def save_settings(folder, **settings):
    path = folder / "config_sentence_transformers.json"
    saved = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**saved, **settings}))


def test_vectors_of_a_model_of_dot_products_keep_their_lengths(folder, tmp_path):
    items = texts(tmp_path)
    unit = sw.load(str(folder), cache_size=0, device="cpu").embed_text(items)
    save_settings(folder, similarity_fn_name="dot")
    space = sw.load(str(folder), cache_size=1, device="cpu")  # another cache, so that the folder is read anew
    assert space.similarity_fn == "dot"
    kept = space.embed_text(items)
    lengths = np.linalg.norm(kept, axis=1, keepdims=True)
    assert np.abs(lengths - 1).max() > 0.05
    np.testing.assert_allclose(kept / lengths, unit, atol=1e-5)
    np.testing.assert_allclose(sw.load(str(folder), normalize=True).embed_text(items), unit, atol=1e-5)


def test_dimensions_that_were_saved_are_kept_unless_asked_otherwise(folder, tmp_path):
    items = texts(tmp_path)
    full = sw.load(str(folder), cache_size=0, device="cpu").embed_text(items)
    save_settings(folder, truncate_dim=4)
    cut = sw.load(str(folder), cache_size=1, device="cpu").embed_text(items)
    expected = full[:, :4] / np.linalg.norm(full[:, :4], axis=1, keepdims=True)
    np.testing.assert_allclose(cut, expected, atol=1e-5)
    asked = sw.load(str(folder), cache_size=0, device="cpu", dimensions=full.shape[1])
    np.testing.assert_allclose(asked.embed_text(items), full, atol=1e-5)
