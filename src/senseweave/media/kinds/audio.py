"""Audio: any recording, or the sound of a video, as mono samples at any rate."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Self

import numpy as np

from senseweave.errors import MediaError
from senseweave.media.base import Media
from senseweave.media.decoded import Waveform
from senseweave.media.forms.objects import DecodedSource
from senseweave.media.modality import Modality
from senseweave.media.reading.pauses import RATE as PAUSE_RATE
from senseweave.media.reading.pauses import pauses, spans_at_pauses
from senseweave.media.reading.samples import as_samples, check_rate, joined
from senseweave.media.reading.sound import ArrayReader, SoundReader, count_seconds, is_silent, open_sound, stream
from senseweave.media.reading.windows import Span, cut, window_spans


class Audio(Media):
    """A recording: an audio file, the sound track of a video file, or samples with their rate.

    Args:
        value: A path, URL, data URI, bytes, binary file object, `(samples, sampling_rate)`,
            `{"array": ..., "sampling_rate": ...}` or `Waveform`.
        span: `(start, end)` in seconds, or None for all of it.
        metadata: The user's own flat values.
        policy: What may be read.
    """

    modality: Modality = "audio"  # type: ignore[misc]

    def decode(self, *, sampling_rate: int | None = None) -> Waveform:
        """Return the sound of the span as the mean of its channels, in [-1, 1].

        Args:
            sampling_rate: Rate to resample to, in Hz; None keeps the recording's own.

        Raises:
            MediaError: If there is no sound in the span, or it cannot be decoded.
        """
        with self._reader() as reader:
            rate = check_rate(sampling_rate, self.source) if sampling_rate else reader.rate
            start, end = self.span or (0.0, math.inf)
            seconds = min(end, reader.duration if reader.duration is not None else 0.0) - start
            blocks = self._within_limit(stream(reader, rate, self.span, self.policy, self.source))
            samples = joined(blocks, max(0, math.ceil(seconds * rate)))
            if not len(samples):
                raise MediaError(self.source, self._no_sound())
            return self._waveform(samples, rate, reader)

    @cached_property
    def duration(self) -> float:
        """Seconds of sound in the span: what decoding gives, never an estimate.

        Raises:
            MediaError: If the recording cannot be read.
        """
        start, end = self._bounds
        return end - start

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        total = self._source.track_seconds.get("audio")
        if total is None:
            if isinstance(self._source, DecodedSource):
                samples, rate = as_samples(self._source.value, self._source.name)
                total = len(samples) / rate
            else:
                total, notes = count_seconds(self._source, self._content(), self.policy)
                for note in notes:
                    self._source.note(note)
            self._source.track_seconds["audio"] = total
        if self.span is None:
            self.policy.check_seconds(self.source, total)
        start, end = self.span if self.span is not None else (0.0, total)
        if total <= 0 or start >= total:
            raise MediaError(self.source, self._no_sound())
        return start, min(end, total)

    def windows(self, seconds: float, overlap: float = 0.0, *, at_pauses: bool = False) -> list[Self]:
        """Return audio of the same source, one per window, each with its span.

        Args:
            seconds: Length of a window.
            overlap: Seconds shared by neighboring windows.
            at_pauses: Whether windows end where nobody speaks; they are then at least half of `seconds` long. This
                reads the recording once, with Silero's speech detector.

        Raises:
            MediaError: If the recording cannot be read.
        """
        if at_pauses and self.duration is not None and self.duration > seconds:
            spans = spans_at_pauses(*self._bounds, seconds, overlap, self.pauses())
            return [self.part(span=span) for span in spans]
        return [self.part(span=span) for span in window_spans(*self._bounds, seconds, overlap)]

    def decoded_windows(
        self, seconds: float, overlap: float = 0.0, *, sampling_rate: int | None = None
    ) -> Iterator[tuple[Self, Waveform]]:
        """Yield each window with its sound, in one pass that keeps about two windows in memory.

        Args:
            seconds: Length of a window.
            overlap: Seconds shared by neighboring windows.
            sampling_rate: Rate to resample to, in Hz; None keeps the recording's own.

        Raises:
            MediaError: If the recording cannot be decoded.
        """
        with self._reader() as reader:
            rate = check_rate(sampling_rate, self.source) if sampling_rate else reader.rate
            blocks = stream(reader, rate, self.span, self.policy, self.source)
            start = self.span[0] if self.span is not None else 0.0
            empty = True
            for span, samples in cut(blocks, rate, start, seconds, overlap):
                empty = False
                yield self.part(span=span), self._waveform(samples, rate, reader)
            if empty:
                raise MediaError(self.source, self._no_sound())

    def pauses(self) -> list[Span]:
        """Return the spans of at least a tenth of a second in which nobody speaks.

        Raises:
            MediaError: If the recording cannot be decoded.
        """
        with self._reader() as reader:
            blocks = stream(reader, PAUSE_RATE, self.span, self.policy, self.source)
            return pauses(blocks, self.span[0] if self.span is not None else 0.0)

    def _waveform(self, samples: np.ndarray, rate: int, reader: SoundReader) -> Waveform:
        whole = self if self.span is None else type(self)(self._source, policy=self.policy)
        return Waveform(samples, rate, is_silent(samples, rate), tuple(reader.notes), whole)

    def _within_limit(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        count = 0
        for block in blocks:
            count += len(block)
            self.policy.check_decoded(self.source, 4 * count)
            yield block

    @contextlib.contextmanager
    def _reader(self) -> Iterator[SoundReader]:
        reader: Any
        if isinstance(self._source, DecodedSource):
            reader = ArrayReader(*as_samples(self._source.value, self._source.name))
        else:
            reader = open_sound(self._source, self._content(), self.policy)
        try:
            if reader.duration is not None and self.span is None:
                self.policy.check_seconds(self.source, reader.duration)
            yield reader
        finally:
            for note in reader.notes:
                self._source.note(note)
            reader.close()

    def _no_sound(self) -> str:
        where = f" from {self.span[0]:g} to {self.span[1]:g} seconds" if self.span is not None else ""
        return f"has no sound{where}"
