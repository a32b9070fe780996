"""Small indexes to explore: a small real space, and media that are made here."""

import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from shared_space import tiny_space

from senseweave.retrieval import Index


@pytest.fixture(scope="session")
def tiny():
    """The module `tiny_space` of the retrieval tests."""
    return tiny_space()


@pytest.fixture
def space(tiny):
    return tiny.make_space()


@pytest.fixture
def write_sound():
    """Writes samples as a WAV file."""

    def write(path, samples, rate=16_000):
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        return path

    return write


@pytest.fixture
def files(tmp_path, tiny, write_sound):
    """Texts, pictures of one color and a recording, in one folder."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in {
        "garden.txt": "tomatoes need water and sun",
        "balcony.txt": "tomatoes on the balcony need more water",
        "trains.txt": "the last train leaves at midnight",
        "paint.txt": "paint the wall in red",
    }.items():
        (folder / name).write_text(text)
    for name in ("red", "green", "blue"):
        PillowImage.fromarray(np.full((8, 8, 3), tiny.COLOURS[name], np.uint8)).save(folder / f"{name}.png")
    seconds = np.arange(32_000) / 16_000
    write_sound(folder / "low.wav", 0.5 * np.sin(2 * np.pi * 200 * seconds))
    return folder


@pytest.fixture
def index(tmp_path, space, files):
    """An index over `files`."""
    with Index(tmp_path / "index", spaces=[space]) as made:
        made.add(files, metadata=lambda media: {"year": 2020 + len(Path(media.source).name) % 3})
        yield made


@pytest.fixture
def names():
    """File names of hits or records, in order."""
    return lambda hits: [Path(hit.source).name for hit in hits]
