"""Streams, open files and data URIs give their bytes, once and whole."""

import hashlib
import io
import tracemalloc
import zipfile

import pytest

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Image, MediaPolicy, Text
from senseweave.media.forms.source import Source
from senseweave.media.policy import DEFAULT_POLICY


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


@pytest.mark.parametrize("form", ["path", "kept open", "part"])
def test_reading_takes_memory_for_the_file_and_not_for_the_limit(form, make, saved):
    data = make.image(make.picture())
    if form == "part":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("a.png", data)
        image = Image(packed.getvalue(), part="a.png")
    else:
        image = Image(saved("a.png", data))
    assert image.read() == data  # imports what it needs
    with image._source.kept_open() if form == "kept open" else io.BytesIO():
        tracemalloc.start()
        try:
            assert image.read() == data
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 1 << 20 < DEFAULT_POLICY.max_bytes


class _Understated(Source):
    """A file that holds more than it said, as one that is being written."""

    label = "log"

    def __init__(self, data, policy):
        super().__init__(policy)
        self.data = data

    def open(self):
        class File(io.BytesIO):
            def seek(self, offset, whence=io.SEEK_SET):
                return 3 if whence == io.SEEK_END else super().seek(offset, whence)

        return File(self.data)


def test_a_file_that_grows_is_read_whole_and_within_the_limit():
    assert _Understated(b"0123456789", MediaPolicy(max_bytes=10)).read() == b"0123456789"
    with pytest.raises(PolicyError, match="max_bytes"):
        _Understated(b"0123456789", MediaPolicy(max_bytes=9)).read()
    assert _Understated(b"012", MediaPolicy(max_bytes=3)).read() == b"012"
