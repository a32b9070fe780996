"""BEATs gives the numbers of the authors' code, whatever a checkpoint says of its layers."""

import numpy as np
import pytest
from tiny_beats import CFG, NORM_FIRST, beats_tensors, make_beats, reference

import senseweave as sw
from senseweave.errors import ModelError, WeightsError

SPEECHBRAIN = [
    0.17339, 0.00125, 0.30306, 0.05162, 0.1568, -0.00481, -0.41688, 0.23616, 0.01102, 0.13737, 0.16259, 0.14384,
    -0.33784, -0.1294, -0.08175, 0.07114, -0.05049, -0.10331, -0.54921, 0.08265, -0.02393, 0.29983, -0.01572, 0.01033,
]  # fmt: skip
"""Computed with SpeechBrain 1.1.2, which carries the authors' code (`BEATs`), and the tensors of `tiny_beats`."""
PLAIN = [
    0.18737, 0.01184, 0.31341, 0.02007, 0.16233, 0.0105, -0.42575, 0.23955, 0.01218, 0.14276, 0.15796, 0.11918,
    -0.35714, -0.13512, -0.08416, 0.06421, -0.04061, -0.10628, -0.53036, 0.07685, -0.02614, 0.28827, -0.01853, 0.00811,
]  # fmt: skip
"""The same without relative positions and their gates, with `gelu_accurate`."""
UNGATED = [
    0.16861, 0.00401, 0.31308, 0.04389, 0.15481, 0.00232, -0.41375, 0.23735, 0.01139, 0.14092, 0.15885, 0.13827,
    -0.34113, -0.12473, -0.08239, 0.06821, -0.04833, -0.10487, -0.55227, 0.08333, -0.02336, 0.2936, -0.01754, 0.00895,
]  # fmt: skip
"""The same with relative positions and without gates."""


@pytest.fixture
def noise():
    return (0.1 * np.random.default_rng(3).normal(size=40_000)).astype(np.float32)


def save(path, cfg, leave_out=(), classes=0, **more):
    import torch

    tensors = {
        name: tensor for name, tensor in beats_tensors(classes).items() if not any(part in name for part in leave_out)
    }
    torch.save({"cfg": cfg, "model": {**tensors, **more}}, path)
    return f"beats:{path}"


@pytest.mark.parametrize(
    ("changes", "leave_out", "expected"),
    [
        ({}, (), SPEECHBRAIN),
        ({"gru_rel_pos": False}, ("grep",), UNGATED),
        (
            {"gru_rel_pos": False, "relative_position_embedding": False, "activation_fn": "gelu_accurate"},
            ("grep", "relative_attention"),
            PLAIN,
        ),
    ],
    ids=["published", "without-gates", "without-positions"],
)
def test_a_checkpoint_gives_the_vectors_of_the_authors(changes, leave_out, expected, tmp_path, noise):
    space = sw.load(save(tmp_path / "BEATs.pt", {**CFG, **changes}, leave_out), device="cpu")
    np.testing.assert_allclose(space.embed_audio([(noise, 16_000)])[0], expected, atol=2e-5)


def test_a_fine_tuned_checkpoint_gives_what_goes_into_its_classifier(tmp_path, noise):
    fine_tuned = save(tmp_path / "tuned.pt", {**CFG, "finetuned_model": True}, classes=5)
    plain = save(tmp_path / "plain.pt", CFG)
    vectors = [sw.load(name, device="cpu").embed_audio([(noise, 16_000)]) for name in (fine_tuned, plain)]
    np.testing.assert_allclose(*vectors, atol=1e-6)


def test_weights_that_a_newer_torch_saved_are_read(tmp_path, noise):
    tensors = beats_tensors()
    lengths, directions = (tensors[f"encoder.pos_conv.0.weight_{part}"] for part in "gv")
    newer = "encoder.pos_conv.0.parametrizations.weight.original"
    name = save(tmp_path / "newer.pt", CFG, ("weight_g", "weight_v"), **{f"{newer}0": lengths, f"{newer}1": directions})
    np.testing.assert_allclose(sw.load(name, device="cpu").embed_audio([(noise, 16_000)])[0], SPEECHBRAIN, atol=2e-5)


@pytest.mark.parametrize("samples", [1, 100, 2799, 2800])
def test_the_shortest_sounds_are_padded_to_a_patch(tmp_path, samples):
    space = sw.load(make_beats(tmp_path), device="cpu")
    sound = (0.1 * np.random.default_rng(5).normal(size=samples) + 0.1).astype(np.float32)
    expected = reference(CFG)(tmp_path, [sw.Audio((sound, 16_000)).decode(sampling_rate=16_000)], "document")[0]
    vector = space.embed_audio([(sound, 16_000)])[0]
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=2e-5)


def test_what_a_checkpoint_says_of_itself_changes_the_vectors_and_the_fingerprint(tmp_path, noise):
    names = [save(tmp_path / f"{at}.pt", cfg) for at, cfg in enumerate((CFG, {**CFG, "max_distance": 20}, NORM_FIRST))]
    spaces = [sw.load(name, device="cpu") for name in names]
    vectors = np.concatenate([space.embed_audio([(noise, 16_000)]) for space in spaces])
    assert (vectors @ vectors.T)[np.triu_indices(3, 1)].max() < 0.99999
    others = [
        sw.load(names[0], device="cpu", **options) for options in ({"dtype": "bfloat16"}, {"window_seconds": 5.0})
    ]
    assert len({space.fingerprint for space in (*spaces, *others)}) == 5


def test_files_of_other_models_are_named(tmp_path):
    import torch

    sound = [(np.ones(1600, np.float32) / 9, 16_000)]
    torch.save({"weight": torch.ones(3)}, tmp_path / "other.pt")
    wrong = {
        f"beats:{tmp_path / 'other.pt'}": r"no checkpoint of BEATs, or incomplete: it lacks patch_embedding\.weight",
        save(
            tmp_path / "layers.pt", {**CFG, "encoder_layers": 3}
        ): "says that it has 3 layers, and holds the weights of 2",
        save(tmp_path / "heads.pt", {**CFG, "encoder_attention_heads": 4}): "says that it has 4 heads",
        save(tmp_path / "tokenizer.pt", CFG, **{"quantize.embedding.weight": torch.ones(3, 3)}): r"quantize\.embedding",
        save(tmp_path / "less.pt", CFG, ("weight_v",)): r"it lacks encoder\.pos_conv\.0\.weight_v",
    }
    for name, message in wrong.items():
        with pytest.raises(WeightsError, match=message):
            sw.load(name, device="cpu").embed_audio(sound)
    refused = {
        save(tmp_path / "glu.pt", {**CFG, "activation_fn": "glu"}): "has the activation 'glu'; expected one of gelu",
        save(
            tmp_path / "bare.pt", None
        ): "without their settings; expected the authors' file, with both 'cfg' and 'model'",
    }
    for name, message in refused.items():
        with pytest.raises(ModelError, match=message):
            sw.load(name, device="cpu").embed_audio(sound)
    with pytest.raises(ModelError, match="there is no file"):
        sw.load("beats:gone.pt")


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    import argparse

    name = save(tmp_path / "code.pt", argparse.Namespace(**CFG))
    with pytest.raises(ModelError, match="cannot be read as weights"):
        sw.load(name, device="cpu").embed_audio([(np.ones(1600, np.float32) / 9, 16_000)])
