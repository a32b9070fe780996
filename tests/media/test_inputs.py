"""Every encoded form leads to the same bytes."""

import base64
import io
import pathlib
from urllib.parse import quote

import numpy as np
import pytest

from senseweave.errors import MediaError
from senseweave.media import Audio, Image, collect


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


def test_an_empty_name_is_an_error():
    with pytest.raises(MediaError, match="empty string"):
        Image("")


def test_decoded_sound_of_the_datasets_library_is_read_whatever_its_path(make):
    samples = make.tone(0.5, 16_000)
    sounds = [
        Audio({"path": path, "array": samples, "sampling_rate": 16_000}) for path in (None, "clip.wav", "/a/clip.wav")
    ]
    for sound in sounds:
        assert np.array_equal(sound.decode().samples, samples)
        assert sound.sha256 == sounds[0].sha256
    (error,) = collect([{"path": "clip.wav", "array": samples, "sampling_rate": 16_000}])
    assert "name its modality" in str(error)
