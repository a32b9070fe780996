"""Short videos, and what every video family does with them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

RATE = 10
SOUND_RATE = 16_000
SIZE = (48, 64)


def moving_square(seconds: float, seed: int) -> np.ndarray:
    """Frames of a square that moves over a coloured ground, shape (t, height, width, 3), uint8."""
    height, width = SIZE
    count = round(seconds * RATE)
    frames = np.empty((count, height, width, 3), np.uint8)
    frames[:] = np.array([(200, 30, 30), (30, 160, 40), (40, 40, 200), (230, 220, 60)][seed % 4])
    ramp = np.linspace(0, 60, width).astype(np.uint8)
    for index, frame in enumerate(frames):
        frame[..., 1] += ramp // 2
        left = (3 * seed + 2 * index) % (width - 16)
        top = (5 * seed + index) % (height - 16)
        frame[top : top + 16, left : left + 16] = 255 - 40 * seed
    return frames


def write(path: Path, frames: np.ndarray, sound: np.ndarray | None = None) -> Path:
    """Write frames, and mono sound of 16 kHz beside them, into a file."""
    import av

    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        stream.time_base = Fraction(1, RATE)
        track = container.add_stream("pcm_s16le", rate=SOUND_RATE, layout="mono") if sound is not None else None
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
        if track is not None:
            samples = (sound * 32767).astype(np.int16)[None]
            whole = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            whole.sample_rate, whole.pts = SOUND_RATE, 0
            container.mux(track.encode(whole))
            container.mux(track.encode())
    return path


def films(folder: Path) -> list[Path]:
    """Four videos of different lengths, as MP4 files."""
    return [
        write(folder / f"film-{i}.mp4", moving_square(seconds, i)) for i, seconds in enumerate((1.0, 0.7, 1.2, 1.0))
    ]


def forms(path: Path) -> list[Any]:
    """One video as a path, string, URL, data URI and bytes."""
    data = path.read_bytes()
    uri = "data:video/mp4;base64," + base64.b64encode(data).decode()
    return [path, str(path), path.as_uri(), uri, data]


def longer_than(seconds: float) -> Callable[[Path], Path]:
    """An item maker for a video that needs several windows of `seconds`."""
    return lambda folder: write(folder / "long.mp4", moving_square(2.6 * seconds, 1))
