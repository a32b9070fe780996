"""Sound events: YAMNet's scores are those of the original weights, and speech is transcribed only where it is heard."""

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.bridges import faster_whisper, yamnet
from senseweave.encoders.bridges.faster_whisper import FasterWhisper, is_speech
from senseweave.encoders.bridges.yamnet import SAMPLING_RATE, Yamnet
from senseweave.encoders.parts.starter_weights import YAMNET
from senseweave.encoders.runtime import pinned_weights
from senseweave.errors import WeightsError
from senseweave.media import Waveform

SECONDS = np.arange(3 * SAMPLING_RATE) / SAMPLING_RATE
TONE = 0.5 * np.sin(2 * np.pi * 440 * SECONDS)
SIGNALS = {
    "tone": TONE,
    "noise": 0.1 * np.random.default_rng(0).standard_normal(len(SECONDS)),
    "clicks": np.where(np.arange(len(SECONDS)) % 8000 < 4, 0.9, 0.0),
    "sweep": 0.5 * np.sin(2 * np.pi * (500 * SECONDS + 400 * SECONDS**2)),
    "silence": 0.0 * SECONDS,
    "short": TONE[:800],
}
ORIGINAL = {
    "tone": (6, {"Telephone": 0.9964, "Dial tone": 0.9858, "Alarm": 0.9766, "Busy signal": 0.9689, "Sidetone": 0.0459}),
    "noise": (6, {"White noise": 0.4294, "Waterfall": 0.4191, "Static": 0.3022, "Noise": 0.2622, "Water": 0.2590}),
    "clicks": (6, {"Silence": 0.2309, "Sound effect": 0.1454, "Tick": 0.0841, "Ping": 0.0761, "Door": 0.0592}),
    "sweep": (6, {"Alarm": 0.3163, "Synthesizer": 0.3027, "Siren": 0.2147, "Musical instrument": 0.1285}),
    "silence": (6, {"Silence": 1.0, "Speech": 0.0, "Music": 0.0}),
    "short": (1, {"Alarm": 0.2982, "Telephone": 0.2941, "Dial tone": 0.2474, "Beep, bleep": 0.2083}),
}
"""Patches, and mean scores by the unchanged float32 variables of the original checkpoint, batch norms not folded."""


def wave(name):
    return Waveform(SIGNALS[name].astype(np.float32), SAMPLING_RATE)


@pytest.mark.parametrize("name", SIGNALS)
def test_features_are_those_that_torch_computes(name, events):
    from senseweave.encoders.parts.yamnet_torch import YamnetTorch
    from senseweave.encoders.runtime.tensor_files import MappedTensors

    sound = wave(name)
    expected = YamnetTorch(MappedTensors(YAMNET.find().path(yamnet.WEIGHTS)), "cpu").features(sound.samples)
    # torch's float32 spectrogram of a pure tone is off by 0.002 beside the tone.
    np.testing.assert_allclose(events.features(sound), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.fixture(scope="module")
def events():
    return Yamnet(device="cpu")


@pytest.fixture(scope="module")
def starter():
    return sw.load("starter", device="cpu")


@pytest.mark.parametrize("name", SIGNALS)
def test_scores_are_those_of_the_original_weights(events, name):
    patches, expected = ORIGINAL[name]
    scores = events.scores(wave(name))
    assert scores.shape == (patches, 521)
    mean = dict(zip(events.labels, scores.mean(axis=0), strict=True))
    assert {label: mean[label] for label in expected} == pytest.approx(expected, abs=0.01)


def test_features_are_those_before_the_classifier(events):
    features = events.features(wave("tone"))
    assert features.shape == (6, 1024)
    assert list(np.argsort(-features[0])[:3]) == [326, 967, 55]
    assert features.sum() == pytest.approx(969.19, rel=0.01)


def test_the_end_of_a_recording_is_heard(events):
    silence = np.zeros(int(2.1 * SAMPLING_RATE), np.float32)
    silence[-1600:] = TONE[:1600]
    scores = events.scores(Waveform(silence, SAMPLING_RATE))
    assert scores[-1, events.places(["Silence"])[0]] < 0.5 < scores[0, events.places(["Silence"])[0]]


def test_changed_weights_are_refused_by_name(monkeypatch, tmp_path):
    for file in YAMNET.files:
        content = YAMNET.find().read(file)
        (tmp_path / file).write_bytes(content[:-1] + b"\0" if file == yamnet.WEIGHTS else content)
    monkeypatch.setattr(pinned_weights, "locate", lambda package: tmp_path)
    with pytest.raises(WeightsError, match=r"yamnet\.safetensors"):
        Yamnet(device="cpu").scores(wave("short"))


@pytest.mark.parametrize(
    ("text", "no_speech", "compression", "kept"),
    [
        (" Hello there.", 0.1, 1.0, True),
        (" Здравствуйте", 0.1, 1.0, True),
        (" . . .", 0.1, 1.0, False),
        (" ♪♪", 0.1, 1.0, False),
        ("", 0.1, 1.0, False),
        (" Thank you.", 0.9, 1.0, False),
        (" no no no no", 0.1, 3.0, False),
    ],
)
def test_invented_segments_are_left_out(text, no_speech, compression, kept):
    class Segment:
        no_speech_prob = no_speech
        compression_ratio = compression

    Segment.text = text
    assert is_speech(Segment()) is kept
    assert faster_whisper.join_segments([Segment(), Segment()]) == (f"{text.strip()} {text.strip()}" if kept else "")


@pytest.mark.integration
def test_what_holds_no_speech_is_named_and_never_transcribed(starter, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("transcribed a sound without speech")

    monkeypatch.setattr(FasterWhisper, "transcribe", refuse)
    monkeypatch.setattr(FasterWhisper, "transcribe_batch", refuse)
    monkeypatch.setattr(FasterWhisper, "recognize", refuse)
    described = starter.encode([sw.Audio(wave(name)) for name in ("tone", "noise")]).descriptions
    assert described[0].split(", ")[0] in {"Telephone", "Dial tone", "Busy signal"}
    assert described[1].startswith(("White noise", "Static", "Waterfall"))
    told = starter.describe([sw.Audio(wave("tone"))])[0]
    assert told.text == ""
    assert {tag.label for tag in told.tags} >= {"Telephone", "Alarm"}


@pytest.mark.integration
def test_a_sound_is_found_by_its_name(starter):
    sounds = starter.embed([sw.Audio(wave(name)) for name in ("tone", "noise", "silence")])
    names = starter.embed([sw.Text(text) for text in ("a phone rings", "white noise", "silence")], role="query")
    assert list((names @ sounds.T).argmax(axis=1)) == [0, 1, 2]


@pytest.mark.integration
def test_speech_and_a_sound_beside_it_are_both_in_the_window(starter, corpus):
    sound = sw.Audio(corpus / "audio" / "recording-01.wav").decode(sampling_rate=SAMPLING_RATE)
    samples = sound.samples[: 7 * SAMPLING_RATE]
    ringing = np.concatenate([samples, np.tile(TONE, 2).astype(np.float32)])
    speech, both = (
        starter.encode([sw.Audio(Waveform(values.astype(np.float32), SAMPLING_RATE))]) for values in (samples, ringing)
    )
    assert "dental" in speech.descriptions[0].lower()
    assert "[" not in speech.descriptions[0]
    assert "dental" in both.descriptions[0].lower()
    assert "[" in both.descriptions[0]
    bell = starter.embed([sw.Text("a telephone rings")], role="query")[0]
    assert bell @ both.vectors[0] > bell @ speech.vectors[0]
