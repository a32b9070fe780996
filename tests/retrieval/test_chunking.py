"""Media are cut to what the encoders of a space take."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from senseweave import Audio, Image, Text, UnsupportedModalityError
from senseweave.encoders.base import Encoded, Encoder, Prepared
from senseweave.retrieval import Index
from senseweave.retrieval.records.chunking import chunk_media
from senseweave.retrieval.stores.memory import MemoryStore
from senseweave.spaces import Space, load


class Plain(Encoder):
    """An encoder that says what it takes."""

    decode_options = MappingProxyType({})

    def __init__(self, modality, *, window_seconds=None, max_length=None):
        self.modality, self.window_seconds, self.max_length = modality, window_seconds, max_length

    @property
    def dimension(self):
        return 2

    def prepare(self, items, role):
        return [Prepared(item, dropped=max(0, len(item.split()) - (self.max_length or 10**9))) for item in items]

    def forward(self, batch):
        return Encoded(np.zeros((0, 2), np.float32))

    def identity(self):
        return {}


def spans(media, space, **options):
    return [chunk.span for chunk in chunk_media(media, space, **options)]


def test_sound_is_cut_to_the_window_of_the_encoder_unless_said_otherwise():
    sound = Audio((np.zeros(8000 * 6), 8000))
    assert spans(sound, Space("x", {"audio": Plain("audio", window_seconds=3)})) == [(0, 3), (3, 6)]
    assert len(spans(sound, Space("x", {"audio": Plain("audio", window_seconds=3)}), seconds=2)) == 3
    assert spans(sound, Space("x", {"audio": Plain("audio")})) == [(0, 6)]


def test_passages_are_no_longer_than_the_text_encoder_reads():
    text = Text("word " * 300)
    short = Space("x", {"text": Plain("text", max_length=32)})
    lengths = [len(chunk.decode()) for chunk in chunk_media(text, short)]
    assert max(lengths) <= 4 * 32
    assert "".join(chunk.decode() for chunk in chunk_media(text, short)) == text.decode()
    assert max(len(chunk.decode()) for chunk in chunk_media(text, Space("x", {"text": Plain("text")}))) > 900
    assert max(len(chunk.decode()) for chunk in chunk_media(text, short, characters=500)) > 400


def dense(words):
    """A text with a word every two characters, twice as many as the length of passages allows for."""
    return " ".join("abcdefghij"[at % 10] for at in range(words))


def test_a_passage_with_more_tokens_than_the_model_reads_is_divided_again():
    space, text = Space("x", {"text": Plain("text", max_length=100)}), dense(1000)
    chunks = list(chunk_media(Text(text), space))
    assert max(len(chunk.decode().split()) for chunk in chunks) <= 100
    assert "".join(chunk.decode() for chunk in chunks) == text
    places = [(chunk.metadata["character_start"], chunk.metadata["character_end"]) for chunk in chunks]
    assert [text[start:end] for start, end in places] == [chunk.decode() for chunk in chunks]


def test_a_short_text_with_too_many_tokens_is_divided_too():
    chunks = list(chunk_media(Text(dense(150)), Space("x", {"text": Plain("text", max_length=100)})))
    assert [len(chunk.decode().split()) for chunk in chunks] == [82, 68]


def test_a_chosen_length_of_passages_is_kept():
    space = Space("x", {"text": Plain("text", max_length=100)})
    assert len(list(chunk_media(Text(dense(150)), space, characters=300))) == 1


def test_parts_of_a_divided_passage_keep_the_heading_above_it(tmp_path):
    path = tmp_path / "notes.md"
    path.write_text(f"# Letters\n\n{dense(500)}\n")
    chunks = list(chunk_media(Text.open(path), Space("x", {"text": Plain("text", max_length=100)})))
    assert all("Letters" in chunk.decode() for chunk in chunks)
    assert max(len(chunk.decode().split()) for chunk in chunks) <= 100


def test_cues_of_a_transcript_with_too_many_tokens_are_parted(tmp_path):
    path = tmp_path / "talk.srt"
    cues = [f"{n + 1}\n00:00:{n:02},000 --> 00:00:{n + 1:02},000\n{dense(30)}\n" for n in range(8)]
    path.write_text("\n".join(cues))
    chunks = list(chunk_media(Text.open(path), Space("x", {"text": Plain("text", max_length=100)})))
    assert max(len(chunk.decode().split()) for chunk in chunks) <= 100
    assert chunks[0].span[0] == 0
    assert chunks[-1].span[1] == 8
    assert sum(len(chunk.decode().split()) for chunk in chunks) == 240


def test_a_text_of_words_that_no_division_fits_ends():
    class Full(Plain):
        def prepare(self, items, role):
            return [Prepared(item, dropped=1000) for item in items]

    text = dense(1000)
    chunks = list(chunk_media(Text(text), Space("x", {"text": Full("text", max_length=100)})))
    assert "".join(chunk.decode() for chunk in chunks) == text
    assert min(len(chunk.decode()) for chunk in chunks[:-1]) > 20


def test_the_starter_reads_all_of_code_and_of_other_languages():
    starter = load("starter")
    for text in (
        "for (auto &x: v) { s += f(x[i++], y->z); } ",
        "Geschwindigkeitsüberschreitung! ",
        "лиса прыгает. ",
        "敏捷的棕色狐狸。",
    ):
        chunks = list(chunk_media(Text(text * 80), starter))
        assert starter.encode([Text(chunk.decode()) for chunk in chunks]).dropped == [0] * len(chunks)


def test_without_a_space_pieces_have_common_lengths():
    sound = Audio((np.zeros(8000 * 70), 8000))
    assert spans(sound, None) == [(0, 30), (30, 60), (40, 70)]
    assert spans(sound, None, seconds=50) == [(0, 50), (20, 70)]
    assert max(len(chunk.decode()) for chunk in chunk_media(Text("word " * 300))) > 900


def test_a_modality_that_the_space_lacks_is_an_error():
    with pytest.raises(UnsupportedModalityError, match="image"):
        list(chunk_media(Image(np.zeros((4, 4, 3), np.uint8)), Space("x", {"text": Plain("text")})))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"characters": 0}, "characters"),
        ({"characters": -1}, "characters"),
        ({"characters": 2.5}, "characters"),
        ({"characters": True}, "characters"),
        ({"character_overlap": -1}, "character_overlap"),
        ({"overlap": -1}, "overlap"),
        ({"overlap": float("nan")}, "overlap"),
        ({"overlap": float("inf")}, "overlap"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": "ten"}, "seconds"),
    ],
)
def test_impossible_lengths_are_refused_before_anything_is_divided(options, named):
    with pytest.raises(ValueError, match=f"^{named} must be a"):
        chunk_media(Text("one two"), Space("texts", {"text": Plain("text")}), **options)
    if "seconds" not in options:
        with Index(MemoryStore(), spaces=[Space("texts", {"text": Plain("text")})]) as index:
            with pytest.raises(ValueError, match=f"^{named} must be a"):
                index.add([Text("one two")], **options)
            assert len(index) == 0


def test_windows_that_share_all_of_themselves_are_refused_before_anything_is_added():
    space = Space("sounds", {"audio": Plain("audio", window_seconds=10)})
    with Index(MemoryStore(), spaces=[space]) as index, pytest.raises(ValueError, match="0 <= overlap < seconds"):
        index.add([Audio((np.zeros(16000, np.float32), 16000))], overlap=10)


def test_numbers_of_numpy_are_lengths():
    (chunk,) = chunk_media(Text("one two"), characters=np.int64(10), overlap=np.float32(0), seconds=np.float64(5))
    assert chunk.decode() == "one two"
