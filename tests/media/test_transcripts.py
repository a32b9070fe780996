"""Transcripts: words with the span of the recording beside them."""

import pytest

from senseweave.media import MediaPolicy, collect, split

SRT = """1
00:00:01,000 --> 00:00:03,500
<i>The bees</i> fly &amp; hum.

2
00:00:04,000 --> 00:00:06,000
{\\an8}They make
honey.

3
00:01:10,000 --> 00:01:12,000
The end.
"""
VTT = """WEBVTT - Talk

NOTE made by hand

STYLE
::cue { color: red }

intro
00:01.000 --> 00:03.500 align:start position:0%
<v Ann>The <c.loud>bees</c> fly.</v>

01:00:04.000 --> 01:00:06.000
They make honey.
"""


def chunks(given, **options):
    (text,) = [media for media in collect(given) if media.modality == "text"]
    return list(split(text, **options))


def test_the_words_of_a_transcript_are_a_line_for_each_cue():
    (text,) = collect(SRT.encode())
    assert text.mime_type == "application/x-subrip"
    assert text.decode() == "The bees fly & hum.\nThey make honey.\nThe end."
    (text,) = collect(VTT.encode())
    assert text.mime_type == "text/vtt"
    assert text.decode() == "Ann: The bees fly.\nThey make honey."


def test_passages_have_the_span_in_which_they_are_said():
    found = chunks(SRT.encode())
    assert [(chunk.decode(), chunk.span) for chunk in found] == [
        ("The bees fly & hum.\nThey make honey.", (1.0, 6.0)),
        ("The end.", (70.0, 72.0)),
    ]
    assert [chunk.span for chunk in chunks(VTT.encode())] == [(1.0, 3.5), (3604.0, 3606.0)]
    assert [chunk.span for chunk in chunks(SRT.encode(), characters=25)] == [(1.0, 3.5), (4.0, 6.0), (70.0, 72.0)]


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
def test_other_line_endings_and_marks_are_read(ending):
    assert len(chunks(SRT.replace("\n", ending).encode("utf-8-sig") if ending == "\r\n" else SRT.encode())) == 2


def test_a_missing_blank_line_joins_no_cues():
    assert [chunk.span for chunk in chunks(SRT.replace("\n\n", "\n").encode(), characters=25)] == [
        (1.0, 3.5),
        (4.0, 6.0),
        (70.0, 72.0),
    ]


@pytest.mark.parametrize("name", ["talk.srt", "talk.en.srt"])
def test_the_recording_of_the_same_name_is_named(make, saved, name):
    recording = saved("talk.wav", make.sound(make.tone(8)))
    saved("other.wav", make.sound(make.tone(8)))
    found = chunks(saved(name, SRT.encode()))
    assert {chunk.metadata["recording"] for chunk in found} == {recording}


def test_a_recording_outside_the_root_is_not_named(make, saved, tmp_path):
    saved("talk.wav", make.sound(make.tone(8)))
    path = saved("inside/talk.srt", SRT.encode())
    (tmp_path / "inside" / "talk.wav").symlink_to(tmp_path / "talk.wav")
    (text,) = [
        found
        for found in collect(path, policy=MediaPolicy(root=tmp_path / "inside"))
        if getattr(found, "modality", "") == "text"
    ]
    assert all("recording" not in chunk.metadata for chunk in split(text))


@pytest.mark.parametrize("text", ["1\nnot a time\n", "WEBVTTX\n", "00:01 --> there\n"])
def test_other_texts_are_no_transcripts(text):
    (found,) = collect(text.encode())
    assert found.mime_type == "text/plain"
