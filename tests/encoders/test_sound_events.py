"""CNN14 and ECAPA-TDNN give the numbers of their authors' packages, and refuse what they are not."""

import numpy as np
import pytest
from tiny_events import cnn14_tensors, ecapa_tensors

import senseweave as sw
from senseweave.errors import ModelError, WeightsError

SPEECHBRAIN = [
    0.26864,
    -0.38078,
    -0.18635,
    -0.09038,
    0.1445,
    0.10135,
    0.18348,
    -0.48011,
    0.48226,
    -0.43685,
    0.13959,
    0.04149,
]
"""Computed with SpeechBrain 1.1.2 (`Fbank`, mean over the sentence, `ECAPA_TDNN`) and the tensors of `tiny_events`."""
PANNS = [0, 0, 0.23127, 0.15068, 0.16561, 0.23219, 0, 0.25523, 0.50343, 0, 0.39793, 0.6046, 0, 0]
"""Computed with panns_inference 0.1.1 and torchlibrosa 0.1.0 (`Cnn14`, `embedding`) and the same."""


@pytest.fixture
def noise():
    return (0.1 * np.random.default_rng(3).normal(size=40_000)).astype(np.float32)


def test_a_folder_of_speechbrain_gives_the_vectors_of_speechbrain(tmp_path, noise):
    import torch

    torch.save(ecapa_tensors(), tmp_path / "embedding_model.ckpt")
    (tmp_path / "hyperparams.yaml").write_text("n_mels: 80\n")
    space = sw.load(str(tmp_path), device="cpu")
    np.testing.assert_allclose(space.embed_audio([(noise, 16_000)])[0], SPEECHBRAIN, atol=2e-5)


def test_a_checkpoint_of_panns_gives_the_vectors_of_panns(tmp_path, noise):
    import torch

    torch.save({"iteration": 1, "model": cnn14_tensors()}, tmp_path / "Cnn14.pth")
    space = sw.load(f"panns:{tmp_path / 'Cnn14.pth'}", device="cpu")
    assert space.encoder("audio").decode_options == {"sampling_rate": 32_000}
    np.testing.assert_allclose(space.embed_audio([(noise, 32_000)])[0], PANNS, atol=2e-5)


@pytest.mark.parametrize("samples", [1, 100, 1600])
def test_the_shortest_sounds_have_vectors(tmp_path, samples):
    from tiny_events import make_cnn14, make_ecapa

    for make in (make_cnn14, make_ecapa):
        space = sw.load(make(tmp_path), device="cpu")
        sound = np.linspace(0.1, 0.2, samples, dtype=np.float32)
        assert np.isfinite(space.embed_audio([(sound, space.encoder("audio").decode_options["sampling_rate"])])).all()


def test_files_of_other_models_are_named(tmp_path):
    import torch

    torch.save({"weight": torch.ones(3)}, tmp_path / "embedding_model.ckpt")
    with pytest.raises(WeightsError, match=r"no checkpoint of CNN14, or incomplete: it lacks logmel_extractor\.melW"):
        sw.load(f"panns:{tmp_path / 'embedding_model.ckpt'}").embed_audio([(np.ones(1600, np.float32), 16_000)])
    with pytest.raises(WeightsError, match=r"no ECAPA-TDNN of SpeechBrain, or incomplete: it lacks blocks\.0\.conv"):
        sw.load(str(tmp_path)).embed_audio([(np.ones(1600, np.float32), 16_000)])
    with pytest.raises(ModelError, match="there is no file"):
        sw.load("panns:gone.pth")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"holds no embedding_model\.safetensors or embedding_model\.ckpt"):
        sw.load(f"ecapa:{tmp_path / 'empty'}")
