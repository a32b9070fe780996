"""The decoded forms of audio and video that encoders take; images are RGB PIL images, text is `str`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np


class Recording(Protocol):
    """All of a recording, as `senseweave.Audio`."""

    @property
    def sha256(self) -> str:
        """Hash of its content."""

    @property
    def duration(self) -> float:
        """Its length in seconds."""

    def part(self, *, span: tuple[float, float]) -> Self:
        """Return some seconds of it."""

    def decode(self, *, sampling_rate: int) -> Waveform:
        """Return its sound."""


@dataclass(frozen=True)
class Waveform:
    """Mono sound.

    Attributes:
        samples: Shape (n,), float32, within [-1, 1].
        sampling_rate: Samples per second, in Hz.
        silent: Whether no tenth of a second is louder than -60 dBFS RMS; the vector of silence means little.
        notes: What a user should know, for example that the file ends early.
        recording: All of the recording that this is a part of; None if nothing is known beyond these samples.
    """

    samples: np.ndarray
    sampling_rate: int
    silent: bool = False
    notes: tuple[str, ...] = field(default=())
    recording: Recording | None = field(default=None, repr=False, compare=False)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sampling_rate


@dataclass(frozen=True)
class Clip:
    """Frames of a video with their presentation times, and the sound of the same span.

    Attributes:
        frames: Shape (t, height, width, 3), uint8, RGB.
        times: Presentation time of each frame in seconds from the start of the source, shape (t,), float64.
        sound: The sound track of the same span, or None if there is none.
        notes: What a user should know, for example that the end of the file is corrupt.
    """

    frames: np.ndarray
    times: np.ndarray
    sound: Waveform | None = None
    notes: tuple[str, ...] = field(default=())
