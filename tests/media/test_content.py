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
