"""What a sentence-transformers folder says of its vectors holds in every family that reads such folders."""

import json
from functools import partial

import numpy as np
import pytest
from tiny_clap import clap_maker
from tiny_image_text import make_blip, make_clip, make_sentence_transformers_clip, make_siglip
from tiny_omni import maker
from tiny_sentence import save_sentence_model, save_static
from tiny_text import texts

import senseweave as sw

pytestmark = pytest.mark.filterwarnings("ignore")
MAKERS = {
    "static": partial(save_static, kind="sentence-transformers"),
    "clip": make_sentence_transformers_clip,
    "omni": maker(make_clip),
    "siglip": make_siglip,
    "blip": make_blip,
}
TOWERS = {**{kind: MAKERS[kind] for kind in ("clip", "siglip", "blip")}, "clap": clap_maker(fused=False)}
"""Families that tokenize by themselves; transformers' CLAP gives unit vectors."""


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


@pytest.mark.parametrize("kind", TOWERS)
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"prompts": {"query": "find: ", "document": ""}}, {"query": "find: ", "document": ""}),
        ({"prompts": {"own": "a: "}, "default_prompt_name": "own"}, {"query": "a: ", "document": "a: "}),
        ({"prompts": {"own": "a: "}}, {"query": "", "document": ""}),
    ],
)
def test_saved_prompts_are_put_before_texts(kind, settings, expected, tmp_path):
    TOWERS[kind](tmp_path)
    items = texts(tmp_path)
    plain = sw.load(str(tmp_path), cache_size=0, device="cpu")
    vectors = {role: plain.embed_text([prompt + text for text in items]) for role, prompt in expected.items()}
    save_settings(tmp_path, **settings)
    space = sw.load(str(tmp_path), cache_size=1, device="cpu")
    for role, rows in vectors.items():
        np.testing.assert_allclose(space.embed_text(items, role=role), rows, atol=1e-5)
    assert (space.fingerprint == plain.fingerprint) == (not any(expected.values()))


def test_a_layer_behind_a_clip_is_not_left_out(tmp_path):
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense
    from tiny_image import pictures

    make_sentence_transformers_clip(tmp_path)
    torch.manual_seed(1)
    folder = tmp_path / "1_Dense"
    folder.mkdir()
    Dense(12, 8).save(str(folder))
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules.append({"idx": 1, "name": "1", "path": "1_Dense", "type": "sentence_transformers.models.Dense"})
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    space = sw.load(str(tmp_path), cache_size=0, device="cpu")
    model = SentenceTransformer(str(tmp_path), device="cpu")
    assert space.dimension == 8
    assert space.modalities == ("text", "image")
    items = texts(tmp_path)
    expected = np.stack([model.encode(text) for text in items])
    np.testing.assert_allclose(
        space.embed_text(items), expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5
    )
    assert space.embed_image(pictures(tmp_path)).shape == (4, 8)
    with pytest.raises(sw.ModelError, match="has Dense behind its CLIP"):
        sw.load(f"clip:{tmp_path}")


DAMAGED = {
    "prompts": [["query: "], "query: ", {"query": 3}, {"own": ["a: "]}],
    "default_prompt_name": [["own"], 3],
    "truncate_dim": [True, 0, "16"],
    "similarity_fn_name": [3, ["dot"]],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in DAMAGED.items() for value in values])
def test_a_setting_of_another_type_is_an_error_that_names_the_folder(folder, key, value):
    save_settings(folder, **{key: value})
    with pytest.raises(sw.ModelError, match="model.*" + ("prompts" if "prompt" in key else "")):
        sw.load(str(folder), cache_size=1, device="cpu").embed_text(["a dog"])


@pytest.mark.parametrize("module", [{"idx": 0, "path": ""}, {"path": 3, "type": "sentence_transformers.models.Dense"}])
def test_a_module_without_type_or_path_is_an_error_that_names_the_file(tmp_path, module):
    save_sentence_model(tmp_path / "model")
    (tmp_path / "model" / "modules.json").write_text(json.dumps([module]))
    with pytest.raises(sw.ModelError, match=r"model: modules\.json must hold a path and a type"):
        sw.load(str(tmp_path / "model")).embed_text(["a dog"])


def test_the_usual_prompt_of_a_model_of_several_modalities_is_in_its_fingerprint(tmp_path):
    MAKERS["omni"](tmp_path)
    prompts = {"prompts": {"one": "a: ", "other": "b: "}}
    found = []
    for at, usual in enumerate((None, "one", "other")):
        save_settings(tmp_path, **prompts, default_prompt_name=usual)
        found.append(sw.load(str(tmp_path), cache_size=at, device="cpu").fingerprint)
    assert len(set(found)) == 3
