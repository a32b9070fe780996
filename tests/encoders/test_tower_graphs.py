"""Graphs of image encoders and of models with two towers: equal to torch in every type, and used without it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import warm_python
from pictures import pictures
from tiny_image import IMAGE_FAMILIES
from tiny_image_text import IMAGE_TEXT_FAMILIES, make_clip, make_siglip2
from tiny_text import texts

import senseweave as sw
from senseweave.encoders.parts import graph_encoder
from senseweave.encoders.parts.graph_image import PICTURES, GraphImage
from senseweave.encoders.runtime.backends import precision

pytest.importorskip("onnxscript")
pytest.importorskip("openvino")

ENGINES = ("onnx", "openvino")
WITHOUT_GRAPHS = ("siglip2-image", "open-clip-text", "timm-folder")
"""The last has weights so lively that torch itself is 2.7e-5 from float64; the next model takes its place."""


def make_timm_vit(folder: Path) -> str:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(timm.create_model("test_vit").state_dict(), folder / "model.safetensors")
    return f"timm:test_vit//{folder / 'model.safetensors'}"


CASES = {case.id: case for case in (*IMAGE_TEXT_FAMILIES, *IMAGE_FAMILIES)}
CASES["timm-vit"] = dataclasses.replace(CASES["timm-file"], id="timm-vit", make=make_timm_vit)


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cache(cache_folder, monkeypatch):
    monkeypatch.setenv("SENSEWEAVE_CACHE", str(cache_folder))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {}

    def model(make) -> str:
        if make not in made:
            made[make] = make(tmp_path_factory.mktemp("model"))
        return made[make]

    return model


@pytest.fixture(scope="module")
def clip(models) -> str:
    return models(make_clip)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    return [Path(path) for path in pictures(tmp_path_factory.mktemp("pictures"))]


@pytest.mark.parametrize(
    "case", [case for name, case in CASES.items() if name not in WITHOUT_GRAPHS], ids=lambda c: c.id
)
def test_a_graph_gives_the_vectors_of_torch(models, tmp_path, case):
    name, modality = models(case.make), case.modality
    items = [*case.items(tmp_path), *([""] if modality == "text" else [])]
    plain = sw.load(name, device="cpu", cache_size=0, backend="torch")
    expected = getattr(plain, f"embed_{modality}")(items)
    for engine in ENGINES:
        graph = sw.load(name, cache_size=0, backend=engine)
        embed = getattr(graph, f"embed_{modality}")
        np.testing.assert_allclose(embed(items), expected, atol=1e-5)
        np.testing.assert_allclose(np.concatenate([embed([item]) for item in items]), expected, atol=1e-5)
        ours, theirs = graph.encoders[modality], plain.encoders[modality]
        assert ours.identity() == theirs.identity()
        assert ours.dimension == theirs.dimension
        for setting in ("max_length", "logit_scale", "logit_bias", "image_side", "similarity"):
            assert getattr(ours, setting) == getattr(theirs, setting), setting
        described = ours.describe_backend()
        assert (described["backend"], described["precision"]) == (engine, "fp32")


@pytest.mark.parametrize("engine", ENGINES)
def test_images_that_keep_their_shape_are_refused_by_name(models, engine):
    space = sw.load(models(make_siglip2), backend=engine, cache_size=0)
    with pytest.raises(sw.ModelError, match=r"its own preparation does more .*; use backend='torch'"):
        space.encoders["image"].load()
    space.encoders["text"].load()


def test_images_of_different_sizes_are_refused_by_name(tmp_path):
    from transformers import ViTImageProcessorPil

    folder = Path(CASES["resnet"].make(tmp_path))
    ViTImageProcessorPil(size={"shortest_edge": 32}).save_pretrained(folder)
    with pytest.raises(sw.ModelError, match="its images have different sizes; use backend='torch'"):
        sw.load(str(folder), backend="onnx").load()


COMPUTE = """
import sys
import numpy as np
import senseweave as sw
name, engine, file, *photos = sys.argv[1:]
space = sw.load(name, backend=engine, device="cpu" if engine == "torch" else None, cache_size=0)
vectors = {"image": space.embed_image(photos)}
if "text" in space.modalities:
    vectors["text"] = space.embed_text(["a dog", "rain"], role="query")
    scale = space.encoders["text"].logit_scale
np.savez(file, **vectors)
print(space.fingerprint, space.dimension, [name for name in ("torch", "transformers", "onnx") if name in sys.modules])
"""
MAKE = """
import sys
import senseweave as sw
for engine in ("onnx", "openvino"):
    sw.load(sys.argv[1], backend=engine, cache_size=0).load()
"""


@pytest.mark.parametrize("engine", ["auto", *ENGINES])
@pytest.mark.parametrize("family", ["clip-text", "siglip-text", "vit", "timm-vit"])
def test_a_later_process_needs_neither_torch_nor_transformers(models, photos, tmp_path, family, engine):
    name, files = models(CASES[family].make), [str(tmp_path / file) for file in ("torch.npz", "graph.npz")]
    shown = list(map(str, photos))
    for program in (("-c", MAKE, name), ("-c", COMPUTE, name, "torch", files[0], *shown)):
        first = warm_python.run(*program, env=os.environ)
        assert first.returncode == 0, first.stderr
    command = [sys.executable, "-c", COMPUTE, name, engine, files[1], *shown]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fingerprint, dimension, _ = first.stdout.split(maxsplit=2)
    assert done.stdout.split(maxsplit=2) == [fingerprint, dimension, "[]\n"]
    with np.load(files[0]) as expected, np.load(files[1]) as vectors:
        assert set(vectors) == set(expected)
        for modality in expected:
            np.testing.assert_allclose(vectors[modality], expected[modality], atol=1e-5)


def test_auto_takes_the_graph_of_each_tower_that_has_one(tmp_path):
    import torch
    from transformers import CLIPModel

    name = make_clip(tmp_path)
    model = CLIPModel.from_pretrained(name)
    with torch.no_grad():
        model.visual_projection.weight.mul_(1.5)
    model.save_pretrained(name)  # a model of which no other test makes graphs
    described = sw.load(name, device="cpu", cache_size=0).info()["backends"]
    assert {modality: facts["backend"] for modality, facts in described.items()} == {"text": "torch", "image": "torch"}
    sw.load(name, backend="onnx", cache_size=0).encoders["image"].load()
    described = sw.load(name, device="cpu", cache_size=1).info()["backends"]
    assert {modality: facts["backend"] for modality, facts in described.items()} == {"text": "torch", "image": "onnx"}
    shared = sw.load(name, device=["cpu", "cuda:0"], cache_size=0).replicas("image")
    assert [type(encoder).__name__ for encoder in shared] == ["TowerImage"] * 2  # what one prepares, both compute


def test_auto_computes_in_torch_if_the_graph_cannot_be_computed(clip, photos, monkeypatch, caplog):
    plain = sw.load(clip, backend="torch", device="cpu", cache_size=0)
    sw.load(clip, backend="onnx", cache_size=0).load()

    def broken(*arguments):
        raise RuntimeError("no kernel for this")

    monkeypatch.setattr(graph_encoder, "_backend", broken)
    space = sw.load(clip, device="cpu", cache_size=3)
    assert isinstance(space.encoders["image"], GraphImage)
    np.testing.assert_allclose(space.embed_image(photos), plain.embed_image(photos), atol=1e-6)
    assert space.fingerprint == plain.fingerprint
    assert space.encoders["text"].logit_scale == plain.encoders["text"].logit_scale
    assert "torch computes it, because its graph cannot: no kernel for this" in caplog.text


@pytest.mark.parametrize(("engine", "least"), [("onnx", 0.9), ("openvino", 0.99)])
def test_eight_bits_of_an_image_tower_say_what_they_cost(clip, photos, engine, least):
    exact, reduced = (sw.load(clip, backend=engine, precision=kind, cache_size=0) for kind in ("fp32", "int8"))
    cosines = (exact.embed_image(photos) * reduced.embed_image(photos)).sum(axis=1)
    backends = json.loads(json.dumps(reduced.info()))["backends"]
    loss = backends["image"]["loss"]
    assert loss["images"] == PICTURES
    assert backends["text"]["loss"]["texts"] == len(precision.LOSS_TEXTS)
    assert least < loss["cosine_min"] <= loss["cosine_mean"] <= 1
    assert least < cosines.min() < 1, "weights of 8 bits are not those of 32"
    assert reduced.fingerprint != exact.fingerprint


def test_bfloat16_of_openvino_says_what_it_costs(clip, photos):
    if not precision.processor_has("avx512_bf16", "amx_bf16"):
        pytest.skip("this processor has no bfloat16")
    exact = sw.load(clip, backend="openvino", cache_size=0)
    half = sw.load(clip, backend="openvino", precision="bf16", cache_size=0)
    assert 0.99 < half.info()["backends"]["image"]["loss"]["cosine_min"] <= 1
    assert (exact.embed_image(photos) * half.embed_image(photos)).sum(axis=1).min() > 0.99
    assert half.fingerprint != exact.fingerprint


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_that_differs_is_an_error_that_says_by_how_much(tmp_path, monkeypatch, engine):
    monkeypatch.setenv("SENSEWEAVE_CACHE", str(tmp_path / "cache"))  # other tests make graphs of equal models
    name = CASES["convnext"].make(tmp_path)
    right = {"onnx": graph_encoder.Onnx, "openvino": graph_encoder.OpenVino}[engine]
    if engine == "openvino":
        sw.load(name, backend="onnx", cache_size=0).load()

    def wrong(called, graph, collate):
        return right(called, graph, lambda items: {key: -value for key, value in collate(items).items()})

    monkeypatch.setattr(graph_encoder, right.__name__, wrong)
    with pytest.raises(sw.ModelError, match=r"differ from those of torch by \d.\de[+-]\d\d, more than 1e-05"):
        sw.load(name, backend=engine, cache_size=0).load()


def test_more_tokens_than_the_tower_can_take_are_refused(clip):
    with pytest.raises(ValueError, match="at most 64 tokens"):
        sw.load(clip, backend="onnx", max_length=1000).embed_text(["a dog"])


def test_fewer_tokens_are_read_where_the_user_says_so(clip):
    plain, graph = (sw.load(clip, device="cpu", backend=each, max_length=5, cache_size=0) for each in ("torch", "onnx"))
    sentences = [sw.Text(text) for text in texts(Path())]
    expected, found = plain.encode(sentences), graph.encode(sentences)
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)
    assert found.dropped == expected.dropped
    assert graph.fingerprint == plain.fingerprint


def test_an_index_of_one_backend_is_searched_by_another(clip, photos, tmp_path):
    with sw.Index(tmp_path / "index", spaces=[sw.load(clip, backend="torch", device="cpu")]) as index:
        index.add([*photos, sw.Text("a small dog"), sw.Text("rain on the roof")])
        expected = [(hit.source, round(hit.score, 4)) for hit in index.search("a dog", k=4)]
    for engine in ENGINES:
        with sw.Index(tmp_path / "index", spaces=[sw.load(clip, backend=engine)]) as index:
            assert [(hit.source, round(hit.score, 4)) for hit in index.search("a dog", k=4)] == expected


def test_a_text_model_of_the_same_space_is_a_graph_too(clip, tmp_path):
    from tiny_sentence import save_sentence_model

    (tmp_path / "text").mkdir()
    other = save_sentence_model(tmp_path / "text", dense=12, normalize=False)
    plain, graph = (sw.load(clip, text=other, device="cpu", backend=each, cache_size=0) for each in ("torch", "onnx"))
    np.testing.assert_allclose(graph.embed_text(["a dog"]), plain.embed_text(["a dog"]), atol=1e-5)
    assert graph.encoders["text"].logit_scale == plain.encoders["text"].logit_scale
    assert graph.fingerprint == plain.fingerprint


def test_the_precision_of_torch_is_shown(clip):
    if not precision.processor_has("avx512_bf16", "amx_bf16"):
        pytest.skip("this processor has no bfloat16")
    half = sw.load(clip, device="cpu", precision="bf16", cache_size=0)
    for facts in half.info()["backends"].values():
        assert (facts["backend"], facts["precision"]) == ("torch", "bf16")
    assert half.fingerprint == sw.load(clip, device="cpu", dtype="bfloat16", cache_size=0).fingerprint
