"""Windows of speech whose words Whisper writes together.

Whisper was trained on 30 seconds, and a shorter window is filled up to them, which costs more than all else. With
`padding="short"` a window gets a quarter of its length instead; where the words that come out may be wrong, by
Whisper's own measures or because much of the window has none, it is decoded once more in 30 seconds.
`benchmarks/speech_words.py` counts the words.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np

from senseweave.encoders.observation import Transcript
from senseweave.extras import require

Padding = Literal["exact", "short"]
DECODED_TOGETHER: Final = 8
"""Windows whose words are written at the same time."""
WHOLE_FRAMES: Final = 3000
"""Frames of 10 ms in the 30 seconds that Whisper was trained on (arXiv 2212.04356, section 2.2)."""
FILLED: Final = 1.25
"""Length to which a window is filled, in lengths of the window."""
STEP_FRAMES: Final = 400
"""Lengths are rounded up to these, so that windows of similar length are decoded together."""
LEAST_LOG_PROBABILITY: Final = -0.8
"""Mean of a token, below which a window is decoded again; Whisper's authors take -1 (section 4.5)."""
LONGEST_GAP_SECONDS: Final = 3.0
"""Time without a new word, above which a window is decoded again: a sentence may have been skipped."""
NO_SPEECH_PROBABILITY: Final = 0.6
GREATEST_COMPRESSION: Final = 2.4
"""What Whisper's authors take for silence and for a model that repeats itself (arXiv 2212.04356, section 4.5)."""
SHORT_IDENTITY: Final[Mapping[str, float]] = {
    "filled": FILLED,
    "step": STEP_FRAMES,
    "log_probability": LEAST_LOG_PROBABILITY,
    "gap": LONGEST_GAP_SECONDS,
}
"""What decides transcripts of short padding, for fingerprints."""
PUNCTUATION: Final = ("\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")  # noqa: RUF001
"""Joined to the word that follows, and to the word before (faster-whisper's defaults)."""


@dataclass
class _Window:
    """A window to be decoded."""

    spectrogram: np.ndarray
    seconds: float
    language: str
    transcript: Transcript = Transcript("")  # noqa: RUF009 - a str, which nothing changes
    doubtful: bool = False


def transcribe_windows(
    model: Any, sounds: Sequence[np.ndarray], languages: Sequence[str], padding: Padding = "exact"
) -> list[Transcript]:
    """Return what is said in windows of up to 30 seconds, with the times of words; empty where nobody speaks.

    A window has the same transcript alone and with others.

    Args:
        model: faster-whisper's `WhisperModel`.
        sounds: Mono samples at 16 kHz, shape (n,) each.
        languages: The language of each.
        padding: `exact` fills every window to 30 seconds, `short` by a quarter of its length.
    """
    rate = model.feature_extractor.sampling_rate
    windows = []
    for sound, language in zip(sounds, languages, strict=True):
        samples = np.ascontiguousarray(sound, dtype=np.float32)
        # The last frame is of the padding alone.
        windows.append(_Window(model.feature_extractor(samples)[:, :-1], len(samples) / rate, language))
    groups: dict[tuple[int, str], list[_Window]] = defaultdict(list)
    for window in windows:
        if frames := window.spectrogram.shape[1]:
            filled = filled_frames(frames) if padding == "short" else WHOLE_FRAMES
            groups[filled, window.language].append(window)
    for (frames, _), group in groups.items():
        _decode_in_batches(model, group, frames)
    again: dict[str, list[_Window]] = defaultdict(list)
    for (frames, language), group in groups.items():
        again[language] += [window for window in group if window.doubtful and frames < WHOLE_FRAMES]
    for group in again.values():
        _decode_in_batches(model, group, WHOLE_FRAMES)
    return [window.transcript for window in windows]


def filled_frames(frames: int) -> int:
    """Return the number of frames to which a window of `frames` is filled."""
    return min(WHOLE_FRAMES, math.ceil(frames * FILLED / STEP_FRAMES) * STEP_FRAMES)


def is_spoken(text: str, no_speech: float, compression: float) -> bool:
    """Return whether a text was said rather than invented.

    A recognizer that is given noise writes punctuation, repeats itself, or writes a stock phrase that it takes for
    silence itself.

    Args:
        text: What was written.
        no_speech: The probability that nobody speaks, by the model.
        compression: How many times shorter zlib makes the text.
    """
    if not any(character.isalnum() for character in text):
        return False
    return bool(no_speech <= NO_SPEECH_PROBABILITY and compression <= GREATEST_COMPRESSION)


def _decode_in_batches(model: Any, windows: Sequence[_Window], frames: int) -> None:
    for start in range(0, len(windows), DECODED_TOGETHER):
        _decode(model, windows[start : start + DECODED_TOGETHER], frames)


def _decode(model: Any, windows: Sequence[_Window], frames: int) -> None:
    """Set the transcripts of windows of one language, greedily and without context."""
    whisper = require("faster_whisper.transcribe", extra="speech", feature="speech recognition")
    tokenizer = whisper.Tokenizer(
        model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=windows[0].language
    )
    encoded = _encode(model, windows, frames)
    results = model.model.generate(
        encoded,
        [model.get_prompt(tokenizer, [], without_timestamps=True)] * len(windows),
        beam_size=1,
        max_length=model.max_length,
        return_scores=True,
        return_no_speech_prob=True,
        suppress_blank=True,
        suppress_tokens=whisper.get_suppressed_tokens(tokenizer, [-1]),
    )
    tokens = [result.sequences_ids[0] for result in results]
    segments = [
        [{"tokens": sequence, "start": 0.0, "end": window.seconds, "seek": 0}]
        for sequence, window in zip(tokens, windows, strict=True)
    ]
    lengths = [min(window.spectrogram.shape[1], WHOLE_FRAMES) for window in windows]
    model.add_word_timestamps(segments, tokenizer, encoded, lengths, *PUNCTUATION, 0.0)
    for window, result, sequence, (segment,) in zip(windows, results, tokens, segments, strict=True):
        text = tokenizer.decode(sequence).strip()
        words = [(word["word"].strip(), round(float(word["start"]), 2)) for word in segment["words"]]
        said = is_spoken(text, result.no_speech_prob, whisper.get_compression_ratio(text))
        # CTranslate2 divides the sum by the number of tokens, and leaves out the end of the text.
        log_probability = result.scores[0] * len(sequence) / (len(sequence) + 1)
        window.transcript = Transcript(text, tuple(words)) if said else Transcript("")
        window.doubtful = not said or log_probability < LEAST_LOG_PROBABILITY or _skips(words, window.seconds)


def _encode(model: Any, windows: Sequence[_Window], frames: int) -> Any:
    """Return the encoder's states of a batch.

    The encoder runs window by window, which is faster: its matrices are large already, and fit the caches.
    """
    storage = require("ctranslate2", extra="speech").StorageView
    states = []
    for window in windows:
        spectrogram = window.spectrogram[:, :frames]
        spectrogram = np.pad(spectrogram, ((0, 0), (0, frames - spectrogram.shape[1])))
        states.append(model.encode(spectrogram))
    return (
        states[0] if len(states) == 1 else storage.from_array(np.concatenate([np.asarray(state) for state in states]))
    )


def _skips(words: Sequence[tuple[str, float]], seconds: float) -> bool:
    """Return whether no word begins for long in a window."""
    starts = [0.0, *(start for _, start in words), seconds]
    return any(later - earlier > LONGEST_GAP_SECONDS for earlier, later in pairwise(starts))
