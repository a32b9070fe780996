"""Content is told by its first bytes."""

import pytest

from senseweave.media import Audio, Image
from senseweave.media.forms.content import sniff


@pytest.mark.parametrize(
    ("head", "mime_type"),
    [
        (b"", "application/octet-stream"),
        (b"words", "text/plain"),
        ("grüße".encode("latin-1"), "text/plain"),
        ("grüße, ihr".encode("utf-16-le"), "text/plain"),
        (b"  <!DOCTYPE html><p>", "text/html"),
        (b"<?xml version='1.0'?><svg>", "image/svg+xml"),
        (b"RIFF\0\0\0\0WAVE", "audio/wav"),
        (b"RIFF\0\0\0\0WEBP", "image/webp"),
        (b"RIFF\0\0\0\0AVI ", "video/x-msvideo"),
        (b"RIFF\0\0\0\0????", "application/octet-stream"),
        (b"OggS" + bytes(24) + b"\x01vorbis", "audio/ogg"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"ID3\x04\0\0\0\0\0\0", "audio/mpeg"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "audio/mp4"),
        (b"\0\0\0\x20ftypisom\0\0\0\0", "video/mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0", "video/quicktime"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "image/avif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0avif", "image/avif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "image/heic"),
        (b"BM a letter that begins so", "text/plain"),
        (b"PK\x03\x04", "application/zip"),
        (b"#EXTM3U\n", "application/vnd.apple.mpegurl"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'", "text/x-ffconcat"),
        (bytes(range(256)), "application/octet-stream"),
    ],
)
def test_the_type_is_detected_from_the_first_bytes(head, mime_type):
    assert sniff(head).mime_type == mime_type


@pytest.mark.parametrize(
    "words",
    [
        "The free lunch is on Tuesday.", "caffeine keeps me awake", "P1 is the first prize", "P2 12 20 people came",
        "P6 10 20 30 and so on", "ID3 tags hold the title", "BZh is how bzip2 files begin", "RIFF is a container",
        "RIFF and WAVE", "GIF87a or GIF89a?", "OggS", "OggS is what pages begin with", "fLaC is lossless", "BM me",
        "FORM 1: AIFF", "abcdftyp", "II* is a star", "qoif", "#!AMR or #!AMR-WB", ".snd files", "FLV", "PK is here",
        "%PDF-1.4 is a version", "%PDF- and words", "%!PS or not", "{\\rtf", "7z archives", "SQLite format 3",
        "A wide gate", "The moov atom comes first", "The skip was full", "MM* and II*", "riff raff", "G" * 400,
        "I wide\n" * 90, "ясно, что это письмо", "яблоко", "яшма", "яыяэ" * 90, "\xff\xfb\xe0 \xe9" * 40, "ÿØÿà",
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "cp1251"])
def test_a_word_that_begins_another_type_is_text(words, encoding):
    data = words.encode(encoding, "ignore")
    if data:
        assert sniff(data).mime_type == "text/plain"


def test_pictures_that_are_written_as_text_are_pictures():
    for data in (b"P1\n# ink\n2 2\n0 1\n1 0\n", b"P3 1 1 255\n10 20 30\n", b"P5 2 2 255\nabcd", b"P6\n1 1\n255\nabc"):
        assert sniff(data).mime_type == "image/x-portable-anymap"
        assert Image(data).decode().size[0] == Image(data).decode().size[1]


def test_a_tag_with_a_large_cover_does_not_hide_the_sound(make):
    import numpy as np

    flac = make.sound(make.tone(), kind="FLAC")
    tag = b"ID3\x04\0\0" + bytes([0, 1, 0, 0]) + bytes(1 << 14)
    assert Audio(tag + flac).mime_type == "audio/flac"
    mp3 = make.sound(make.tone(), kind="MP3")
    assert Audio(tag + mp3).mime_type == "audio/mpeg"
    assert np.array_equal(Audio(tag + mp3).decode().samples, Audio(mp3).decode().samples)


def test_the_type_does_not_depend_on_the_name(make, saved):
    assert Image(saved("x.mp3", make.image(make.picture()))).mime_type == "image/png"
