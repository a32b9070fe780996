"""Whether two recordings are the same or one is cut from the other, by the fingerprint of Haitsma and Kalker.

Every frame has 32 bits: whether the difference of energy between neighboring bands grew or fell since the frame before
("A Highly Robust Audio Fingerprinting System", ISMIR 2002). Coding and loudness leave most of them as they are; the
bits of unrelated recordings agree by half. Silence is left out: it agrees with every other silence.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from senseweave.extras import require
from senseweave.media.decoded import Waveform

RATE: Final = 8000
"""In Hz; speech and music are recognized below 4 kHz."""
FRAME: Final = 4096
"""Samples of a frame (0.51 s), long against the step so that a cut anywhere meets nearly equal frames."""
HOP: Final = 256
"""Samples from one frame to the next (32 ms)."""
BANDS: Final = np.geomspace(150, 3500, 34)
"""Edges of the bands, in Hz."""
LEAST_FRAMES: Final = 40
"""Frames that two recordings must share (1.8 seconds)."""
LEAST_SHARE: Final = 0.5
"""Share of the shorter recording that must be found in the other."""
SILENCE: Final = 1e-3
"""Energy of a frame, as a share of the loudest, below which it is silent."""


def fingerprint(sound: Waveform) -> np.ndarray:
    """Return the fingerprint of a recording, shape (frames, 32), int8 of -1 and 1, or 0 in silence.

    Args:
        sound: Samples at `RATE`.
    """
    samples = sound.samples
    if len(samples) < FRAME + HOP:
        return np.zeros((0, len(BANDS) - 2), np.int8)
    frequencies = np.fft.rfftfreq(FRAME, 1 / RATE)
    edges = np.searchsorted(frequencies, BANDS)
    window = np.hanning(FRAME).astype(np.float32)
    starts = range(0, len(samples) - FRAME + 1, HOP)
    energy = np.empty((len(starts), len(BANDS) - 1))
    for row, start in enumerate(starts):
        power = np.abs(np.fft.rfft(samples[start : start + FRAME] * window)) ** 2
        energy[row] = np.add.reduceat(power, edges)[:-1]
    slope = np.diff(energy, axis=1)
    bits = np.where(np.diff(slope, axis=0) > 0, 1, -1).astype(np.int8)
    loud = energy.sum(axis=1)
    bits[loud[1:] < SILENCE * max(float(loud.max()), 1e-12)] = 0
    return bits


def sound_score(first: np.ndarray, second: np.ndarray) -> float:
    """Return how surely one recording is in the other, from 0 to 1: how far more than half of their bits agree.

    Args:
        first: A fingerprint.
        second: Another.
    """
    shorter = min(len(first), len(second))
    least = max(LEAST_FRAMES, int(LEAST_SHARE * shorter))
    if shorter < LEAST_FRAMES:
        return 0.0
    fft = require("scipy.fft", extra="explore", feature="index.duplicates")
    length = fft.next_fast_len(len(first) + len(second), real=True)
    a, b = (fft.rfft(bits.astype(np.float32), length, axis=0) for bits in (first, second))
    agreement = fft.irfft((a * np.conj(b)).sum(axis=1), length)
    sounding = [(bits != 0).any(axis=1).astype(np.float32) for bits in (first, second)]
    c, d = (fft.rfft(values, length) for values in sounding)
    shared = fft.irfft(c * np.conj(d), length)
    possible = np.round(shared) >= min(least, max(LEAST_FRAMES, LEAST_SHARE * min(map(np.sum, sounding))))
    if not possible.any():
        return 0.0
    score = float((agreement[possible] / (shared[possible] * first.shape[1])).max())
    return max(score, 0.0)
