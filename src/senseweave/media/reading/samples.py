"""Convert samples of any layout and type to mono float32 with a valid sampling rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from senseweave.errors import MediaError
from senseweave.media.decoded import Waveform
from senseweave.media.forms.objects import as_array

_LOST_SHARE = 0.07
"""Of the energy of the loudest channel; the mean of two independent channels keeps at least a quarter."""
_HEARD_SHARE = 0.01
_MOST_EXPECTED = 1 << 24
"""Samples, in 64 MB, for which memory is taken because a header promises them."""
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000


def as_samples(value: Any, source: str) -> tuple[np.ndarray, int]:
    """Return decoded samples as mono float32, and their sampling rate.

    Args:
        value: `(samples, sampling_rate)`, `{"array": ..., "sampling_rate": ...}` or a `Waveform`; samples of shape
            (n,), (channels, n) or (n, channels), float in [-1, 1] or integers of full range.
        source: Name for messages.

    Raises:
        MediaError: If there is no sampling rate, or the samples are invalid.
    """
    rate: Any = None
    samples = value
    if isinstance(value, Waveform):
        samples, rate = value.samples, value.sampling_rate
    elif isinstance(value, Mapping):
        samples = value.get("array", value.get("samples"))
        rate = value.get("sampling_rate", value.get("sample_rate"))
    elif isinstance(value, tuple) and len(value) == 2 and np.ndim(value[1]) == 0:
        samples, rate = value
    array = as_array(samples)
    if array is None:
        raise MediaError(source, f"{type(samples).__name__} is not sound; expected (samples, sampling_rate)")
    if rate is None:
        raise MediaError(source, "samples have no sampling rate; pass (samples, sampling_rate)")
    if array.ndim not in (1, 2) or array.size == 0:
        expected = "expected (n,), (channels, n) or (n, channels)"
        raise MediaError(source, f"array of shape {array.shape} is not sound; {expected}")
    scaled = _full_scale(array, source)
    try:
        checked = check_rate(float(rate), source)
    except (TypeError, ValueError) as error:
        raise MediaError(source, f"has a sampling rate of {rate!r}; expected a number of Hz") from error
    if scaled.ndim == 2:
        channels = scaled.T if scaled.shape[0] < scaled.shape[1] else scaled
        scaled = np.concatenate([mono(channels[at : at + checked]) for at in range(0, len(channels), checked)])
    return np.ascontiguousarray(scaled, dtype=np.float32), checked


def mono(samples: np.ndarray) -> np.ndarray:
    """Return (n, channels) samples of a second at most as their mean, shape (n,), float32.

    Where most of the loudest channel is lost in the mean (channels of opposite phase cancel, silent channels dilute the
    only voice), channels are aligned in phase with the loudest and silent ones left out.
    """
    if samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0], dtype=np.float32)
    if samples.shape[1] == 2:  # many times as fast as along a short axis
        left, right = samples[:, 0], samples[:, 1]
        mean = np.asarray((left + right) * np.float32(0.5), np.float32)
        energies = np.array([left @ left, right @ right])
    else:
        mean = np.asarray(samples.mean(axis=1, dtype=np.float64), np.float32)
        energies = np.einsum("nc,nc->c", samples, samples)
    loudest = int(energies.argmax())
    if not float(mean @ mean) < _LOST_SHARE * float(energies[loudest]):  # NaN is reported later
        return mean
    signs = np.where(samples.T @ samples[:, loudest] < 0, -1.0, 1.0)
    heard = energies >= _HEARD_SHARE * energies[loudest]
    return np.asarray(samples[:, heard] @ signs[heard] / heard.sum(), np.float32)


def joined(blocks: Iterable[np.ndarray], expected: int) -> np.ndarray:
    """Return blocks of float32 samples as one array; each block may be freed before the next is read.

    Args:
        blocks: Arrays of shape (n,), the first of which may be returned as it is.
        expected: How many samples there are in all, as far as is known; any other number costs a copy and no more.
    """
    expected = min(expected, _MOST_EXPECTED)
    samples, count = np.zeros(0, np.float32), 0
    for block in blocks:
        end = count + len(block)
        if not count and end >= expected:
            samples = block
        else:
            if end > len(samples):
                grown = np.empty(max(end, expected, 2 * count), np.float32)
                grown[:count] = samples[:count]
                samples = grown
            samples[count:end] = block
        count = end
    return samples[:count]


def check_rate(rate: float, source: str) -> int:
    """Return a sampling rate as an int.

    Raises:
        MediaError: If it is not a whole number of Hz, or out of range.
    """
    if not (math.isfinite(rate) and LOWEST_RATE <= rate <= HIGHEST_RATE and rate == int(rate)):
        expected = f"expected a whole number from {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz"
        raise MediaError(source, f"has a sampling rate of {rate:g}; {expected}")
    return int(rate)


def _full_scale(array: np.ndarray, source: str) -> np.ndarray:
    if array.dtype.kind == "f":
        return array.astype(np.float32) if array.dtype != np.float32 else array
    if array.dtype == np.uint8:
        return (array.astype(np.float32) - 128.0) / 128.0
    if array.dtype in (np.int8, np.int16, np.int32):
        return (array / float(1 << (8 * array.dtype.itemsize - 1))).astype(np.float32)
    expected = "expected int16, int32, or float in [-1, 1]"
    raise MediaError(source, f"samples of type {array.dtype} have no defined full scale; {expected}")
