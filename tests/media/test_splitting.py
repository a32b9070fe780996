"""The pieces that an index stores."""

import itertools
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_text_splitters import RecursiveCharacterTextSplitter

from senseweave.media import Audio, Image, Text, Video, split
from senseweave.media.base import source_name
from senseweave.media.passages import passage_spans

STORY = (
    "The dog ran over the grass. It barked at the cat!\n\nThe cat sat on the wall, and did not care. Who would?\n"
    "Later it rained. Both went home, and slept by the fire until the morning came.\n\n"
) * 12

SUBTITLES = b"1\n00:00:01,000 --> 00:00:03,000\nThe dog runs.\n\n2\n00:00:04,000 --> 00:00:06,000\nThe cat sits.\n"


def words(draw):
    marks = st.sampled_from(["a", "dog", " ", "  ", ". ", "? ", "! ", "\n", "\n\n", "\t", "。", "é", "averylongword"])
    return "".join(draw(st.lists(marks, max_size=60)))


@given(st.composite(words)(), st.integers(1, 40), st.integers(0, 40))
def test_passages_are_those_of_langchains_recursive_splitter(text, characters, overlap):
    overlap = min(overlap, characters)
    library = RecursiveCharacterTextSplitter(
        chunk_size=characters,
        chunk_overlap=overlap,
        separators=["\n\n", "\n", ". ", "? ", "! ", " ", ""],
        keep_separator="end",
        strip_whitespace=False,
    )
    expected = [passage for passage in library.split_text(text) if passage.strip()]
    assert [text[start:end] for start, end in passage_spans(text, characters, overlap)] == expected


def test_offsets_of_a_passage_are_its_own_where_the_text_repeats():
    spans = passage_spans("ab ab ab ab ab ab", 6, 3)
    assert spans == [(0, 6), (3, 9), (6, 12), (9, 15), (12, 17)]


@pytest.mark.parametrize(("characters", "overlap"), [(0, 0), (10, 11), (10, -1)])
def test_impossible_lengths_are_an_error(characters, overlap):
    with pytest.raises(ValueError, match="overlap from 0 to characters"):
        passage_spans(STORY, characters, overlap)


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


@pytest.mark.parametrize("kind", ["txt", "srt"])
def test_passages_of_a_relative_path_have_the_source_that_was_given(saved, monkeypatch, tmp_path, kind):
    name = f"notes.{kind}"
    path = saved(name, SUBTITLES if kind == "srt" else b"One. " * 100)
    monkeypatch.chdir(tmp_path)
    whole = Text.open(name)
    passages = list(split(whole, characters=20))
    assert len(passages) > 1
    assert {passage.source for passage in passages} == {whole.source} == {name}
    assert passages == list(split(Text.open(path), characters=20))
    assert list(map(hash, passages)) == list(map(hash, split(Text.open(path), characters=20)))


def test_passages_of_a_relative_path_are_stored_under_its_absolute_path_from_everywhere(saved, monkeypatch, tmp_path):
    path = saved("notes.txt", b"One. " * 100)
    monkeypatch.chdir(tmp_path)
    passages = list(split(Text.open("notes.txt"), characters=100))
    monkeypatch.chdir("/")
    assert {source_name(passage) for passage in passages} == {path}
    assert {source_name(passage) for passage in pickle.loads(pickle.dumps(passages))} == {path}
    assert {source_name(again) for passage in passages for again in split(passage, characters=50)} == {path}


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


def test_a_short_text_is_its_own_piece():
    text = Text("a dog")
    assert list(split(text)) == [text]


def test_a_long_text_is_divided_without_a_framework(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain_text_splitters", None)
    assert len(list(split(Text(STORY), characters=100))) > 10


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
