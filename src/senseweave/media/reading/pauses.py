"""Windows that end where nobody speaks, so that no word is split."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from senseweave.extras import require
from senseweave.media.reading.windows import Span, check_window

RATE = 16_000
_CHUNK, _CONTEXT = 512, 64
"""Samples at 16 kHz that Silero's detector classifies at a time, and how many before them it needs as context."""
_CHUNKS_AT_ONCE = 64
"""Chunks that a run classifies: two seconds. A run for each chunk took more than twice the processor time."""
_WEIGHTS = "silero_vad_16k_sequence.onnx"
"""The network over consecutive chunks (from silero-vad 6.2.2); its probabilities are those of `silero_vad.onnx`."""
_SPEECH = 0.35
"""Speech ends below this probability, 0.15 under the threshold 0.5 at which it starts (silero-vad's defaults)."""
_LEAST_PAUSE_SECONDS = 0.1


def pauses(blocks: Iterable[np.ndarray], start: float = 0.0) -> list[Span]:
    """Return the spans of at least a tenth of a second in which nobody speaks.

    The detector is Silero VAD: the ONNX weights in the package silero-vad, run by onnxruntime.

    Args:
        blocks: Consecutive mono samples at 16 kHz, shape (n,) each.
        start: Time of the first sample, in seconds.
    """
    spans: list[Span] = []
    begin: float | None = None
    now = start
    for index, probability in enumerate(_speech_probabilities(blocks)):
        now = start + index * _CHUNK / RATE
        if probability < _SPEECH:
            begin = now if begin is None else begin
        elif begin is not None:
            spans.append((begin, now))
            begin = None
    if begin is not None:
        spans.append((begin, now + _CHUNK / RATE))
    return [span for span in spans if span[1] - span[0] >= _LEAST_PAUSE_SECONDS]


def spans_at_pauses(start: float, end: float, seconds: float, overlap: float, quiet: list[Span]) -> list[Span]:
    """Return windows of at most `seconds` that cover `start` to `end` and end in the widest pause within reach.

    A window ends no earlier than at half its length, and the last two share the rest so that neither is very short.
    Without a pause a window is `seconds` long.

    Raises:
        ValueError: If the lengths are invalid.
    """
    check_window(seconds, overlap)
    spans: list[Span] = []
    begin = start
    while end - begin > seconds:
        left = end - begin
        earliest, latest = begin + seconds / 2, begin + seconds
        if left < 1.5 * seconds:
            earliest, latest = begin + left / 3, begin + min(seconds, 2 * left / 3)
        cut = _cut(max(earliest, begin + overlap + seconds / 100), latest, quiet)
        spans.append((round(begin, 6), round(cut, 6)))
        begin = cut - overlap
    return [*spans, (round(begin, 6), round(end, 6))]


def _cut(earliest: float, latest: float, quiet: list[Span]) -> float:
    inside = [(max(low, earliest), min(high, latest)) for low, high in quiet if low < latest and high > earliest]
    if not inside:
        return latest
    low, high = max(inside, key=lambda span: (span[1] - span[0], span[1]))
    return (low + high) / 2


def _speech_probabilities(blocks: Iterable[np.ndarray]) -> Iterator[float]:
    """Yield the probability of speech in each chunk; what is left at the end and fills no chunk is not heard."""
    session = _detector()
    hidden = cell = np.zeros((1, 1, 128), np.float32)
    held = np.zeros(_CONTEXT, np.float32)
    for block in blocks:
        held = np.concatenate([held, block])
        count = (len(held) - _CONTEXT) // _CHUNK
        if not count:
            continue
        chunks = np.lib.stride_tricks.sliding_window_view(held, _CONTEXT + _CHUNK)[: count * _CHUNK : _CHUNK]
        for at in range(0, count, _CHUNKS_AT_ONCE):
            heard = np.ascontiguousarray(chunks[at : at + _CHUNKS_AT_ONCE])
            probabilities, hidden, cell = session.run(None, {"input": heard, "h": hidden, "c": cell})
            yield from probabilities.tolist()
        held = held[count * _CHUNK :]


@functools.cache
def _detector() -> Any:
    onnxruntime = require("onnxruntime", extra="speech", feature="cutting at pauses")
    # Importing silero_vad imports torch and sets it to one thread for the whole process; only its weights are needed.
    package = importlib.util.find_spec("silero_vad")
    if package is None or package.origin is None:
        require("silero_vad", extra="speech", feature="cutting at pauses")
        msg = "the package silero-vad has no files; try: pip install --force-reinstall silero-vad"
        raise ImportError(msg)
    weights = Path(package.origin).parent / "data" / _WEIGHTS
    if not weights.exists():
        msg = 'cutting at pauses needs silero-vad 6.2.2 or later; try: pip install --no-deps "silero-vad>=6.2.2"'
        raise ImportError(msg)
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
