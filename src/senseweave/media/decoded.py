"""The decoded forms that encoders take: mono sound and timed frames (images are RGB PIL images, text is str)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Waveform:
    """Mono sound.

    Attributes:
        samples: Shape (n,), float32, within [-1, 1].
        sampling_rate: Samples per second, in Hz.
        silent: True where no tenth of a second rises above -60 dBFS RMS; a silent clip has a vector that means little.
        notes: What a reader should know, for example that the file breaks off before its end.
    """

    samples: np.ndarray
    sampling_rate: int
    silent: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sampling_rate


@dataclass(frozen=True)
class Clip:
    """Frames of a video with their presentation times, and the sound that goes with them.

    Attributes:
        frames: Shape (t, height, width, 3), uint8, RGB.
        times: Presentation time of each frame in seconds from the start of the source, shape (t,), float64.
        sound: The sound track of the same span, or None where there is none.
        notes: What a reader should know, for example that the tail of the file is corrupt.
    """

    frames: np.ndarray
    times: np.ndarray
    sound: Waveform | None = None
    notes: tuple[str, ...] = field(default=())
