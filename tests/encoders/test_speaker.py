"""The published speaker encoder tells voices apart, whatever they say and however they are recorded."""

import importlib.util

import numpy as np
import pytest

import senseweave as sw
from senseweave.errors import ModelError, WeightsError

ONE_VOICE = ["recording-01.wav", "recording-05.m4a", "recording-06.wav", "recording-07.mp3"]
OTHER_VOICES = ["recording-02.flac", "recording-04.ogg"]

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("resemblyzer") is None, reason="pip install --no-deps resemblyzer"
)


@pytest.mark.integration
@needs_weights
def test_recordings_of_one_speaker_are_closer_than_those_of_two(corpus):
    space = sw.load("speaker:resemblyzer", device="cpu")
    vectors = space.embed_audio([corpus / "audio" / name for name in ONE_VOICE + OTHER_VOICES])
    similar = space.similarity(vectors, vectors)
    same = similar[:4, :4][~np.eye(4, dtype=bool)]
    other = np.concatenate([similar[:4, 4:].ravel(), similar[4, 5:]])
    assert same.min() > other.max() + 0.1


def test_weights_of_another_checksum_are_not_loaded(tmp_path, monkeypatch):
    from senseweave.encoders.families import speaker

    (tmp_path / "pretrained.pt").write_bytes(b"not the tested weights")
    encoder = speaker.SpeakerEncoder(tmp_path / "pretrained.pt", sha256=speaker.RESEMBLYZER_SHA256, device="cpu")
    space = sw.Space("speaker", {"audio": encoder})
    with pytest.raises(WeightsError, match="SHA-256"):
        space.embed_audio([(np.ones(16_000, np.float32) * 0.1, 16_000)])


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ModelError, match="no file"):
        sw.load("speaker:/nowhere/weights.pt")


@needs_weights
def test_silence_has_a_vector_and_is_reported():
    space = sw.load("speaker:resemblyzer", device="cpu")
    with pytest.warns(UserWarning, match="silent"):
        assert np.isfinite(space.embed_audio([(np.zeros(16_000, np.float32), 16_000)])).all()
