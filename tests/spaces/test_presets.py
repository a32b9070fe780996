"""Presets: each named checkpoint loads as its authors configured it, and what is missing is told by repository."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.spaces import presets
from senseweave.spaces.presets import PRESETS, Preset, PresetModel
from senseweave.stores import Memory

sys.path.append(str(Path(__file__).parents[1] / "encoders" / "tiny"))

MODELS = {model.name: model for preset in PRESETS for model in preset.models}


def small_open_clip(architecture):
    """A folder with open_clip's configuration of an architecture, made small, and random weights."""

    def make(folder):
        import open_clip
        import torch
        from safetensors.torch import save_file

        config = open_clip.get_model_config(architecture)
        config["embed_dim"] = 192
        vision, text = config["vision_cfg"], config["text_cfg"]
        if "timm_model_name" in vision:
            vision["timm_model_name"] = "vit_tiny_patch16_224"
        else:
            vision |= {"width": 64, "layers": 1}
        text |= {"width": 192, "heads": 3, "layers": 1}
        settings = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
        (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": settings}))
        torch.manual_seed(0)
        sizes = {name: value for name, value in config.items() if name != "custom_text"}
        model = (open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP)(**sizes)
        tensors = {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}
        save_file(tensors, folder / "open_clip_model.safetensors")
        return str(folder)

    return make


def small_bge(folder):
    from tiny_sentence import save_sentence_model

    return save_sentence_model(folder / "bge-small-en-v1.5", pooling="cls", kind="Bert")


def small_m3(folder):
    from tiny_sentence import save_sentence_model
    from tiny_text import unigram_tokenizer

    options = {"kind": "XLMRoberta", "tokenizer": unigram_tokenizer, "max_position_embeddings": 66}
    return save_sentence_model(folder / "bge-m3", pooling="cls", **options)


def small_clap(folder):
    from tiny_clap import clap_maker

    return clap_maker(fused=False)(folder)


SMALL = {
    "open_clip:ViT-B-32/laion2b_s34b_b79k": (small_open_clip("ViT-B-32"), "open_clip", {"text", "image"}),
    "open_clip:ViT-B-16-SigLIP/webli": (small_open_clip("ViT-B-16-SigLIP"), "open_clip", {"text", "image"}),
    "laion/larger_clap_general": (small_clap, "clap", {"text", "audio"}),
    "BAAI/bge-small-en-v1.5": (small_bge, "sentence", {"text"}),
    "BAAI/bge-m3": (small_m3, "sentence", {"text"}),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_configuration_of_every_named_checkpoint_loads(name, tmp_path):
    make, scheme, modalities = SMALL[name]
    folder = tmp_path / "model"
    folder.mkdir()
    space = sw.load(make(folder), device="cpu")
    assert sw.encoders.registry.find_family(space.name)[0].scheme == scheme
    assert set(space.modalities) == modalities
    if "image" in modalities:
        vectors = space.embed_image([np.full((40, 50, 3), level, np.uint8) for level in (0, 200)])
    elif "audio" in modalities:
        vectors = space.embed_audio([(np.sin(np.arange(16_000) * step), 16_000) for step in (0.1, 0.3)])
    else:
        vectors = space.embed_text(["a dog barks", "the train stops"])
    assert vectors.shape == (2, space.dimension)
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("open_clip:")])
def test_open_clip_knows_the_tags_and_repositories(name):
    import open_clip

    architecture, tag = name.removeprefix("open_clip:").split("/")
    known = open_clip.get_pretrained_cfg(architecture, tag)["hf_hub"].strip("/")
    assert known == MODELS[name].repository


def test_an_index_takes_the_spaces_of_a_preset_and_remembers_their_own_names(monkeypatch):
    model = PresetModel("starter:image-features", "nobody/nothing", "MIT", 0.1)
    other = PresetModel("starter:sound-features", "nobody/nothing", "MIT", 0.1)
    monkeypatch.setattr(presets, "PRESETS", (Preset("two", "tests", (model, other)), Preset("one", "tests", (other,))))
    with sw.Index(Memory(), spaces="two") as index:
        assert list(index.spaces) == [model.name, other.name]
    with sw.Index(Memory(), spaces=["one", "starter:image-features"]) as index:
        assert list(index.spaces) == [other.name, model.name]
    assert sw.load("one").name == other.name
    with pytest.raises(sw.ModelError, match=r"'two' is a preset of several models.*spaces='two'.*load 'starter:image"):
        sw.load("two")


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_what_is_missing_is_told_by_the_repositories_of_the_preset(preset, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))

    def offline(name, **options):
        raise sw.ModelError(f"{name} is not in the cache, and there is no network")

    monkeypatch.setattr(sw.retrieval.index_spaces, "load", offline)
    listed = ", ".join(re.escape(model.repository) for model in preset.models)
    with pytest.raises(sw.ModelError, match=f"preset '{preset.name}' needs these repositories .*: {listed}; .*cache"):
        sw.Index(tmp_path / "index", spaces=preset.name)
    assert not (tmp_path / "index").exists()


def test_the_command_line_and_the_readme_list_the_presets():
    command = [sys.executable, "-c", "from senseweave.cli import main; main()", "info", "--presets", "--json"]
    shown = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert shown == json.loads(json.dumps([preset.describe() for preset in PRESETS]))
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for preset in PRESETS:
        spaces = ", ".join(f"`{space}`" for space in preset.spaces)
        assert f"| `{preset.name}` | {preset.need} | {spaces} |" in readme
