"""Every encoded form leads to the same bytes."""

import base64
import io
import pathlib
from urllib.parse import quote

import numpy as np
import pytest

from senseweave.errors import MediaError
from senseweave.media import Image, Text


def forms(data, path):
    packed = base64.b64encode(data).decode()
    return {
        "str": path,
        "Path": pathlib.Path(path),
        "file URL": pathlib.Path(path).as_uri(),
        "data URI": f"data:image/png;base64,{packed}",
        "data URI in capitals": f"DATA:image/png;BASE64,{packed}",
        "data URI of no type": f"data:;base64,{packed}",
        "data URI with line breaks": "data:image/png;base64,"
        + "\n".join(packed[i : i + 76] for i in range(0, len(packed), 76)),
        "data URI without padding": f"data:image/png;base64,{packed.rstrip('=')}",
        "data URI of URL-safe letters": "data:image/png;base64," + base64.urlsafe_b64encode(data).decode(),
        "data URI in percents": "data:image/png," + quote(data),
        "bytes": data,
        "bytearray": bytearray(data),
        "memoryview": memoryview(data),
        "stream": io.BytesIO(data),
        "mapping of bytes": {"bytes": data, "path": None},
        "mapping of a path": {"bytes": None, "path": path},
    }


@pytest.mark.parametrize("form", forms(b"", "/x"))
def test_every_form_of_a_file_is_the_same_picture(make, saved, form):
    picture = make.picture()
    data = make.image(picture)
    image = Image(forms(data, saved("a picture with spaces é.png", data))[form])
    assert np.array_equal(np.asarray(image.decode()), picture)
    assert image.sha256 == Image(data).sha256
    assert image.size == len(data)


def test_a_stream_is_read_from_where_it_stands_and_once(make):
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


def test_an_empty_name_is_an_error():
    with pytest.raises(MediaError, match="empty string"):
        Image("")
