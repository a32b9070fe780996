"""Speech recognition by faster-whisper, from a local folder of CTranslate2 weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from senseweave.encoders.bridges.spoken_language import DESCRIPTION, HEARD_SECONDS
from senseweave.encoders.observation import Observation, Transcript, Word
from senseweave.encoders.runtime.checkpoint import hash_file
from senseweave.encoders.runtime.pinned_weights import PinnedWeights
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable
from senseweave.extras import require
from senseweave.media import Waveform

SAMPLING_RATE = 16_000
"""What Whisper was trained on, in Hz (Radford et al. 2022, arXiv 2212.04356, section 2.2)."""

NO_SPEECH_PROBABILITY = 0.6
GREATEST_COMPRESSION = 2.4
"""What Whisper's authors take for silence and for a model that repeats itself (arXiv 2212.04356, section 4.5)."""


class MelFilters:
    """Mel filters whose products do not depend on the number of threads, as those of BLAS do.

    Last digits that differ are enough for another word, so sums are rounded once, from float64. Each filter covers few
    frequencies: this is no slower.
    """

    def __init__(self, filters: np.ndarray) -> None:
        """Take filters of shape (bands, frequencies)."""
        self._filters = filters.astype(np.float64)
        self._ranges = [(int(bins[0]), int(bins[-1]) + 1) for bins in map(np.flatnonzero, filters)]

    def __matmul__(self, magnitudes: np.ndarray) -> np.ndarray:
        """Return bands, shape (bands, frames), of magnitudes, shape (frequencies, frames)."""
        rows = zip(self._filters, self._ranges, strict=True)
        sums = [(row[low:high, None] * magnitudes[low:high]).sum(axis=0) for row, (low, high) in rows]
        return np.asarray(sums, np.float32)


class FasterWhisper(Loadable):
    """Turns sound into text, greedily and without context between windows, so that equal sound gives equal text.

    CTranslate2 adds in the same order with any number of threads; only the spectrogram came from BLAS, which does not.
    """

    sampling_rate = SAMPLING_RATE

    def __init__(
        self, weights: Path | PinnedWeights, *, language: str | None = "en", compute_type: str = "int8"
    ) -> None:
        """Describe the recognizer; its weights are checked and loaded on first use.

        Args:
            weights: A folder that holds `model.bin`, `config.json`, `tokenizer.json`, or these files as pinned weights.
            language: Spoken language; None to detect it, which a caller does once for a recording.
            compute_type: CTranslate2's number type.
        """
        self.weights = weights
        self.language = language
        self.compute_type = compute_type
        self._model: Lazy[Any] = Lazy(self._load, survives_fork=False)
        self.parts = (self._model,)

    def transcribe(self, sound: Waveform, language: str | None = None) -> str:
        """Return the transcript of `sound` (mono, 16 kHz), or an empty string if there is no speech.

        It is a `Transcript` with the times of its words where the sound is heard at once, in up to 30 seconds.

        Args:
            sound: What is transcribed.
            language: What is spoken, if the recognizer has no language of its own; detected in `sound` if None.
        """
        if sound.silent:
            return ""
        if sound.duration > HEARD_SECONDS:
            segments, _ = self._transcribe(sound, language, without_timestamps=True)
            return join_segments(segments)
        segments, _ = self._transcribe(sound, language, without_timestamps=True, word_timestamps=True)
        # The first segment is all of it. With times of words faster-whisper would listen once more to what comes after
        # the last word, which takes as long again, and finds words there that nobody says.
        found = [segment for segment in islice(segments, 1) if is_speech(segment)]
        words = ((word.word.strip(), round(float(word.start), 2)) for segment in found for word in segment.words or ())
        return Transcript(join_segments(found), tuple(words))

    def recognize(self, sound: Waveform, language: str | None = None) -> Observation:
        """Return the transcript of `sound` with its words and their times, and the language that is spoken."""
        if sound.silent:
            return Observation()
        segments, info = self._transcribe(sound, language, word_timestamps=True)
        found = [segment for segment in segments if is_speech(segment)]
        words = tuple(
            Word(word.word.strip(), float(word.start), float(word.end), float(word.probability))
            for segment in found
            for word in segment.words or ()
        )
        text = join_segments(found)
        if not text:
            return Observation()
        return Observation(
            text=text, words=words, language=info.language, language_score=float(info.language_probability)
        )

    def detect_languages(self, sound: Waveform) -> dict[str, float]:
        """Return the probability of each language in the first 30 seconds of `sound`; empty if there is no choice."""
        if self.language is not None or not self._model().model.is_multilingual:
            return {}
        _, _, probabilities = self._model().detect_language(np.ascontiguousarray(sound.samples, dtype=np.float32))
        return dict(probabilities)

    def _transcribe(self, sound: Waveform, language: str | None, **options: Any) -> tuple[Iterable[Any], Any]:
        segments, info = self._model().transcribe(
            np.ascontiguousarray(sound.samples, dtype=np.float32),
            language=self.language or language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            **options,
        )
        return segments, info

    def identity(self) -> Mapping[str, object]:
        """Checksum of the weights, language and number type."""
        weights = self.weights
        return {
            "recognizer": "faster-whisper",
            "sha256": weights.sha256 if isinstance(weights, PinnedWeights) else hash_file(weights / "model.bin"),
            "language": self.language or DESCRIPTION,
            "compute_type": self.compute_type,
            "checks": {"no_speech": NO_SPEECH_PROBABILITY, "compression": GREATEST_COMPRESSION},
        }

    def _load(self) -> Any:
        whisper = require("faster_whisper", extra="speech", feature="speech recognition")
        if isinstance(self.weights, PinnedWeights):
            found = self.weights.find()
            folder, files = found.folder, None if found.folder else {file: found.read(file) for file in found.files}
        else:
            folder, files = self.weights, None
        model = whisper.WhisperModel(
            str(folder), device="cpu", compute_type=self.compute_type, local_files_only=True, files=files
        )
        model.feature_extractor.mel_filters = MelFilters(model.feature_extractor.mel_filters)
        return model


def is_speech(segment: Any) -> bool:
    """Return whether a segment holds words that were said rather than invented.

    A recognizer that is given noise writes punctuation, repeats itself, or writes a stock phrase that it takes for
    silence itself.
    """
    if not any(character.isalnum() for character in segment.text):
        return False
    return bool(segment.no_speech_prob <= NO_SPEECH_PROBABILITY and segment.compression_ratio <= GREATEST_COMPRESSION)


def join_segments(segments: Iterable[Any]) -> str:
    """Return the text of the segments that hold speech, or an empty string."""
    return " ".join(segment.text.strip() for segment in segments if is_speech(segment)).strip()
