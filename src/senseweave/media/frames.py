"""Frames of a video by the time at which they are shown."""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from senseweave.errors import MediaError, PolicyError
from senseweave.media.content import Content
from senseweave.media.ffmpeg import container_duration, moving_pictures, open_container, zero_time
from senseweave.media.policy import MediaPolicy
from senseweave.media.source import Source

_SEEK_AHEAD_SECONDS = 4.0
"""Decoding on to a frame this far ahead costs about as much as a seek to the key frame before it."""


def even_times(start: float, end: float, count: int) -> list[float]:
    """Return the middles of `count` equal parts of `start` to `end`, in seconds."""
    step = (end - start) / count
    return [start + (index + 0.5) * step for index in range(count)]


class FrameReader:
    """An open video; frames are found by presentation time, so a variable frame rate changes nothing."""

    def __init__(self, source: Source, content: Content, policy: MediaPolicy) -> None:
        self._source, self._policy, self._content = source.label, policy, content
        self._file = source.open()
        self.notes: list[str] = []
        try:
            self._container = open_container(self._file, content, self._source)
        except BaseException:
            self._file.close()
            raise
        try:
            streams = moving_pictures(self._container)
            if not streams:
                raise MediaError(self._source, f"is {content.mime_type} without a video track")
            self._stream = streams[0]
            self._stream.thread_type = "AUTO"
            context = self._stream.codec_context
            policy.check_pixels(self._source, context.width, context.height)
            self._zero = zero_time(self._container, self._stream)
            self.duration = container_duration(self._container, self._stream)
            self.has_sound = bool(self._container.streams.audio)
            self._frames: Iterator[Any] | None = None
            self._ahead: Any = None
            self._shown: Any = None
        except BaseException:
            self.close()
            raise

    def at(self, times: Sequence[float]) -> tuple[list[np.ndarray], list[float]]:
        """Return the frames that are on screen at rising times, with their own presentation times.

        A time before the first frame gets the first frame. Reading ends early where the file does.

        Returns:
            RGB frames of shape (height, width, 3), uint8, and seconds; both may be shorter than `times`.

        Raises:
            MediaError: If not one frame can be decoded, or decoding takes longer than the policy allows.
        """
        deadline = time.monotonic() + self._policy.decode_timeout
        pictures: list[np.ndarray] = []
        stamps: list[float] = []
        if times:
            self._go_to(times[0])
        for wanted in times:
            position = self._time(self._ahead) if self._ahead is not None else None
            if position is not None and wanted - position > _SEEK_AHEAD_SECONDS:
                self._go_to(wanted)
            while self._ahead is not None and (self._shown is None or self._time(self._ahead) <= wanted):
                self._step(deadline)
            if self._shown is None or (self._ahead is None and self._broken):
                break
            shown = self._time(self._shown)
            if stamps and shown == stamps[-1]:
                pictures.append(pictures[-1])
            else:
                pictures.append(self._picture(self._shown))
            stamps.append(shown)
        return pictures, stamps

    def count_seconds(self) -> float:
        """Return the time at which the last packet ends, found by reading all packets without decoding them."""
        end = 0.0
        try:
            self._container.seek(int(self._zero * 1_000_000))
            for packet in self._container.demux(self._stream):
                if packet.pts is not None:
                    until = (packet.pts + (packet.duration or 0)) * self._stream.time_base
                    end = max(end, float(until) - self._zero)
        except Exception as error:
            self.notes.append(f"the video breaks off ({error})")
        self._frames = None
        return end

    def close(self) -> None:
        """Release the file."""
        self._container.close()
        self._file.close()

    _broken = False

    def _time(self, frame: Any) -> float:
        return float(frame.pts * frame.time_base) - self._zero

    def _go_to(self, seconds: float) -> None:
        self._restart(seconds)
        if self._ahead is None or self._time(self._ahead) > seconds:
            self._restart(None)  # the seek went wrong, or there is nothing earlier: read from the beginning

    def _restart(self, seconds: float | None) -> None:
        self._shown = self._ahead = None
        target = self._zero + max(0.0, seconds or 0.0)
        try:
            self._container.seek(int(target * 1_000_000), backward=True)
        except Exception:
            if seconds is not None:
                return
        self._frames = self._decoded()
        self._ahead = next(self._frames, None)

    def _step(self, deadline: float) -> None:
        assert self._frames is not None
        if time.monotonic() > deadline:
            raise PolicyError(self._source, f"takes longer to decode than {self._policy.decode_timeout:g} seconds")
        self._shown, self._ahead = self._ahead, next(self._frames, None)

    def _decoded(self) -> Iterator[Any]:
        self._broken = False
        try:
            for frame in self._container.decode(self._stream):
                if frame.pts is not None:
                    yield frame
        except Exception as error:
            self._broken = True
            reason = getattr(error, "strerror", None) or error
            note = f"the video breaks off ({reason})"
            if note not in self.notes:
                self.notes.append(note)

    def _picture(self, frame: Any) -> np.ndarray:
        self._policy.check_pixels(self._source, frame.width, frame.height)
        picture = frame.to_ndarray(format="rgb24")
        turns = round((frame.rotation or 0) / 90) % 4
        return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def nearest_before(times: Sequence[float], wanted: float) -> int:
    """Return the index of the last of some rising times that is not after `wanted`, or 0."""
    return max(0, bisect.bisect_right(times, wanted + 1e-9) - 1)
