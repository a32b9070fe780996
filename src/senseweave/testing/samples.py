"""Small files of each modality for test suites, drawn here so that no suite ships or downloads any."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from senseweave.media import Modality

SUFFIXES = {"image": ".png", "audio": ".wav", "video": ".mp4"}
"""The modalities that `sample_files` draws, with the suffix of their files."""
MIME_TYPES = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}
"""MIME types of the files that `sample_files` draws."""

_COLORS = ((210, 40, 30), (30, 160, 60), (40, 50, 200))
_FREQUENCIES = (220.0, 660.0, 1980.0)


def sample_files(folder: Path, modality: Modality) -> list[Path]:
    """Draw three small files of a modality, each with different content.

    Args:
        folder: Where they are written.
        modality: `image` (PNG), `audio` (WAV, one second) or `video` (MP4, one second; needs PyAV).

    Returns:
        Their paths.
    """
    write = {"image": _write_image, "audio": _write_audio, "video": _write_video}[modality]
    paths = [folder / f"sample-{number}{SUFFIXES[modality]}" for number in range(3)]
    for number, path in enumerate(paths):
        write(path, number)
    return paths


def _pixels(number: int, phase: int = 0) -> np.ndarray:
    y, x = np.mgrid[0:64, 0:96]
    stripes = ((x + y * number + phase * 8) // 16 % 2)[..., None]
    pixels: np.ndarray = (np.array(_COLORS[number]) * (0.4 + 0.6 * stripes)).astype(np.uint8)
    return pixels


def _write_image(path: Path, number: int) -> None:
    Image.fromarray(_pixels(number)).save(path)


def _write_audio(path: Path, number: int) -> None:
    times = np.arange(16_000) / 16_000
    loudness = 0.2 * (1 + np.sin(2 * np.pi * (number + 1) * times))
    samples = loudness * np.sin(2 * np.pi * _FREQUENCIES[number] * times)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def _write_video(path: Path, number: int) -> None:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_pixels(number, index), format="rgb24")))
        container.mux(stream.encode())
