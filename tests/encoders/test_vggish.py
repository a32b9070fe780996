"""VGGish gives the numbers of its ports to torch, from the layouts of both, and refuses what it is not."""

import numpy as np
import pytest
from tiny_vggish import torchaudio_names, vggish_tensors, whitening_tensors

import senseweave as sw
from senseweave.errors import ModelError, WeightsError

TORCHVGGISH = [0.27506, 0.24205, 0.01947, 0.18084, 0.71479, 0, 0, 0.55222, 0, 0, 0, 0.12965]
"""Computed with the front end of torchvggish 0.2, the network of torchaudio 2.5.1 and the tensors of `tiny_vggish`."""
WHITENED = [0.35263, 0.0638, 0.23779, 0.34915, 0.36075, 0.25519, 0.35843, 0.38511, 0.36423, 0.13804, 0.19139, 0.18095]
"""The same, after `Postprocessor` of torchvggish 0.2."""


@pytest.fixture
def noise():
    return (0.1 * np.random.default_rng(3).normal(size=40_000)).astype(np.float32)


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        (vggish_tensors(), TORCHVGGISH),
        (torchaudio_names(vggish_tensors()), TORCHVGGISH),
        ({**vggish_tensors(), **whitening_tensors()}, WHITENED),
    ],
    ids=["torchvggish", "torchaudio", "whitened"],
)
def test_a_checkpoint_gives_the_vectors_of_the_ports(tensors, expected, tmp_path, noise):
    import torch

    torch.save(tensors, tmp_path / "vggish.pth")
    space = sw.load(f"vggish:{tmp_path / 'vggish.pth'}", device="cpu")
    np.testing.assert_allclose(space.embed_audio([(noise, 16_000)])[0], expected, atol=2e-5)


@pytest.mark.parametrize("samples", [1, 100, 15_599, 15_600])
def test_the_shortest_sounds_are_padded_to_an_example(tmp_path, samples):
    import torch

    torch.save(vggish_tensors(), tmp_path / "vggish.pth")
    space = sw.load(f"vggish:{tmp_path / 'vggish.pth'}", device="cpu")
    sound = np.linspace(0.1, 0.2, samples, dtype=np.float32)
    silence = np.zeros(15_600 - samples, np.float32)
    whole = np.concatenate([sound, silence])
    np.testing.assert_allclose(*(space.embed_audio([(part, 16_000)]) for part in (sound, whole)), atol=1e-6)


def test_a_window_holds_ten_whole_examples(tmp_path):
    import torch

    torch.save(vggish_tensors(), tmp_path / "vggish.pth")
    encoder = sw.load(f"vggish:{tmp_path / 'vggish.pth'}", device="cpu").encoder("audio")
    count = round(encoder.window_seconds * 16_000)
    (prepared,) = encoder.prepare([sw.Audio((np.ones(count, np.float32) / 9, 16_000)).decode()], "document")
    assert prepared.data.shape == (10, 96, 64)


def test_files_of_other_models_are_named(tmp_path):
    import torch

    sound = [(np.ones(1600, np.float32) / 9, 16_000)]
    torch.save({"weight": torch.ones(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=r"no checkpoint of VGGish, or incomplete: it lacks features\.0\.weight"):
        sw.load(f"vggish:{tmp_path / 'other.pth'}").embed_audio(sound)
    tensors = {**vggish_tensors(), "pproc.pca_means": torch.zeros(12, 1)}
    torch.save(tensors, tmp_path / "half.pth")
    with pytest.raises(WeightsError, match=r"it lacks pproc\.pca_eigen_vectors"):
        sw.load(f"vggish:{tmp_path / 'half.pth'}").embed_audio(sound)
    torch.save({**vggish_tensors(), "fc_audioset.weight": torch.zeros(5, 12)}, tmp_path / "more.pth")
    with pytest.raises(WeightsError, match=r"fc_audioset\.weight \(unknown\)"):
        sw.load(f"vggish:{tmp_path / 'more.pth'}").embed_audio(sound)
    for name in ("vggish_model.ckpt", "broken.safetensors"):
        (tmp_path / name).write_bytes(b"weights of TensorFlow")
        with pytest.raises(ModelError, match=f"{name} cannot be read as weights"):
            sw.load(f"vggish:{tmp_path / name}").embed_audio(sound)
    torch.save([torch.ones(3)], tmp_path / "list.pth")
    with pytest.raises(ModelError, match=r"list\.pth holds a list, not tensors by name"):
        sw.load(f"vggish:{tmp_path / 'list.pth'}").embed_audio(sound)
    with pytest.raises(ModelError, match="there is no file"):
        sw.load("vggish:gone.pth")


def test_the_fingerprint_is_that_of_weights_window_and_number_type(tmp_path):
    import torch

    torch.save(vggish_tensors(), tmp_path / "one.pth")
    torch.save({**vggish_tensors(), **whitening_tensors()}, tmp_path / "two.pth")
    one, two = (f"vggish:{tmp_path / name}" for name in ("one.pth", "two.pth"))
    spaces = [sw.load(one), sw.load(two), sw.load(one, window_seconds=4.815), sw.load(one, dtype="float16")]
    assert len({space.fingerprint for space in spaces}) == 4
    assert sw.load(one, batch_seconds=1.0).fingerprint == spaces[0].fingerprint
