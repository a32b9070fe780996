"""The language of a recording is told once, from its windows with speech, and decides all of its transcripts."""

import films
import numpy as np
import pytest
import soundfile

import senseweave as sw
from senseweave.encoders.bridges.base import Transcribe
from senseweave.encoders.bridges.spoken_language import (
    ENOUGH_WINDOWS,
    MOST_PLACES,
    WHISPER_LANGUAGES,
    choose,
    spread_spans,
)
from senseweave.encoders.families import starter
from senseweave.encoders.observation import Observation, Word
from senseweave.media import Waveform

RATE = 16_000
LEVELS = {"music": 0.1, "de": 0.3, "fr": 0.5, "word": 0.7}
"""What a recording holds, told by how loud it is."""
HEARD = {"de": {"de": 0.9, "en": 0.1}, "fr": {"fr": 0.8, "de": 0.2}, "word": {"en": 0.4, "de": 0.35, "fr": 0.25}}


def kind(sound):
    level = float(np.abs(sound.samples).mean())
    return min(LEVELS, key=lambda name: abs(LEVELS[name] - level))


class Recognizer:
    sampling_rate = RATE

    def __init__(self):
        self.asked = []

    def detect_languages(self, sound):
        self.asked.append(kind(sound))
        return HEARD[kind(sound)]

    def transcribe(self, sound, language=None):
        return f"said in {language}"

    def transcribe_batch(self, sounds, languages):
        return [self.transcribe(sound, language) for sound, language in zip(sounds, languages, strict=True)]

    def recognize(self, sound, language=None):
        return Observation(text="said", words=(Word("said", 0.0, 0.1, 0.9),), language=language, language_score=1.0)

    def identity(self):
        return {}


def record(path, *parts):
    """Write parts of a recording, as (kind, seconds)."""
    samples = [np.full(int(seconds * RATE), LEVELS[name], np.float32) for name, seconds in parts]
    soundfile.write(path, np.concatenate(samples), RATE)
    return path


@pytest.fixture
def recognizer():
    return Recognizer()


@pytest.fixture
def bridge(recognizer):
    return Transcribe(recognizer, text=None, is_speech=lambda sound: kind(sound) != "music")


def windows(path, seconds=15.0):
    return [part.decode(sampling_rate=RATE) for part in sw.Audio(path).windows(seconds)]


def test_all_windows_have_the_language_of_the_recording(bridge, recognizer, tmp_path):
    path = record(tmp_path / "talk.wav", ("de", 90), ("word", 15))
    assert {bridge.transcribe(window) for window in windows(path)} == {"said in de"}
    assert len(recognizer.asked) == ENOUGH_WINDOWS


def test_a_window_by_itself_has_the_language_of_its_recording(bridge, tmp_path):
    path = record(tmp_path / "talk.wav", ("de", 90), ("word", 15))
    assert bridge.transcribe(sw.Audio(path, span=(95.0, 105.0)).decode(sampling_rate=RATE)) == "said in de"


def test_what_is_no_speech_is_not_asked_for_its_language(bridge, recognizer, tmp_path):
    path = record(tmp_path / "radio.wav", ("music", 100), ("fr", 60), ("music", 100))
    assert {bridge.transcribe(window) for window in windows(path)} == {"said in fr"}
    assert set(recognizer.asked) == {"fr"}


def test_each_content_is_asked_once_whatever_it_is_called(bridge, recognizer, tmp_path):
    path = record(tmp_path / "one.wav", ("fr", 10))
    copy = tmp_path / "two.wav"
    copy.write_bytes(path.read_bytes())
    for file in (path, copy, path):
        (window,) = windows(file)
        assert bridge.transcribe(window) == "said in fr"
    assert recognizer.asked == ["fr"]


def test_samples_without_a_recording_speak_for_themselves(bridge):
    sound = Waveform(np.full(RATE, LEVELS["word"], np.float32), RATE)
    assert bridge.transcribe(sound) == "said in en"


def test_the_language_of_a_description_is_that_of_the_recording_with_its_probability(bridge, tmp_path):
    path = record(tmp_path / "talk.wav", ("fr", 20))
    (first, *_) = windows(path)
    told = bridge.observe(first, 3)
    assert (told.language, told.language_score) == ("fr", pytest.approx(0.8))


def test_a_recording_without_speech_has_no_language(bridge, recognizer, tmp_path):
    (window,) = windows(record(tmp_path / "music.wav", ("music", 10)))
    assert bridge.transcribe(window) == "said in None"
    assert recognizer.asked == []


def test_the_sound_of_a_video_belongs_to_its_whole_track(tmp_path):
    film = films.write(tmp_path / "film.mkv", films.moving_square(4.0, 1), np.full(4 * RATE, 0.1, np.float32))
    clip = sw.Video(film, span=(1.0, 2.0)).decode(frames=1, sampling_rate=RATE)
    assert clip.sound.recording.span is None
    assert clip.sound.recording.duration > 2 * clip.sound.duration


def test_languages_are_chosen_by_their_mean_probability():
    assert choose([{"de": 0.6, "nl": 0.4}, {"nl": 0.9, "de": 0.1}]) == ("nl", pytest.approx(0.65))
    assert choose([]) is choose([{}]) is None


@pytest.mark.parametrize("seconds", [1.0, 30.0, 59.0, 61.0, 200.0, 7200.0])
def test_a_recording_is_listened_to_in_places_that_lie_apart(seconds):
    spans = spread_spans(seconds)
    assert len(spans) == min(MOST_PLACES, max(1, int(seconds // 30)))
    assert all(0 <= start < end <= seconds + 1e-9 for start, end in spans)
    assert spans[0][0] == 0.0
    if len(spans) >= 4:
        assert abs(spans[1][0] - spans[0][0]) >= seconds / 3
        assert max(end for _, end in spans) == pytest.approx(seconds)


def test_a_language_needs_a_recognizer_of_several_languages():
    with pytest.raises(ValueError, match=r"language='de'.*speech='base'"):
        starter.build(language="de")
    with pytest.raises(ValueError, match="speech must be 'tiny' or 'base', not 'large'"):
        starter.build(speech="large")


@pytest.mark.parametrize("language", ["german", "DE", "zh-CN", "xx", "auto", ""])
def test_a_language_that_whisper_does_not_have_is_refused_before_anything_is_heard(language):
    with pytest.raises(ValueError, match="Whisper's codes, such as 'de'"):
        sw.load("starter", speech="base", language=language)
    with pytest.raises(ValueError, match="Whisper's codes, such as 'de'"):
        sw.load("starter:multilingual", language=language)


def test_the_languages_are_those_of_whisper():
    tokenizer = pytest.importorskip("faster_whisper.tokenizer", reason="needs senseweave[starter]")
    assert sorted(WHISPER_LANGUAGES | {"yue"}) == sorted(tokenizer._LANGUAGE_CODES)
