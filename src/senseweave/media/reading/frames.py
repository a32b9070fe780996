"""Read frames of a video by presentation time."""

from __future__ import annotations

import bisect
import math
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from senseweave.errors import MediaError, PolicyError
from senseweave.media.forms.content import Content
from senseweave.media.forms.source import Source
from senseweave.media.policy import MediaPolicy
from senseweave.media.reading.containers import moving_pictures
from senseweave.media.reading.ffmpeg import decoded_frames, open_container, promised_end, zero_time
from senseweave.media.reading.lengths import cut_note

_SEEK_AHEAD_SECONDS = 4.0
"""Decoding up to a frame this far ahead costs about as much as a seek to the key frame before it."""
_SHORTFALL_SECONDS = 0.5
"""A video may end this much before the time in its header, or two frames, without a note."""
_ROUNDING_SECONDS = 1e-3
"""Time stamps of some containers are rounded to milliseconds."""
_WITHOUT_TIMES = {"h264", "hevc"}
_USUAL_RATE = 25
_EARLIEST_SECONDS = 60.0
"""A frame with a time this long before the start of the video has a broken time stamp."""


def even_times(start: float, end: float, count: int) -> list[float]:
    """Return the midpoints of `count` equal parts of `start` to `end`, in seconds."""
    step = (end - start) / count
    return [start + (index + 0.5) * step for index in range(count)]


class FrameReader:
    """An open video whose frames are read by presentation time, whatever its frame rate."""

    def __init__(self, source: Source, content: Content, policy: MediaPolicy) -> None:
        self._source, self._policy, self._content = source.label, policy, content
        self._file = source.open()
        self.notes: list[str] = []
        try:
            if content.reader == "avi" and (note := cut_note(self._file, "avi")) is not None:
                self.notes.append(note)
            self._file.seek(0)
            self._container = open_container(self._file, content, self._source)
        except BaseException:
            self._file.close()
            raise
        try:
            streams = moving_pictures(self._container)
            if not streams:
                raise MediaError(self._source, f"is {content.mime_type} without a video track")
            self._stream = streams[0]
            context = self._stream.codec_context
            if context is None:
                raise MediaError(self._source, "has a video codec that FFmpeg does not support")
            self._stream.thread_type = "AUTO"
            policy.check_pixels(self._source, context.width, context.height)
            self.frame_bytes = 3 * context.width * context.height
            self._zero = zero_time(self._container, self._stream)
            self.duration = (
                None if content.reader in _WITHOUT_TIMES else promised_end(self._container, self._stream, self._zero)
            )
            self.has_sound = bool(self._container.streams.audio)
            self._frames: Iterator[Any] = iter(())
            self._shown: Any = None
            self._ahead: Any = None
            self._deadline = 0.0
            # The packets of a bare stream have no times: frames follow each other at its rate.
            rate = self._stream.average_rate or self._stream.guessed_rate or _USUAL_RATE
            self._interval = 1 / Fraction(rate) if content.reader in _WITHOUT_TIMES else None
            self._seekable = self._interval is None
            self._shape: tuple[int, int, bool, int] | None = None
        except BaseException:
            self.close()
            raise

    def at(self, times: Sequence[float]) -> tuple[list[np.ndarray], list[float], float | None]:
        """Return the frames on screen at ascending times, with their presentation times.

        A time before the first frame returns the first frame, a time after the last frame the last.

        Returns:
            RGB frames of shape (height, width, 3), uint8; their times in seconds; and, if the file ended before the
            last time, the second at which its last frame ends. No frames if none can be decoded.

        Raises:
            MediaError: If a frame is larger, or decoding takes longer, than the policy allows.
        """
        self._deadline = time.monotonic() + self._policy.decode_timeout
        images: list[np.ndarray] = []
        stamps: list[float] = []
        for target in times:
            self._go_to(target)
            while self._ahead is not None and (
                self._shown is None or self._time(self._ahead) <= target + _ROUNDING_SECONDS
            ):
                self._shown, self._ahead = self._ahead, next(self._frames, None)
            if self._shown is None:
                return [], [], None
            shown = self._time(self._shown)
            images.append(images[-1] if stamps and shown == stamps[-1] else self._image(self._shown))
            stamps.append(shown)
        return images, stamps, None if self._ahead is not None else self._frame_end(self._shown)

    def count_seconds(self) -> float:
        """Return the second at which the last packet ends, without decoding any.

        The header is believed if packets reach the time that it says; else all packets are read.
        """
        stated = self.duration
        if stated is None:
            return self._packets_end(0.0)
        rate = self._stream.average_rate or self._stream.guessed_rate
        slack = max(_SHORTFALL_SECONDS, 2 / float(rate)) if rate else _SHORTFALL_SECONDS
        end = self._packets_end(max(0.0, stated - slack))
        if end < stated - slack:
            end = self._packets_end(0.0)
        if not end or abs(end - stated) <= slack:  # some containers give their packets no times
            return stated
        if end < stated:
            self.notes.append(f"the video ends at {end:.2f} seconds, not at {stated:.2f} as its header says")
        return end

    def _packets_end(self, start: float) -> float:
        """Return the second at which the last of the packets from a time on ends, or 0 if they have no times."""
        end = 0.0
        try:
            if start == 0.0:
                self._reopen()
            elif self._interval is None:
                self._container.seek(int((self._zero + start) * 1_000_000))
            for packet in self._container.demux(self._stream):
                if self._interval is not None:
                    end += float(self._interval) if packet.size else 0.0
                    continue
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is not None:
                    until = (stamp + (packet.duration or 0)) * packet.time_base
                    end = max(end, float(until) - self._zero)
        except Exception as error:
            if start == 0.0:
                self.notes.append(f"video ends early ({error})")
        return end

    def close(self) -> None:
        """Release the file."""
        self._container.close()
        self._file.close()

    def _time(self, frame: Any) -> float:
        return float(frame.pts * float(frame.time_base) - self._zero)

    def _frame_end(self, frame: Any) -> float:
        return self._time(frame) + float((frame.duration or 0) * frame.time_base)

    def _go_to(self, seconds: float) -> None:
        behind = self._shown is not None and self._time(self._shown) <= seconds
        far = self._ahead is not None and seconds - self._time(self._ahead) > _SEEK_AHEAD_SECONDS
        if behind and not (far and self._seekable):
            return
        self._restart(seconds if self._seekable else None)
        if self._seekable and (self._ahead is None or self._time(self._ahead) > seconds):
            self._seekable = self._ahead is not None and seconds < _SEEK_AHEAD_SECONDS
            self._restart(None)  # the seek failed, or nothing is earlier: read from the start

    def _restart(self, seconds: float | None) -> None:
        self._shown = self._ahead = None
        if seconds is None or self._interval is not None:
            self._reopen()
            self._frames = self._timed()
            self._ahead = next(self._frames, None)
            return
        target = self._zero + max(0.0, seconds)
        try:
            self._container.seek(int(target / self._stream.time_base), stream=self._stream, backward=True)
        except Exception:
            return
        self._frames = self._timed()
        self._ahead = next(self._frames, None)

    def _reopen(self) -> None:
        """Begin anew, where FFmpeg cannot go back: in a bare stream, or before the first picture that it finds."""
        self._container.close()
        self._file.seek(0)
        self._container = open_container(self._file, self._content, self._source)
        self._stream = moving_pictures(self._container)[0]
        self._stream.thread_type = "AUTO"

    def _timed(self) -> Iterator[Any]:
        number = 0
        for frame in decoded_frames(self._container, self._stream, self.notes):
            if frame is not None and self._interval is not None:
                frame.pts, frame.time_base, number = number, self._interval, number + 1
            if time.monotonic() > self._deadline:
                raise PolicyError(
                    self._source,
                    f"takes longer than {self._policy.decode_timeout:g} seconds to decode (decode_timeout)",
                )
            if frame is not None and frame.pts is not None and self._time(frame) > -_EARLIEST_SECONDS:
                yield frame

    def _image(self, frame: Any) -> np.ndarray:
        self._policy.check_pixels(self._source, frame.width, frame.height)
        if self._shape is None:
            self._shape = frame.width, frame.height, *_orientation(frame)
        width, height, mirrored, turns = self._shape  # a stream may change its size; the first frame decides
        image = frame.to_ndarray(format="rgb24", width=width, height=height)
        image = image[:, ::-1] if mirrored else image
        return np.ascontiguousarray(np.rot90(image, turns)) if mirrored or turns else image


def _orientation(frame: Any) -> tuple[bool, int]:
    """Return whether a frame is shown mirrored left to right, and how many quarter turns counterclockwise after that.

    A front camera stores a mirrored picture and the matrix that mirrors it back (ISO/IEC 14496-12, section 8.3.2).
    """
    side = frame.side_data.get("DISPLAYMATRIX")
    if side is not None and side.buffer_size >= 36:
        matrix = np.frombuffer(bytes(side), "=i4", 9).astype(np.float64)
        across, down = matrix[0:2], matrix[3:5]
        if across[0] * down[1] - across[1] * down[0] < 0:
            return True, round(-math.degrees(math.atan2(-across[1], -across[0])) / 90) % 4
    return False, round((frame.rotation or 0) / 90) % 4


def nearest_before(times: Sequence[float], target: float) -> int:
    """Return the index of the last of some ascending times that is not after `target`, or 0."""
    return max(0, bisect.bisect_right(times, target + 1e-9) - 1)
