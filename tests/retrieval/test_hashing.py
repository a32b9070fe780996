"""The bytes that an add hashes grow with what is added, not with its square; counted, not timed."""

import base64
import hashlib
import io

import numpy as np
import pytest
from PIL import Image as PillowImage

import senseweave as sw
from senseweave.stores import Memory

SHA256 = hashlib.sha256


@pytest.fixture
def hashed(monkeypatch):
    """The number of bytes given to SHA-256 so far, as the only element of a list."""
    count = [0]

    class Counting:
        def __init__(self, data=b"", **options):
            self.real = SHA256(**options)
            self.update(data)

        def update(self, data):
            count[0] += memoryview(data).nbytes
            self.real.update(data)

        def digest(self):
            return self.real.digest()

        def hexdigest(self):
            return self.real.hexdigest()

    monkeypatch.setattr(hashlib, "sha256", Counting)
    return count


def words(size):
    return "".join(f"word{number} " for number in range(size * 1000))


def samples(size):
    return np.random.default_rng(0).normal(size=16_000 * 8 * size).astype(np.float32)


def pages(size):
    drawn = [PillowImage.new("RGB", (60, 60), (number, 7, 9)) for number in range(size * 4)]
    with io.BytesIO() as file:
        drawn[0].save(file, "PDF", save_all=True, append_images=drawn[1:])
        return file.getvalue()


def data_uri(data, kind):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


LONG = {
    "a string": lambda size: sw.Text(words(size)),
    "a string with a label": lambda size: sw.Text(words(size), source="label"),
    "the bytes of a text": lambda size: sw.Text.open(words(size).encode()),
    "a data URI of a text": lambda size: sw.Text.open(data_uri(words(size).encode(), "text/plain")),
    "an array of samples": lambda size: sw.Audio((samples(size), 16_000)),
    "a data URI of sound": lambda size: sw.Audio(data_uri(sound_file(size), "audio/wav")),
    "a stream of sound": lambda size: sw.Audio(io.BytesIO(sound_file(size))),
    "a PDF of pictures": lambda size: sw.Image(pages(size)),
    "an array of pixels": lambda size: sw.Image(np.full((50 * size, 50, 3), 99, np.uint8)),
}


def sound_file(size):
    from senseweave.media.export import sound_file

    return sound_file(sw.Audio((samples(size), 16_000))).data


@pytest.mark.parametrize("make", LONG.values(), ids=LONG)
def test_four_times_the_length_hashes_four_times_the_bytes(make, hashed, space):
    counted = []
    for size in (4, 16):
        media, hashed[0] = make(size), 0
        report = sw.Index(Memory(), spaces=[space]).add(media)
        assert not report.failed
        counted.append(hashed[0])
        assert 0 < hashed[0] < 4 * media.size  # the whole once, its parts once, and their words in the tiny space
    assert counted[1] < 5 * counted[0]


def test_windows_of_a_data_uri_are_told_apart_without_hashing_it_again(hashed):
    sound = sw.Audio(data_uri(sound_file(4), "audio/wav"))
    windows = sound.windows(2.0)
    hashed[0] = 0
    assert windows.index(windows[-1]) == len(windows) - 1
    assert hashed[0] < 2 * len(sound._source.uri)
