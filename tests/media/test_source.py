"""Streams, open files and data URIs give their bytes, once and whole."""

import hashlib
import io

import pytest

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Image, MediaPolicy, Text


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


@pytest.mark.parametrize("form", [bytes, io.BytesIO])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_a_name_that_needs_the_hash_is_made_only_for_an_error(form, kind, make, monkeypatch):
    hashed, sha256 = [], hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda *data: hashed.append(data) or sha256(*data))
    data = make.image(make.picture(), kind)
    image = Image(form(data))
    image.decode()
    assert not hashed
    with pytest.raises(PolicyError, match="max_pixels") as refused:
        Image(form(data), policy=MediaPolicy(max_pixels=100)).decode()
    assert refused.value.source == image.source
    assert refused.value.args[0] == image.source
    assert image.source.endswith(sha256(data).hexdigest()[:12])


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
