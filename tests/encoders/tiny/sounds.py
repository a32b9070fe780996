"""Short sounds, and what every audio family does with them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np

RATE = 16_000
SECONDS = (0.5, 1.3, 0.9, 2.0, 1.3)


def tone(seconds: float, seed: int, rate: int = RATE) -> np.ndarray:
    """A sliding tone with noise, shape (n,), float32 within [-1, 1]."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(size=len(time)) * 0.02 * (seed + 1)
    return (0.4 * np.sin(2 * np.pi * (150 * (seed + 1) + 400 * time) * time) + noise).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    import soundfile

    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def sounds(folder: Path) -> list[Path]:
    """Five sounds, two of them of one length, as WAV files."""
    return [write(folder / f"sound-{i}.wav", tone(seconds, i)) for i, seconds in enumerate(SECONDS)]


def forms(path: Path) -> list[Any]:
    """One sound as a path, string, URL, data URI, bytes, `(samples, rate)` and stereo of two equal channels."""
    import soundfile

    data = path.read_bytes()
    samples, rate = soundfile.read(path, dtype="float32")
    uri = "data:audio/wav;base64," + base64.b64encode(data).decode()
    return [path, str(path), path.as_uri(), uri, data, (samples, rate), (np.stack([samples, samples]), rate)]


def longer_than(seconds: float) -> Any:
    """An item maker for a sound that needs several windows of `seconds`."""
    return lambda folder: write(folder / "long.wav", tone(2.6 * seconds, 5))
