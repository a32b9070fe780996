"""Video: frames sampled evenly by presentation time, and the sound of the same span."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from senseweave.errors import MediaError
from senseweave.media.base import Media
from senseweave.media.decoded import Clip
from senseweave.media.forms.objects import DecodedSource, as_array
from senseweave.media.kinds.audio import Audio
from senseweave.media.modality import Modality
from senseweave.media.reading.frames import FrameReader, even_times, nearest_before
from senseweave.media.reading.in_flight import claim_pixels
from senseweave.media.reading.pauses import spans_at_pauses
from senseweave.media.reading.windows import Span, window_spans

DEFAULT_FRAMES = 8
_SHORTFALL_SECONDS = 0.5
_CLIP_FRAMES = 32
"""Frames that a video model sees at once, at most; a list of them has no time that could be cut."""


class Video(Media):
    """A video: a file, a list of frames, or a 4-d array of frames.

    Args:
        value: A path, URL, data URI, bytes, binary file object, a list of frames (PIL images or arrays), an array of
            shape (t, h, w, c) or (t, c, h, w), `(frames, frame_rate)`, `{"frames": ..., "frame_rate": ...}` or
            `Clip`. Without a rate, frames are one second apart, and up to 32 of them are one clip, however short the
            windows of a model are.
        span: `(start, end)` in seconds, or None for all of it.
        metadata: The user's own flat values.
        policy: What may be read.
    """

    modality: Modality = "video"  # type: ignore[misc]

    def decode(self, *, frames: int = DEFAULT_FRAMES, sampling_rate: int | None = None) -> Clip:
        """Return frames of the span, and its sound.

        The span is divided into `frames` equal parts, and the frame on screen in the middle of each is returned. A span
        with fewer frames repeats them, so that the number of frames is always the same.

        Args:
            frames: Number of frames.
            sampling_rate: Rate of the sound in Hz; None leaves the sound out.

        Raises:
            MediaError: If there is no frame in the span, or it cannot be decoded.
        """
        with self._frames() as reader:
            return self._clip(reader, *self._bounds, frames, sampling_rate)

    def verify(self) -> None:
        """Check that a frame of the span can be decoded.

        Raises:
            MediaError: If none can be decoded.
        """
        self.decode(frames=1)

    @cached_property
    def duration(self) -> float:
        """Seconds of video in the span: up to where its last packet ends, whatever the header says.

        Raises:
            MediaError: If the video cannot be read.
        """
        start, end = self._bounds
        return end - start

    def windows(self, seconds: float, overlap: float = 0.0, *, at_pauses: bool = False) -> list[Self]:
        """Return video of the same source, one per segment, each with its span.

        Args:
            seconds: Length of a segment.
            overlap: Seconds shared by neighboring segments.
            at_pauses: Whether segments end where nobody speaks, as in `Audio.windows`, if there is a sound track.

        Raises:
            MediaError: If the video cannot be read.
        """
        start, end = self._bounds
        if at_pauses and self._has_sound and end - start > seconds:
            sound = self.part(span=(start, end)).sound()
            quiet = [*sound.pauses(), (start + sound.duration, end)]  # the track may end before the pictures
            return [self.part(span=span) for span in spans_at_pauses(start, end, seconds, overlap, quiet)]
        return [self.part(span=span) for span in self._window_spans(seconds, overlap)]

    def decoded_windows(
        self, seconds: float, overlap: float = 0.0, *, frames: int = DEFAULT_FRAMES, sampling_rate: int | None = None
    ) -> Iterator[tuple[Self, Clip]]:
        """Yield each segment with its frames and sound, in one pass over the file.

        Args:
            seconds: Length of a segment.
            overlap: Seconds shared by neighboring segments.
            frames: Number of frames of each segment.
            sampling_rate: Rate of the sound in Hz; None leaves the sound out.

        Raises:
            MediaError: If the video cannot be decoded.
        """
        with self._frames() as reader:
            last: tuple[Self, Clip] | None = None
            for span in self._window_spans(seconds, overlap):
                part = self.part(span=span)
                try:
                    clip = part._clip(reader, *span, frames, sampling_rate)
                except _NoFrameError as error:
                    if last is None:
                        raise
                    last = last[0], replace(last[1], notes=(*last[1].notes, error.reason))
                    break
                if last is not None:
                    yield last
                last = part, clip
            if last is not None:
                yield last

    def sound(self) -> Audio:
        """Return the sound track of the same span, as audio.

        Decoding the audio of a video without a sound track raises MediaError.
        """
        if isinstance(self._source, DecodedSource):
            value = self._source.value
            if not isinstance(value, Clip) or value.sound is None:
                raise MediaError(self.source, "has no sound track")
            return Audio(value.sound, span=self.span, metadata=self.metadata, policy=self.policy)
        return Audio(self._source, span=self.span, metadata=self.metadata, policy=self.policy)

    @cached_property
    def _has_sound(self) -> bool:
        with self._frames() as reader:
            return bool(reader.has_sound)

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        total = self._source.track_seconds.get("video")
        if total is None:
            with self._frames() as reader:
                total = reader.count_seconds()
                heard = self._sound_seconds() if reader.has_sound else 0.0
            if heard > total + _SHORTFALL_SECONDS:
                total = heard  # the last picture stays on screen
            self._source.track_seconds["video"] = total
        start, end = self.span if self.span is not None else (0.0, total)
        if self.span is None:
            self.policy.check_seconds(self.source, total)
        if total <= 0 or start >= total:
            raise MediaError(self.source, self._no_frame(start, end))
        return start, min(end, total)

    def _window_spans(self, seconds: float, overlap: float) -> list[Span]:
        spans = window_spans(*self._bounds, seconds, overlap)
        untimed = isinstance(self._source, DecodedSource) and _frames_without_rate(self._source.value)
        return [self._bounds] if untimed and 0 < untimed <= _CLIP_FRAMES else spans

    def _sound_seconds(self) -> float:
        """Return the second at which the sound track ends, or 0 without one that can be read."""
        if isinstance(self._source, DecodedSource):
            return 0.0
        try:
            return Audio(self._source, policy=self.policy).duration
        except (MediaError, ImportError):
            return 0.0

    @contextlib.contextmanager
    def _frames(self) -> Iterator[Any]:
        if isinstance(self._source, DecodedSource):
            yield _DecodedFrames(self._source.value, self._source.name, self.policy)
            return
        reader = FrameReader(self._source, self._content(), self.policy)
        try:
            yield reader
        finally:
            for note in reader.notes:
                self._source.note(note)
            reader.close()

    def _clip(self, reader: Any, start: float, end: float, count: int, sampling_rate: int | None) -> Clip:
        if count < 1:
            msg = f"frames must be at least 1, not {count}"
            raise ValueError(msg)
        self.policy.check_decoded(self.source, count * reader.frame_bytes)
        claim_pixels(count * reader.frame_bytes // 3)
        images, stamps, until = reader.at(even_times(start, end, count))
        notes = list(reader.notes)
        if until is not None and end - until > _SHORTFALL_SECONDS and end > self._sound_seconds() + _SHORTFALL_SECONDS:
            if until <= start:
                raise _NoFrameError(self.source, self._no_frame(start, end))
            notes.append(f"the video ends at {until:.2f} seconds, not at {end:.2f} as its header says")
            self._source.note(notes[-1])
            end = until
            images, stamps, _ = reader.at(even_times(start, end, count))
        if not images:
            raise _NoFrameError(self.source, self._no_frame(start, end))
        sound = None
        if sampling_rate and reader.has_sound:
            try:
                sound = self.part(span=(start, end)).sound().decode(sampling_rate=sampling_rate)
                notes += sound.notes
            except MediaError as error:  # the track may end before the pictures do
                notes.append(f"no sound: {error.reason}")
        known = [note for note in self._source.notes if note not in notes]
        return Clip(np.stack(images), np.asarray(stamps, np.float64), sound, (*known, *notes))

    def _no_frame(self, start: float, end: float) -> str:
        return f"has no decodable frame from {start:g} to {end:g} seconds"


def _frames_without_rate(value: Any) -> int:
    """Return the number of frames in a list or an array without a rate, 0 for any other form of a video."""
    if isinstance(value, Clip | Mapping) or (isinstance(value, tuple) and len(value) == 2 and np.ndim(value[1]) == 0):
        return 0
    return len(value)


class _NoFrameError(MediaError):
    """A span without a decodable frame."""


class _DecodedFrames:
    """Decoded frames, with the interface of `FrameReader`."""

    def __init__(self, value: Any, source: str, policy: Any) -> None:
        frames, times, rate, heard = value, None, 1.0, 0.0
        self._source, self._policy = source, policy
        self.notes: list[str] = []
        self.frame_bytes = 0
        self.has_sound = isinstance(value, Clip) and value.sound is not None
        if isinstance(value, Clip):
            frames, times = value.frames, [float(second) for second in value.times]
            heard = value.sound.duration if value.sound is not None else 0.0
        elif isinstance(value, Mapping):
            frames = value.get("frames", value.get("array"))
            rate = float(value.get("frame_rate", value.get("fps", 1.0)))
        elif isinstance(value, tuple) and len(value) == 2 and np.ndim(value[1]) == 0:
            frames, rate = value[0], float(value[1])
        if not isinstance(frames, list | tuple):
            array = as_array(frames)
            if array is None or array.ndim != 4:
                shape = "" if array is None else f" of shape {array.shape}"
                expected = "expected a list of frames or an array of shape (t, h, w, c) or (t, c, h, w)"
                raise MediaError(source, f"{type(frames).__name__}{shape} is not a video; {expected}")
            frames = list(frames)
        if not len(frames) or not rate > 0:
            expected = "expected at least one frame, and a rate greater than 0"
            raise MediaError(source, f"{len(frames)} frames at {rate:g} frames per second are not a video; {expected}")
        self._frames = frames
        self._times = times if times is not None else [index / rate for index in range(len(frames))]
        apart = (self._times[-1] - self._times[0]) / max(1, len(frames) - 1) or 1 / rate
        self._seconds = max(self._times[-1] + apart, heard)

    def count_seconds(self) -> float:
        return self._seconds

    def at(self, times: list[float]) -> tuple[list[np.ndarray], list[float], None]:
        from senseweave.media.kinds.image import Image

        chosen = [nearest_before(self._times, second) for second in times]
        decoded = {index: np.asarray(Image(self._frames[index], policy=self._policy).decode()) for index in set(chosen)}
        if len({image.shape for image in decoded.values()}) > 1:
            raise MediaError(self._source, "contains frames of different sizes; expected one size")
        return [decoded[index] for index in chosen], [self._times[index] for index in chosen], None
