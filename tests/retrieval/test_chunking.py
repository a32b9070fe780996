"""Media are cut to what the encoders of a space take."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
import pytest

from senseweave import Audio, Image, Text, UnsupportedModalityError
from senseweave.encoders.base import Encoded, Encoder
from senseweave.retrieval.records.chunking import chunk_media
from senseweave.spaces import Space


class Plain(Encoder):
    """An encoder that says what it takes."""

    decode_options = MappingProxyType({})

    def __init__(self, modality, *, window_seconds=None, max_length=None):
        self.modality, self.window_seconds, self.max_length = modality, window_seconds, max_length

    @property
    def dimension(self):
        return 2

    def prepare(self, items, role):
        return []

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


def test_without_a_space_pieces_have_common_lengths():
    sound = Audio((np.zeros(8000 * 70), 8000))
    assert spans(sound, None) == [(0, 30), (30, 60), (40, 70)]
    assert spans(sound, None, seconds=50) == [(0, 50), (20, 70)]
    assert max(len(chunk.decode()) for chunk in chunk_media(Text("word " * 300))) > 900


def test_a_modality_that_the_space_lacks_is_an_error():
    with pytest.raises(UnsupportedModalityError, match="image"):
        list(chunk_media(Image(np.zeros((4, 4, 3), np.uint8)), Space("x", {"text": Plain("text")})))
