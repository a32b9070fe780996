"""A small space of four modalities that needs no model, and small files to embed."""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PILImage

from langchain_senseweave import SenseweaveEmbeddings
from senseweave.interop import Clip, Encoded, Encoder, Prepared, Space

DIMENSION = 32


class ToyEncoder(Encoder):
    """Hashed words, coarse pixels, loudness per band, or the pixels of frames: enough to tell contents apart."""

    batch_budget = 8

    def __init__(self, modality: str, seed: int) -> None:
        self.modality = modality  # type: ignore[misc]
        self.seed = seed
        self.decode_options = {"video": {"frames": 2}, "audio": {"sampling_rate": 8000}}.get(modality, {})

    @property
    def dimension(self) -> int:
        return DIMENSION

    def prepare(self, items: Sequence[Any], role: str) -> list[Prepared]:
        return [Prepared(self._features(item) + (0.05 if role == "query" else 0.0)) for item in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        rotation = np.random.default_rng(self.seed).standard_normal((DIMENSION, DIMENSION))
        return Encoded(np.stack([prepared.data for prepared in batch]).astype(np.float32) @ rotation.astype(np.float32))

    def identity(self) -> dict[str, object]:
        return {"toy": self.modality, "seed": self.seed}

    def _features(self, item: Any) -> np.ndarray:
        features = np.full(DIMENSION, 0.01)
        if isinstance(item, str):
            for word in item.lower().split():
                features[hashlib.sha256(word.encode()).digest()[0] % DIMENSION] += 1
            return features
        if isinstance(item, Clip):
            return np.mean([self._features(PILImage.fromarray(frame)) for frame in item.frames], axis=0)
        if isinstance(item, PILImage.Image):
            features[:24] += np.asarray(item.resize((4, 2)), dtype=np.float64).ravel() / 255
            return features
        bands = np.array_split(np.abs(np.fft.rfft(item.samples)), DIMENSION)
        return features + np.log1p([band.sum() for band in bands])


def toy_space(seed: int = 0, modalities: Sequence[str] = ("text", "image", "audio", "video")) -> Space:
    return Space(f"toy-{seed}", {modality: ToyEncoder(modality, seed) for modality in modalities})


@pytest.fixture
def make_space() -> Callable[..., Space]:
    """Makes spaces without weights; equal seeds give equal spaces, other seeds others."""
    return toy_space


@pytest.fixture
def space() -> Space:
    return toy_space()


@pytest.fixture
def embeddings(space: Space) -> SenseweaveEmbeddings:
    return SenseweaveEmbeddings(model=space)


@pytest.fixture
def red_png(tmp_path: Path) -> Path:
    return _png(tmp_path / "red.png", (200, 20, 20))


@pytest.fixture
def blue_png(tmp_path: Path) -> Path:
    return _png(tmp_path / "blue.png", (20, 20, 200))


@pytest.fixture
def tone_wav(tmp_path: Path) -> Path:
    """Three seconds of 440 Hz."""
    return _wav(tmp_path / "tone.wav", 440.0, 3.0)


@pytest.fixture
def high_wav(tmp_path: Path) -> Path:
    """One second of 2 kHz."""
    return _wav(tmp_path / "high.wav", 2000.0, 1.0)


@pytest.fixture
def clip_mp4(tmp_path: Path) -> Path:
    """Two seconds that go from red to blue."""
    import av

    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(20):
            frame = np.zeros((48, 64, 3), np.uint8)
            frame[..., 0 if index < 10 else 2] = 220
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def _png(path: Path, colour: tuple[int, int, int]) -> Path:
    PILImage.new("RGB", (40, 30), colour).save(path)
    return path


def _wav(path: Path, frequency: float, seconds: float, rate: int = 8000) -> Path:
    samples = (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path
