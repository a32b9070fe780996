"""What bridges say of media as data: tags, text, words with times, language."""

import wave

import numpy as np
import pytest

import senseweave as sw
from senseweave.demo.corpus import corpus_folder
from senseweave.errors import UnsupportedModalityError

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def starter():
    return sw.load("starter")


@pytest.fixture(scope="module")
def corpus():
    return corpus_folder()


def test_an_image_has_tags_with_probabilities(starter, corpus):
    photo = next(path for path in sorted(corpus.rglob("*.jpg")))
    (described,) = starter.describe([sw.Image(photo)], tags=5)
    scores = [tag.score for tag in described.tags]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert 0 < sum(scores) <= 1 + 1e-6
    batch = starter.encode([sw.Image(photo)])
    assert [tag.label for tag in described.tags[:3]] == batch.descriptions[0].split(", ")


def test_speech_has_words_with_times_in_the_source(starter, corpus):
    sound = next(path for path in sorted(corpus.rglob("*")) if path.suffix in (".wav", ".mp3", ".flac", ".ogg"))
    (described,) = starter.describe([sw.Audio(sound)])
    duration = sw.Audio(sound).duration
    words = described.words
    assert words
    assert all(0 <= word.start <= word.end <= duration + 1e-3 for word in words)
    assert [word.start for word in words] == sorted(word.start for word in words)
    assert described.language == "en"
    assert described.text.split()[0].strip(".,").lower() == words[0].text.strip(".,").lower()
    assert described.parts[0].span[0] == 0


def test_a_span_is_described_with_times_of_the_whole_recording(starter, corpus):
    sound = next(path for path in sorted(corpus.rglob("*")) if path.suffix in (".wav", ".mp3", ".flac", ".ogg"))
    (whole,) = starter.describe([sw.Audio(sound)])
    late = whole.words[-1]
    start = max(0.0, late.start - 3.0)
    (part,) = starter.describe([sw.Audio(sound, span=(start, sw.Audio(sound).duration))])
    assert all(word.start >= start - 1e-3 for word in part.words)


def test_silence_says_nothing(starter, tmp_path):
    with wave.open(str(tmp_path / "silence.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(np.zeros(32000, "<i2").tobytes())
    (described,) = starter.describe([sw.Audio(tmp_path / "silence.wav")])
    assert (described.text, described.words, described.language, described.tags) == ("", (), None, ())


def test_text_says_itself(starter):
    with pytest.raises(UnsupportedModalityError, match=r"describe.*cannot embed text"):
        starter.describe([sw.Text("a dog")])


def test_what_cannot_be_read_is_named_or_left_out(starter, corpus, tmp_path):
    photo = next(path for path in sorted(corpus.rglob("*.jpg")))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    media = [sw.Image(photo), sw.Image(tmp_path / "broken.jpg")]
    with pytest.raises(sw.MediaError, match="item 2 of 2"):
        starter.describe(media)
    assert len(starter.describe(media, on_error="skip")) == 1
    with pytest.raises(ValueError, match="tags must be at least 1"):
        starter.describe(media, tags=0)
