"""Speech recognition by faster-whisper, from a local folder of CTranslate2 weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.encoders.bridges.speech_workers import share_threads
from senseweave.encoders.bridges.spoken_language import DESCRIPTION, HEARD_SECONDS
from senseweave.encoders.bridges.whisper_windows import (
    GREATEST_COMPRESSION,
    LEAST_REST,
    NO_SPEECH_PROBABILITY,
    SHORT_IDENTITY,
    Padding,
    is_spoken,
    transcribe_windows,
)
from senseweave.encoders.observation import Observation, Word
from senseweave.encoders.runtime.checkpoint import hash_file
from senseweave.encoders.runtime.pinned_weights import PinnedWeights
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable
from senseweave.extras import require
from senseweave.media import Waveform

SAMPLING_RATE = 16_000
"""What Whisper was trained on, in Hz (Radford et al. 2022, arXiv 2212.04356, section 2.2)."""
MODEL_FILE: Final = "model.bin"
"""Where CTranslate2 keeps the weights."""
EARLIER_SPEECH: Final[Mapping[str, Any]] = {"speech_padding": "exact", "speech_timestamps": False}
"""Options of families that give the transcripts of earlier versions."""


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
        self,
        weights: Path | PinnedWeights,
        *,
        language: str | None = "en",
        compute_type: str = "int8",
        padding: Padding = "short",
        timestamps: bool = True,
    ) -> None:
        """Describe the recognizer; its weights are checked and loaded on first use.

        Args:
            weights: A folder that holds `model.bin`, `config.json`, `tokenizer.json`, or these files as pinned weights.
            language: Spoken language; None to detect it, which a caller does once for a recording.
            compute_type: CTranslate2's number type.
            padding: `exact` fills windows to the 30 seconds of Whisper's authors; `short` by a quarter of their length,
                and those with doubtful words to 30 seconds.
            timestamps: Whether Whisper writes its tokens of time, as its authors' `transcribe` does; False for the
                transcripts of earlier versions.
        """
        self.weights = weights
        self.language = language
        self.compute_type = compute_type
        self.padding = padding
        self.timestamps = timestamps
        self._model: Lazy[Any] = Lazy(self._load, survives_fork=False)
        self.parts = (self._model,)

    def transcribe(self, sound: Waveform, language: str | None = None) -> str:
        """Return the transcript of `sound` (mono, 16 kHz), or an empty string if there is no speech.

        It is a `Transcript` with the times of its words; without tokens of time, only in up to 30 seconds.

        Args:
            sound: What is transcribed.
            language: What is spoken, if the recognizer has no language of its own; detected in `sound` if None.
        """
        return self.transcribe_batch([sound], [language])[0]

    def transcribe_batch(self, sounds: Sequence[Waveform], languages: Sequence[str | None]) -> list[str]:
        """Return the transcript of each sound, as `transcribe` does, decoding windows of similar length together.

        Args:
            sounds: What is transcribed.
            languages: What is spoken in each; detected where it is None.
        """
        transcripts = [""] * len(sounds)
        windows, spoken = [], []
        for place, (sound, language) in enumerate(zip(sounds, languages, strict=True)):
            if sound.silent:
                continue
            if sound.duration > HEARD_SECONDS and not self.timestamps:
                segments, _ = self._transcribe(sound, language, without_timestamps=True)
                transcripts[place] = join_segments(segments)
            else:
                windows.append(place)
                spoken.append(self.language or language or self._tell_language(sound))
        if not windows:
            return transcripts
        samples = [sounds[place].samples for place in windows]
        found = transcribe_windows(self._model(), samples, spoken, self.padding, timestamps=self.timestamps)
        for place, transcript in zip(windows, found, strict=True):
            transcripts[place] = transcript
        return transcripts

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

    def _tell_language(self, sound: Waveform) -> str:
        probabilities = self.detect_languages(sound)
        return max(probabilities, key=lambda language: probabilities[language], default="en")

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
            "sha256": weights.sha256 if isinstance(weights, PinnedWeights) else hash_file(weights / MODEL_FILE),
            "language": self.language or DESCRIPTION,
            "compute_type": self.compute_type,
            "checks": {"no_speech": NO_SPEECH_PROBABILITY, "compression": GREATEST_COMPRESSION},
            **({"padding": dict(SHORT_IDENTITY)} if self.padding == "short" else {}),
            **({"timestamps": {"rest": LEAST_REST if self.padding == "short" else 1}} if self.timestamps else {}),
        }

    def _load(self) -> Any:
        whisper = require("faster_whisper", extra="speech", feature="speech recognition")
        if isinstance(self.weights, PinnedWeights):
            found = self.weights.find()
            folder, files = found.folder, None if found.folder else {file: found.read(file) for file in found.files}
            size = sum(path.stat().st_size for path in found.files[MODEL_FILE])
        else:
            folder, files = self.weights, None
            size = (self.weights / MODEL_FILE).stat().st_size
        workers, threads = share_threads(size)
        model = whisper.WhisperModel(
            str(folder),
            device="cpu",
            compute_type=self.compute_type,
            cpu_threads=threads,
            num_workers=workers,
            local_files_only=True,
            files=files,
        )
        model.feature_extractor.mel_filters = MelFilters(model.feature_extractor.mel_filters)
        return model


def is_speech(segment: Any) -> bool:
    """Return whether a segment holds words that were said rather than invented."""
    return is_spoken(segment.text, segment.no_speech_prob, segment.compression_ratio)


def join_segments(segments: Iterable[Any]) -> str:
    """Return the text of the segments that hold speech, or an empty string."""
    return " ".join(segment.text.strip() for segment in segments if is_speech(segment)).strip()
