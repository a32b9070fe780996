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
ASS = """[Script Info]
Title: Talk

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,to be done
Dialogue: 0,0:00:01.00,0:00:03.50,Default,Ann,0,0,0,,{\\an8}The bees, they\\Nfly.
Dialogue: 0,0:01:10.00,0:01:12.00,Default,,0,0,0,,The end.
Dialogue: 0,0:01:10.00,0:01:12.00,Default,,0,0,0,,{\\p1}m 0 0 l 1 1{\\p0}
"""
TTML = """<?xml version="1.0"?>
<tt xml:lang="en" xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter"
 ttp:frameRate="25" ttp:tickRate="10000000"><body><div begin="10s">
<p begin="00:00:01.000" end="00:00:03:12">The <span>bees</span><br/>fly.</p>
<p begin="40000000t" dur="2s">They hum.</p></div></body></tt>
"""
LRC = "[ar:Ann]\n[ti:Bees]\n\n[00:12.00]The bees\n[00:15.30][00:40.00]fly <00:16.00>high\n"
SBV = "0:00:01.000,0:00:03.500\nThe bees\nfly.\n\n0:00:04.000,0:00:06.000\nThey hum.\n"


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


@pytest.mark.parametrize(
    "text", ["1\nnot a time\n", "WEBVTTX\n", "WEBVTT is a format\nfor subtitles\n", "00:01 --> there\n"]
)
def test_other_texts_are_no_transcripts(text):
    (found,) = collect(text.encode())
    assert found.mime_type == "text/plain"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ASS, [("Ann: The bees, they fly.", (1.0, 3.5)), ("The end.", (70.0, 72.0))]),
        (TTML, [("The bees fly.", (11.0, 13.48)), ("They hum.", (14.0, 16.0))]),
        (LRC, [("The bees", (12.0, 15.3)), ("fly high", (15.3, 40.0)), ("fly high", (40.0, 45.0))]),
        (SBV, [("The bees fly.", (1.0, 3.5)), ("They hum.", (4.0, 6.0))]),
        (SRT, [("The bees fly & hum.", (1.0, 3.5)), ("They make honey.", (4.0, 6.0)), ("The end.", (70.0, 72.0))]),
    ],
)
def test_subtitles_of_other_kinds_have_their_words_and_spans(text, said, encoding):
    found = chunks(text.encode(encoding), characters=10)
    assert [(chunk.decode(), chunk.span) for chunk in found] == said


@pytest.mark.parametrize("text", ["[10:30] Ann: Bees!\n[10:31] Bob: No.\n", "[Section]\nkey=1\n", "<tt>teletype</tt>"])
def test_what_resembles_subtitles_is_read_as_what_it_is(text):
    (found,) = collect(text.encode())
    assert found.mime_type in ("text/plain", "text/html")
    assert [chunk.span for chunk in split(found)] == [None]


@pytest.mark.parametrize(
    "head",
    [
        "WEBVTT\n\n",
        "WEBVTT - Talk\r\n\r\n",
        "WEBVTT\nKind: captions\nLanguage: en\n\n",
        "WEBVTT\nX-MAP=0\n\n",
        "WEBVTT\n",
        "WEBVTT\n1\n",
    ],
)
def test_webvtt_is_recognized_by_what_follows_its_first_line(head):
    (text,) = collect(f"{head}00:01.000 --> 00:02.000\nThey fly.\n".encode())
    assert text.mime_type == "text/vtt"
    assert [chunk.decode() for chunk in split(text)] == ["They fly."]
