"""Small media of every modality, made on the spot, for the tests of the Haystack components."""

import io
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import senseweave as sw


@pytest.fixture(scope="session")
def starter() -> sw.Space:
    """The default model, which stays loaded while the tests run: components of equal settings share it."""
    return sw.load("starter")


@pytest.fixture(autouse=True)
def _keep_the_model(request: pytest.FixtureRequest) -> None:
    """Hold the default model for the tests that need its weights; the others, `-m "not integration"`, never load it."""
    if request.node.get_closest_marker("integration") is not None:
        request.getfixturevalue("starter")


@pytest.fixture(scope="session")
def samples() -> Path:
    """The sample corpus of the repository: photographs, recordings, texts and videos."""
    return Path(__file__).parents[3] / "examples" / "data"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of an orange disc on green."""
    picture = Image.new("RGB", (96, 64), (40, 140, 60))
    ImageDraw.Draw(picture).ellipse((30, 14, 66, 50), fill=(250, 140, 20))
    path = tmp_path / "photo.png"
    picture.save(path)
    return path


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    """Three seconds of a tone: sound without speech."""
    path = tmp_path / "tone.wav"
    path.write_bytes(_wave_bytes(3.0))
    return path


@pytest.fixture(scope="session")
def pdf_bytes() -> bytes:
    """A PDF of two pages of pictures, without words."""
    out = io.BytesIO()
    pages = [Image.new("RGB", (200, 100), colour) for colour in ("red", "blue")]
    pages[0].save(out, "PDF", save_all=True, append_images=pages[1:])
    return out.getvalue()


@pytest.fixture(scope="session")
def wave_bytes() -> Callable[[float], bytes]:
    """Makes a tone of so many seconds, as the bytes of a WAV file."""
    return _wave_bytes


def _wave_bytes(seconds: float, rate: int = 16000, hertz: float = 440.0) -> bytes:
    """A tone as the bytes of a WAV file."""
    times = np.arange(int(seconds * rate)) / rate
    samples = (np.sin(2 * np.pi * hertz * times) * 12000).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return out.getvalue()
