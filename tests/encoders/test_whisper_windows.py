"""Windows of speech are decoded together with the words that they have alone, and those of 30 seconds if in doubt."""

from itertools import pairwise

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.bridges import whisper_windows
from senseweave.encoders.bridges.faster_whisper import FasterWhisper
from senseweave.encoders.bridges.whisper_windows import WHOLE_FRAMES, filled_frames, is_spoken
from senseweave.encoders.parts.starter_weights import WHISPER_TINY
from senseweave.media import Waveform

pytestmark = pytest.mark.integration
RATE = 16_000


@pytest.fixture(scope="module")
def recognizer():
    return FasterWhisper(WHISPER_TINY, language="en")


@pytest.fixture(scope="module")
def short():
    return FasterWhisper(WHISPER_TINY, language="en", padding="short")


@pytest.fixture(scope="module")
def windows(corpus):
    """The windows of all recordings of the sample corpus."""
    files = sorted((corpus / "audio").iterdir())
    parts = [window for file in files for window in sw.Audio(file).windows(15.0, at_pauses=True)]
    return [part.decode(sampling_rate=RATE) for part in parts]


@pytest.fixture
def encoded(monkeypatch):
    """Frames of every spectrogram that is encoded."""
    from faster_whisper import WhisperModel

    frames, encode = [], WhisperModel.encode

    def count(model, features):
        frames.append(features.shape[-1])
        return encode(model, features)

    monkeypatch.setattr(WhisperModel, "encode", count)
    return frames


@pytest.mark.parametrize("padding", ["recognizer", "short"])
def test_a_window_has_the_same_words_alone_and_with_others(padding, windows, request):
    recognizer = request.getfixturevalue(padding)
    together = recognizer.transcribe_batch(windows, [None] * len(windows))
    alone = [recognizer.transcribe(window) for window in windows]
    assert together == alone
    assert [said.words for said in together] == [said.words for said in alone]


def test_windows_are_given_to_the_decoder_together(recognizer, windows, monkeypatch):
    model, sizes = recognizer._model().model, []

    class Counted:
        def __getattr__(self, name):
            return getattr(model, name)

        def generate(self, states, prompts, **options):
            sizes.append(len(prompts))
            return model.generate(states, prompts, **options)

    monkeypatch.setattr(recognizer._model(), "model", Counted())
    recognizer.transcribe_batch(windows, [None] * len(windows))
    assert sizes[0] == whisper_windows.DECODED_TOGETHER
    assert sum(sizes) == len(windows)


def test_transcript_and_times_are_those_of_faster_whisper(recognizer, windows):
    model = recognizer._model()
    how = {"beam_size": 1, "temperature": 0.0, "condition_on_previous_text": False, "without_timestamps": True}
    for window, said in zip(windows, recognizer.transcribe_batch(windows, [None] * len(windows)), strict=True):
        segments, _ = model.transcribe(window.samples, language="en", word_timestamps=True, **how)
        segment = next(segments)
        assert said == segment.text.strip()
        assert said.words == tuple((word.word.strip(), round(float(word.start), 2)) for word in segment.words)


def test_short_padding_has_nearly_the_same_words(recognizer, short, windows):
    exact, faster = (
        " ".join(each.transcribe_batch(windows, [None] * len(windows))).lower().split() for each in (recognizer, short)
    )
    assert len(set(exact) ^ set(faster)) <= 0.03 * len(exact)


def test_short_padding_encodes_less(short, windows, encoded):
    short.transcribe(windows[0])
    assert encoded == [filled_frames(round(100 * windows[0].duration))]
    assert encoded[0] <= 2000


def test_a_window_with_a_long_gap_is_decoded_again(short, windows, encoded):
    speech = windows[0].samples[: 4 * RATE]
    short.transcribe(Waveform(np.concatenate([speech, np.zeros(5 * RATE, np.float32), speech]), RATE))
    assert encoded == [2000, WHOLE_FRAMES]


def test_noise_has_no_words_and_is_decoded_again(short, encoded):
    noise = 0.01 * np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32)
    assert short.transcribe(Waveform(noise, RATE)) == ""
    assert encoded == [800, WHOLE_FRAMES]


def test_silence_and_nothing_have_no_words(recognizer, encoded):
    silence = Waveform(np.zeros(RATE, np.float32), RATE, silent=True)
    assert recognizer.transcribe_batch([silence, silence], [None, None]) == ["", ""]
    assert recognizer.transcribe_batch([], []) == []
    assert encoded == []


def test_words_have_rising_times_within_the_window(recognizer, windows):
    said = recognizer.transcribe(windows[0])
    starts = [second for _, second in said.words]
    assert all(earlier <= later for earlier, later in pairwise(starts))
    assert 0 <= starts[0] <= starts[-1] <= windows[0].duration


def test_only_short_padding_changes_the_fingerprint(recognizer, short):
    assert "padding" not in recognizer.identity()
    assert short.identity()["padding"]["filled"] == whisper_windows.FILLED
    spaces = [sw.load("starter", **options) for options in ({}, {"speech_padding": "short"})]
    assert spaces[0].fingerprint != spaces[1].fingerprint


def test_an_unknown_padding_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"speech_padding.*exact.*short"):
        sw.load("starter", speech_padding="none")


@pytest.mark.parametrize(("frames", "filled"), [(1, 400), (320, 400), (321, 800), (1500, 2000), (2900, 3000)])
def test_lengths_are_rounded_up(frames, filled):
    assert filled_frames(frames) == filled


@pytest.mark.parametrize(
    ("text", "no_speech", "compression", "spoken"),
    [("Hello.", 0.1, 1.0, True), (" . .", 0.1, 1.0, False), ("Hi.", 0.9, 1.0, False), ("no no no", 0.1, 3.0, False)],
)
def test_what_was_invented_is_told(text, no_speech, compression, spoken):
    assert is_spoken(text, no_speech, compression) is spoken
