"""The pieces that an index stores."""

import itertools
import sys

import pytest

from senseweave.media import Audio, Image, Text, Video, split
from senseweave.media.splitting import passage_spans

STORY = (
    "The dog ran over the grass. It barked at the cat!\n\nThe cat sat on the wall, and did not care. Who would?\n"
    "Later it rained. Both went home, and slept by the fire until the morning came.\n\n"
) * 12


@pytest.mark.parametrize("characters", [20, 100, 333, 1000])
@pytest.mark.parametrize("overlap", [0, 15])
def test_passages_are_where_they_say_and_leave_nothing_out(characters, overlap):
    spans = passage_spans(STORY, characters, overlap)
    covered = 0
    for start, end in spans:
        assert 0 < end - start <= characters
        assert STORY[covered:start].strip() == ""
        assert start <= covered or STORY[covered:start].isspace()
        covered = max(covered, end)
    assert STORY[covered:].strip() == ""


def test_passages_end_at_sentences_where_they_can():
    spans = passage_spans(STORY, 120)
    assert all(STORY[start:end].rstrip()[-1] in ".!?," for start, end in spans)


def test_repeated_words_do_not_confuse_the_offsets():
    text = "again and again " * 200
    spans = passage_spans(text, 90)
    assert spans[0][0] == 0
    assert all(later[0] == former[1] for former, later in itertools.pairwise(spans))


def test_passages_of_a_relative_path_name_their_file_from_everywhere(saved, monkeypatch, tmp_path):
    path = saved("notes.txt", b"One. " * 100)
    monkeypatch.chdir(tmp_path)
    passages = list(split(Text.open("notes.txt"), characters=100))
    assert len(passages) > 1
    assert {passage.source for passage in passages} == {path}


def test_text_carries_its_place_and_its_source(saved):
    path = saved("story.txt", STORY.encode())
    pieces = list(split(Text.open(path, metadata={"author": "Ann"}), characters=200))
    assert len(pieces) > 3
    for piece in pieces:
        start, end = piece.metadata["character_start"], piece.metadata["character_end"]
        assert piece.decode() == STORY[start:end]
        assert piece.source == path
        assert piece.metadata["author"] == "Ann"
        assert piece.mime_type == "text/plain"
        assert piece.sha256 == Text(piece.decode()).sha256


def test_a_short_text_is_its_own_piece_and_needs_no_splitter(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_text_splitters", None)
    text = Text("a dog")
    assert list(split(text)) == [text]
    with pytest.raises(ImportError, match=r'pip install "senseweave\[documents\]"'):
        list(split(Text(STORY), characters=100))


def test_a_blank_text_has_no_pieces():
    assert list(split(Text(" \n\n "))) == []


def test_an_image_is_its_own_piece(make):
    image = Image(make.image(make.picture()))
    assert list(split(image)) == [image]


def test_a_pdf_gives_its_pages(make):
    data = make.pdf(["a dog on the grass", "a cat"])
    assert [piece.page for piece in split(Image(data))] == [1, 2]
    assert [(piece.page, piece.decode().strip()) for piece in split(Text.open(data))] == [
        (1, "a dog on the grass"),
        (2, "a cat"),
    ]
    passages = list(split(Text.open(data), characters=8))
    assert {piece.page for piece in passages} == {1, 2}
    assert all(piece.source == passages[0].source for piece in passages)


def test_long_sound_and_video_give_windows(make):
    audio = Audio((make.tone(5, 16_000), 16_000))
    assert [piece.span for piece in split(audio, seconds=2, overlap=0.5)] == [(0, 2), (1.5, 3.5), (3, 5)]
    video = Video((make.frames(range(10)), 2))
    assert [piece.span for piece in split(video, seconds=2)] == [(0, 2), (2, 4), (3, 5)]
    assert [piece.span for piece in split(audio.part(span=(1, 4)), seconds=2)] == [(1, 3), (2, 4)]
