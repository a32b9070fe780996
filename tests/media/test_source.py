"""Streams, open files and data URIs give their bytes, once and whole."""

import io

import pytest

from senseweave.errors import MediaError
from senseweave.media import Image, Text


def test_a_stream_is_read_once_from_its_current_position(make):
    data = make.image(make.picture())
    stream = io.BytesIO(b"skipped" + data)
    stream.seek(7)
    image = Image(stream)
    assert image.decode().size == (64, 48)
    assert image.decode().size == (64, 48)


def test_an_open_file_is_named_by_its_path(make, saved):
    path = saved("a.png", make.image(make.picture()))
    with open(path, "rb") as file:
        image = Image(file)
        assert image.source == path
        assert image.decode().size == (64, 48)


@pytest.mark.parametrize("uri", ["data:image/png;base64", "data:image/png;base64,***", "data:image/png;base64,A"])
def test_a_broken_data_uri_is_an_error(uri):
    with pytest.raises(MediaError):
        Image(uri).decode()


def test_a_data_uri_of_text_is_text():
    assert Text.open("data:text/plain,a%20dog").decode() == "a dog"


@pytest.mark.parametrize("kind", [Image, Text.open])
@pytest.mark.parametrize("empty", [b"", io.BytesIO(), "data:,"])
def test_no_bytes_are_an_error(kind, empty):
    with pytest.raises(MediaError, match="empty"):
        kind(empty).decode()
