"""Windows of speech whose words Whisper writes together.

Whisper writes with its tokens of time, as its authors' `transcribe` does: where it stops before the end of a window,
the rest is decoded from there. Without these tokens (`timestamps=False`) more words are left out.

Whisper was trained on 30 seconds, and a shorter window is filled up to them, which costs more than all else. With
`padding="short"` a window gets a quarter of its length instead; where the words that come out may be wrong, by
Whisper's own measures or because much of the window has none, it is decoded once more in 30 seconds.
`benchmarks/speech_words.py` counts the words.

Batches of windows are decoded at the same time where the model has several workers; `speech_workers.py` says how many.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np

from senseweave.encoders.bridges.speech_workers import at_once, usable_workers
from senseweave.encoders.observation import Transcript
from senseweave.extras import require

Padding = Literal["exact", "short"]
DECODED_TOGETHER: Final = 8
"""Windows whose words are written at the same time."""
HEARD_TOGETHER: Final = 32
"""Windows among which those of one length are sought. Among 8 with short padding they are two or three: the 28 windows
of a recording took a sixth more processor time than among 32."""
WHOLE_FRAMES: Final = 3000
"""Frames of 10 ms in the 30 seconds that Whisper was trained on (arXiv 2212.04356, section 2.2)."""
FILLED: Final = 1.25
"""Length to which a window is filled, in lengths of the window."""
STEP_FRAMES: Final = 400
"""Lengths are rounded up to these, so that windows of similar length are decoded together."""
LEAST_REST: Final = 100
"""Frames: a shorter rest of a window is not decoded with `padding="short"`; windows end in pauses."""
LEAST_LOG_PROBABILITY: Final = -0.8
"""Mean of a token, below which a window is decoded again; Whisper's authors take -1 (section 4.5)."""
LONGEST_GAP_SECONDS: Final = 3.0
"""Time without a new word, above which a window is decoded again: a sentence may have been skipped."""
NO_SPEECH_PROBABILITY: Final = 0.6
GREATEST_COMPRESSION: Final = 2.4
SILENT_LOG_PROBABILITY: Final = -1.0
"""What Whisper's authors take for silence and for a model that repeats itself (arXiv 2212.04356, section 4.5)."""
REPEATED_BEAM: Final = 5
"""Texts kept at a time where the likeliest token at each step leads into a repetition or to an early end (the beam of
Whisper's authors)."""
SHORT_IDENTITY: Final[Mapping[str, float]] = {
    "filled": FILLED,
    "step": STEP_FRAMES,
    "log_probability": LEAST_LOG_PROBABILITY,
    "gap": LONGEST_GAP_SECONDS,
    "beam": REPEATED_BEAM,
}
"""What decides transcripts of short padding, for fingerprints."""
PUNCTUATION: Final = ("\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")  # noqa: RUF001
"""Joined to the word that follows, and to the word before (faster-whisper's defaults)."""


@dataclass
class _Window:
    """A window, and what has been written of it up to a frame."""

    spectrogram: np.ndarray
    language: str
    frame: int = 0
    heard_until: float = 0.0
    texts: list[str] = field(default_factory=list)
    words: list[tuple[str, float]] = field(default_factory=list)

    @property
    def rest(self) -> int:
        """Frames that are not yet decoded."""
        return int(self.spectrogram.shape[1]) - self.frame

    def take(self, decoded: _Decoded) -> None:
        """Add what was decoded, and go on behind it."""
        self.texts += decoded.texts
        self.words += decoded.words
        self.heard_until = decoded.heard_until
        self.frame = decoded.frame if decoded.frame > self.frame else self.spectrogram.shape[1]


@dataclass(frozen=True)
class _Decoded:
    """What was written of up to 30 seconds of a window, and the frame up to which it was heard."""

    texts: Sequence[str]
    words: Sequence[tuple[str, float]]
    frame: int
    heard_until: float
    doubtful: bool
    stuck: bool = False


def transcribe_windows(
    model: Any,
    sounds: Sequence[np.ndarray],
    languages: Sequence[str],
    padding: Padding = "exact",
    *,
    timestamps: bool = True,
) -> list[Transcript]:
    """Return what is said in windows, with the times of words; empty where nobody speaks.

    A window has the same transcript alone and with others.

    Args:
        model: faster-whisper's `WhisperModel`.
        sounds: Mono samples at 16 kHz, shape (n,) each.
        languages: The language of each.
        padding: `exact` fills every window to 30 seconds, `short` by a quarter of its length.
        timestamps: Whether Whisper writes its tokens of time. Without them no more than 30 seconds are heard.
    """
    spectrograms = at_once([partial(_spectrogram, model, sound) for sound in sounds], usable_workers(model))
    windows = [_Window(*each) for each in zip(spectrograms, languages, strict=True)]
    waiting = [window for window in windows if window.rest]
    while waiting:
        decoded = _decode_all(model, waiting, padding, timestamps)
        for window, part in zip(waiting, decoded, strict=True):
            window.take(part)
        waiting = [window for window in waiting if window.rest >= (LEAST_REST if padding == "short" else 1)]
    return [Transcript(" ".join(window.texts), tuple(window.words)) for window in windows]


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


def _spectrogram(model: Any, sound: np.ndarray) -> np.ndarray:
    """Return the features of samples, shape (bands, frames); the last frame is of the padding alone."""
    features = model.feature_extractor(np.ascontiguousarray(sound, dtype=np.float32))
    return np.asarray(features[:, :-1])


def _decode_all(model: Any, windows: Sequence[_Window], padding: Padding, timestamps: bool) -> list[_Decoded]:
    """Return what is said next in each window; what is doubtful after short padding is decoded again.

    Where the text of 30 seconds repeats itself or leaves time out too, a beam searches for another.
    """
    lengths = [filled_frames(window.rest) if padding == "short" else WHOLE_FRAMES for window in windows]
    decoded = _decode_in_batches(model, windows, dict(enumerate(lengths)), timestamps)
    again = {place: WHOLE_FRAMES for place, part in decoded.items() if part.doubtful and lengths[place] < WHOLE_FRAMES}
    decoded |= _decode_in_batches(model, windows, again, timestamps)
    if padding == "short":
        again = {place: WHOLE_FRAMES for place, part in decoded.items() if part.stuck}
        decoded |= _decode_in_batches(model, windows, again, timestamps, beam=REPEATED_BEAM)
    return [decoded[place] for place in range(len(windows))]


def _decode_in_batches(
    model: Any, windows: Sequence[_Window], lengths: Mapping[int, int], timestamps: bool, *, beam: int = 1
) -> dict[int, _Decoded]:
    """Decode the windows at some places, each filled to its length, and return the results by place."""
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for place, frames in lengths.items():
        groups[frames, windows[place].language].append(place)
    workers = usable_workers(model)
    size = min(DECODED_TOGETHER, math.ceil(len(lengths) / workers)) or 1
    batches, calls = [], []
    for (frames, language), places in sorted(groups.items(), reverse=True):  # what takes longest begins first
        decoder = _Decoder(model, language, timestamps=timestamps, beam=beam)
        for start in range(0, len(places), size):
            batches.append(places[start : start + size])
            calls.append(partial(decoder.decode, [windows[place] for place in batches[-1]], frames))
    decoded: dict[int, _Decoded] = {}
    for batch, found in zip(batches, at_once(calls, workers), strict=True):
        decoded |= dict(zip(batch, found, strict=True))
    return decoded


class _Decoder:
    """Writes windows of one language without context, as faster-whisper does window by window."""

    def __init__(self, model: Any, language: str, *, timestamps: bool, beam: int) -> None:
        self._whisper = require("faster_whisper.transcribe", extra="speech", feature="speech recognition")
        self._model = model
        self._tokenizer = self._whisper.Tokenizer(
            model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language
        )
        self._timestamps = timestamps
        self._beam = beam

    def decode(self, windows: Sequence[_Window], frames: int) -> list[_Decoded]:
        """Return what is said in the next frames of windows, filled up to `frames`."""
        model = self._model
        states = [_encode(model, window, frames) for window in windows]
        results = model.model.generate(
            _join(states),
            [model.get_prompt(self._tokenizer, [], without_timestamps=not self._timestamps)] * len(windows),
            beam_size=self._beam,
            max_length=model.max_length,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._whisper.get_suppressed_tokens(self._tokenizer, [-1]),
        )
        return [self._read(*item) for item in zip(windows, results, states, strict=True)]

    def _read(self, window: _Window, result: Any, states: Any) -> _Decoded:
        """Return what was said, and where to go on.

        Words are timed window by window: in a batch, rounding would move some by a frame.
        """
        tokens, length = result.sequences_ids[0], min(window.rest, WHOLE_FRAMES)
        segments, frame, complete = self._split(tokens, window.frame, length)
        self._model.add_word_timestamps(
            [segments], self._tokenizer, states, length, *PUNCTUATION, last_speech_timestamp=window.heard_until
        )
        last = _last_end(segments)
        if not complete and last * self._model.frames_per_second > window.frame:
            frame = round(last * self._model.frames_per_second)
        compression = self._whisper.get_compression_ratio(self._tokenizer.decode(tokens).strip())
        # CTranslate2 divides the sum by the number of tokens, and leaves out the end of the text.
        log_probability = result.scores[0] * len(tokens) / (len(tokens) + 1)
        if result.no_speech_prob > NO_SPEECH_PROBABILITY and log_probability <= SILENT_LOG_PROBABILITY:
            return _Decoded([], [], window.frame + length, window.heard_until, doubtful=True)
        texts, words = [], []
        for segment in segments:
            text = self._tokenizer.decode(segment["tokens"]).strip()
            if segment["start"] != segment["end"] and is_spoken(text, result.no_speech_prob, compression):
                texts.append(text)
                words += [(word["word"].strip(), round(float(word["start"]), 2)) for word in segment["words"]]
        began, ended = (at / self._model.frames_per_second for at in (window.frame, frame))
        doubtful = not texts or log_probability < LEAST_LOG_PROBABILITY or _skips(words, began, ended)
        stuck = compression > GREATEST_COMPRESSION or (bool(texts) and _skips(words, began, ended))
        return _Decoded(texts, words, frame, last, doubtful, stuck)

    def _split(self, tokens: Sequence[int], frame: int, length: int) -> tuple[list[dict[str, Any]], int, bool]:
        """Return segments, the frame to go on from, and whether that is final whatever the words' times.

        A segment ends where two tokens of time follow each other; what comes after the last pair is not finished, and
        decoded again, unless it ends with a token of time too (Whisper's `transcribe`).
        """
        rate, first = self._model.frames_per_second, self._tokenizer.timestamp_begin

        def segment(part: Sequence[int], start: float, end: float) -> dict[str, Any]:
            return {"seek": frame, "start": frame / rate + start, "end": frame / rate + end, "tokens": part}

        def seconds(token: int) -> float:
            return float((token - first) * self._model.time_precision)

        if not self._timestamps:
            return [segment(tokens, 0.0, length / rate)], frame + length, True
        timed = [token >= first for token in tokens]
        closed = timed[-2:] == [False, True]
        cuts = [at for at in range(1, len(tokens)) if timed[at - 1] and timed[at]]
        if not cuts:
            last = max((token for token in tokens if token > first), default=None)
            return [segment(tokens, 0.0, length / rate if last is None else seconds(last))], frame + length, closed
        cuts += [len(tokens)] * closed
        parts = [tokens[start:end] for start, end in pairwise([0, *cuts])]
        segments = [segment(part, seconds(part[0]), seconds(part[-1])) for part in parts]
        onward = length if closed else (parts[-1][-1] - first) * self._model.input_stride
        return segments, frame + onward, closed


def _encode(model: Any, window: _Window, frames: int) -> Any:
    """Return the encoder's states of the next frames of a window, filled up to `frames`.

    The encoder runs window by window, which is faster: its matrices are large already, and fit the caches.
    """
    spectrogram = window.spectrogram[:, window.frame : window.frame + frames]
    return model.encode(np.pad(spectrogram, ((0, 0), (0, frames - spectrogram.shape[1]))))


def _join(states: Sequence[Any]) -> Any:
    """Return states as one batch."""
    if len(states) == 1:
        return states[0]
    storage = require("ctranslate2", extra="speech").StorageView
    return storage.from_array(np.concatenate([np.asarray(each) for each in states]))


def _last_end(segments: Sequence[Mapping[str, Any]]) -> float:
    """Return when the last word ends, or the last segment if there are no words."""
    ends = [word["end"] for segment in segments for word in segment["words"]]
    return float(ends[-1] if ends else segments[-1]["end"])


def _skips(words: Iterable[tuple[str, float]], began: float, ended: float) -> bool:
    """Return whether no word begins for long in what was decoded."""
    starts = [began, *(start for _, start in words), ended]
    return any(later - earlier > LONGEST_GAP_SECONDS for earlier, later in pairwise(starts))
