"""Where the windows of a long recording begin and end, and the cutting of a stream into them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

Span = tuple[float, float]
_LEAST_SECONDS = 1e-3


def window_spans(start: float, end: float, seconds: float, overlap: float = 0.0) -> list[Span]:
    """Return the spans that cover `start` to `end`.

    Windows follow each other every `seconds - overlap`. The last one is moved back so that it too is `seconds` long:
    nothing is lost and none is a sliver. What is no longer than one window is one window.

    Args:
        start: Where the recording begins, in seconds.
        end: Where it ends, in seconds.
        seconds: Length of a window.
        overlap: Seconds that one window shares with the next, less than `seconds`.

    Raises:
        ValueError: If the lengths make no sense.
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
    """Raise ValueError where windows of this length and overlap make no sense."""
    if not (seconds >= 0.01 and 0 <= overlap < seconds):
        msg = f"windows need seconds >= 0.01 and 0 <= overlap < seconds, not seconds={seconds:g}, overlap={overlap:g}"
        raise ValueError(msg)
    if seconds - overlap < seconds / 100:
        msg = f"an overlap of {overlap:g} in {seconds:g} seconds would give over a hundred windows per window length"
        raise ValueError(msg)


def cut(
    blocks: Iterable[np.ndarray], rate: int, start: float, seconds: float, overlap: float
) -> Iterator[tuple[Span, np.ndarray]]:
    """Cut a stream of samples into the windows of `window_spans`, holding about two windows at a time.

    Args:
        blocks: Consecutive samples, shape (n,) each.
        rate: Samples per second.
        start: Time of the first sample, in seconds.
        seconds: Length of a window.
        overlap: Seconds shared by neighbours.

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
        # A window goes out only when it is certain not to be the last, which may begin earlier.
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
