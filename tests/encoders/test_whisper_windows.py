"""Windows of speech are decoded together with the words that they have alone, and those of 30 seconds if in doubt."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.bridges import speech_workers, whisper_windows
from senseweave.encoders.bridges.faster_whisper import EARLIER_SPEECH, FasterWhisper, is_speech, join_segments
from senseweave.encoders.bridges.whisper_windows import WHOLE_FRAMES, filled_frames, is_spoken
from senseweave.encoders.parts.starter_weights import WHISPER_TINY
from senseweave.media import Waveform

pytestmark = pytest.mark.integration
RATE = 16_000


@pytest.fixture(scope="module")
def recognizer():
    return FasterWhisper(WHISPER_TINY, language="en", padding="exact")


@pytest.fixture(scope="module")
def plain():
    """Without tokens of time, as earlier versions."""
    return FasterWhisper(WHISPER_TINY, language="en", padding="exact", timestamps=False)


@pytest.fixture(scope="module")
def short():
    return FasterWhisper(WHISPER_TINY, language="en")


@pytest.fixture(scope="module")
def windows(corpus):
    """The windows of all recordings of the sample corpus."""
    files = sorted((corpus / "audio").iterdir())
    parts = [window for file in files for window in sw.Audio(file).windows(15.0, at_pauses=True)]
    return [part.decode(sampling_rate=RATE) for part in parts]


@pytest.fixture
def one_thread(monkeypatch):
    """The program computes with one thread."""
    monkeypatch.setattr(speech_workers, "compute_threads", lambda: 1)


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


@pytest.mark.parametrize("padding", ["recognizer", "short", "plain"])
def test_a_window_has_the_same_words_alone_and_with_others(padding, windows, request):
    recognizer = request.getfixturevalue(padding)
    together = recognizer.transcribe_batch(windows, [None] * len(windows))
    alone = [recognizer.transcribe(window) for window in windows]
    assert together == alone
    assert [said.words for said in together] == [said.words for said in alone]


def test_windows_of_one_length_are_found_among_others_of_the_space(windows, one_thread, monkeypatch):
    space, sizes = sw.load("starter", device="cpu"), []
    decode = whisper_windows._Decoder.decode
    monkeypatch.setattr(
        whisper_windows._Decoder,
        "decode",
        lambda self, together, frames: sizes.append((frames, len(together))) or decode(self, together, frames),
    )
    spoken = [window.samples for window in windows if window.duration > 7][:4]
    clips = [samples[at * RATE :][: seconds * RATE] for at in (0, 1) for samples in spoken for seconds in (3, 6)]
    space.embed_audio([sw.Audio((clip, RATE)) for clip in clips])
    assert sorted(sizes[:2]) == [(400, 8), (800, 8)]


def test_windows_are_given_to_the_decoder_together(recognizer, windows, encoded, one_thread, monkeypatch):
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
    assert sum(sizes) == len(encoded) >= len(windows)


def of_faster_whisper(recognizer, sound, **options):
    """The text and the words, with their times, that faster-whisper writes greedily and without context."""
    how = {"beam_size": 1, "temperature": 0.0, "condition_on_previous_text": False, "word_timestamps": True}
    segments, _ = recognizer._model().transcribe(sound.samples, language="en", **how, **options)
    said = [segment for segment in segments if is_speech(segment)]
    words = tuple((word.word.strip(), round(float(word.start), 2)) for segment in said for word in segment.words)
    return join_segments(said), words


def test_transcript_and_times_are_those_of_faster_whisper(recognizer, windows):
    for window, said in zip(windows, recognizer.transcribe_batch(windows, [None] * len(windows)), strict=True):
        assert (said, said.words) == of_faster_whisper(recognizer, window)


def test_without_timestamps_they_are_those_of_faster_whisper_without(plain, windows):
    model = plain._model()
    how = {"beam_size": 1, "temperature": 0.0, "condition_on_previous_text": False, "without_timestamps": True}
    for window, said in zip(windows, plain.transcribe_batch(windows, [None] * len(windows)), strict=True):
        segments, _ = model.transcribe(window.samples, language="en", word_timestamps=True, **how)
        segment = next(segments)
        assert said == segment.text.strip()
        assert said.words == tuple((word.word.strip(), round(float(word.start), 2)) for word in segment.words)


def test_more_than_30_seconds_are_heard_as_by_faster_whisper(recognizer, windows):
    sound = Waveform(np.concatenate([window.samples for window in windows[:4]]), RATE)
    assert sound.duration > 35
    said = recognizer.transcribe(sound)
    assert (said, said.words) == of_faster_whisper(recognizer, sound)


@pytest.mark.parametrize("padding", ["recognizer", "short"])
def test_what_comes_after_an_unfinished_segment_is_decoded_from_there(padding, windows, encoded, monkeypatch, request):
    recognizer = request.getfixturevalue(padding)
    expected = recognizer.transcribe(windows[0])
    model, tried = recognizer._model().model, []

    class Interrupted:
        """Stops after the first segment, once."""

        def __getattr__(self, name):
            return getattr(model, name)

        def generate(self, states, prompts, **options):
            (result,) = model.generate(states, prompts, **options)
            tokens = list(result.sequences_ids[0])
            if not tried:
                times = [token > 50_000 and token != 50_256 for token in tokens]
                end = next(at for at in range(1, len(tokens)) if times[at - 1] and times[at])
                tokens = tokens[: end + 2]
            tried.append(tokens)
            scores = {"scores": result.scores, "no_speech_prob": result.no_speech_prob}
            return [SimpleNamespace(sequences_ids=[tokens], **scores)]

    monkeypatch.setattr(recognizer._model(), "model", Interrupted())
    encoded.clear()
    assert recognizer.transcribe(windows[0]) == expected
    assert len(encoded) == 2
    assert encoded[1] <= encoded[0]


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
    said = short.transcribe(Waveform(np.concatenate([speech, np.zeros(5 * RATE, np.float32), speech]), RATE))
    assert encoded[0] == 2000
    assert encoded[-1] == WHOLE_FRAMES
    assert said.words[-1][1] > 9


def test_a_text_that_repeats_itself_is_searched_with_a_beam(short, windows, encoded, monkeypatch):
    model, beams = short._model().model, []
    repeated = short._model().hf_tokenizer.encode(" federal" * 60, add_special_tokens=False).ids

    class Looping:
        """Repeats itself greedily."""

        def __getattr__(self, name):
            return getattr(model, name)

        def generate(self, states, prompts, **options):
            beams.append(options["beam_size"])
            (result,) = model.generate(states, prompts, **options)
            scores = {"scores": result.scores, "no_speech_prob": result.no_speech_prob}
            tokens = repeated if options["beam_size"] == 1 else result.sequences_ids[0]
            return [SimpleNamespace(sequences_ids=[tokens], **scores)]

    monkeypatch.setattr(short._model(), "model", Looping())
    assert "appointment" in short.transcribe(windows[0])
    assert beams[:3] == [1, 1, whisper_windows.REPEATED_BEAM]
    assert encoded[1:3] == [WHOLE_FRAMES] * 2


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


def test_padding_and_timestamps_change_the_fingerprint(recognizer, short, plain):
    assert set(short.identity()) - set(plain.identity()) == {"padding", "timestamps"}
    assert set(recognizer.identity()) - set(plain.identity()) == {"timestamps"}
    assert short.identity()["padding"]["filled"] == whisper_windows.FILLED
    choices = ({}, {"speech_padding": "exact"}, {"speech_timestamps": False}, EARLIER_SPEECH)
    assert len({sw.load("starter", **options).fingerprint for options in choices}) == 4


def test_transcripts_of_earlier_versions_have_the_identity_that_they_had(plain):
    assert plain.identity() == {
        "recognizer": "faster-whisper",
        "sha256": WHISPER_TINY.sha256,
        "language": "en",
        "compute_type": "int8",
        "checks": {"no_speech": 0.6, "compression": 2.4},
    }


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
