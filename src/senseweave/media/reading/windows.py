"""Compute the windows of a long recording, and split a stream of samples into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

Span = tuple[float, float]
_LEAST_SECONDS = 1e-3


def window_spans(start: float, end: float, seconds: float, overlap: float = 0.0) -> list[Span]:
    """Return the spans that cover `start` to `end`.

    Windows follow each other every `seconds - overlap`. The last window is moved back so that it is `seconds` long as
    well: nothing is lost and no window is very short. A recording no longer than a window is a single window.

    Args:
        start: Start of the recording, in seconds.
        end: End of the recording, in seconds.
        seconds: Length of a window.
        overlap: Seconds that a window shares with the next, less than `seconds`.

    Raises:
        ValueError: If the lengths are invalid.
    """
    check_window(seconds, overlap)
    if end - start <= seconds + _LEAST_SECONDS:
        return [(start, end)]
    step, spans = seconds - overlap, []
    index = 0
    while True:
        begin = start + index * step
        if begin + seconds >= end - _LEAST_SECONDS:
            spans.append((round(max(start, end - seconds), 6), round(end, 6)))
            return spans
        spans.append((round(begin, 6), round(begin + seconds, 6)))
        index += 1


def check_window(seconds: float, overlap: float) -> None:
    """Raise ValueError if the length or overlap of windows is invalid."""
    if not (seconds >= 0.01 and 0 <= overlap < seconds):
        msg = f"windows need seconds >= 0.01 and 0 <= overlap < seconds, not {seconds=:g}, {overlap=:g}"
        raise ValueError(msg)
    if seconds - overlap < seconds / 100:
        msg = f"overlap of {overlap:g} seconds is too close to the window length of {seconds:g}; use at most 99% of it"
        raise ValueError(msg)


def cut(
    blocks: Iterable[np.ndarray], rate: int, start: float, seconds: float, overlap: float
) -> Iterator[tuple[Span, np.ndarray]]:
    """Split a stream of samples into the windows of `window_spans`, keeping about two windows in memory.

    Args:
        blocks: Consecutive samples, shape (n,) each.
        rate: Samples per second.
        start: Time of the first sample, in seconds.
        seconds: Length of a window.
        overlap: Seconds shared by neighbors.

    Yields:
        The span of each window and its samples.
    """
    check_window(seconds, overlap)
    first, base = round(start * rate), 0
    held = np.empty(0, np.float32)
    index = 0

    def bounds(position: int) -> tuple[int, int]:
        begin = start + position * (seconds - overlap)
        return round(begin * rate) - first, round((begin + seconds) * rate) - first

    slack = int(_LEAST_SECONDS * rate)
    for block in blocks:
        held = np.concatenate([held, block]) if len(held) else block
        # A window is yielded only when it cannot be the last, which may start earlier.
        while base + len(held) > bounds(index)[1] + slack:
            begin, stop = bounds(index)
            yield (_time(first + begin, rate), _time(first + stop, rate)), held[begin - base : stop - base].copy()
            index += 1
            length = bounds(0)[1]
            keep_from = max(0, min(bounds(index)[0], stop + slack - length) - base)
            held, base = held[keep_from:], base + keep_from
    total = base + len(held)
    if index == 0:
        if total:
            yield (start, _time(first + total, rate)), held
        return
    begin = max(base, total - bounds(0)[1])
    yield (_time(first + begin, rate), _time(first + total, rate)), held[begin - base :]


def _time(position: int, rate: int) -> float:
    return round(position / rate, 6)
