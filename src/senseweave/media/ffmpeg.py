"""What FFmpeg reads, through PyAV: containers told by their content, never a playlist, and no second file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

import numpy as np

from senseweave.errors import MediaError
from senseweave.extras import require
from senseweave.media.content import Content
from senseweave.media.sound import check_rate, mono

_SEEK_BACK_SECONDS = 1.0
"""A lossy decoder is right again within a few packets of a seek; the longest need 80 ms (Opus)."""
_GAP_SECONDS = 0.05
_LONGEST_GAP_SECONDS = 60.0


def open_container(file: BinaryIO, content: Content, source: str) -> Any:
    """Open a container with the one demuxer that its content names.

    Naming the demuxer keeps FFmpeg from taking the content for a playlist, and `io_open` refuses whatever a container
    may name, so that no file but this one is ever read.

    Raises:
        MediaError: If the container is broken.
    """
    av = require("av", extra="video", feature=f"reading {content.mime_type}")
    try:
        demuxer = content.reader.partition(",")[0]
        return av.open(file, mode="r", format=demuxer, io_open=_refuse, metadata_errors="replace")
    except Exception as error:
        raise MediaError(source, f"is a broken {content.mime_type} file ({_short(error)})") from error


def _refuse(url: str, flags: int, options: object) -> NoReturn:
    raise PermissionError(f"a media file may not open {url!r}")


def zero_time(container: Any, stream: Any) -> float:
    """Return the time stamp, in seconds, that is second 0 of the source."""
    if container.start_time is not None:
        return float(container.start_time / 1_000_000)
    if stream.start_time is not None:
        return float(stream.start_time * stream.time_base)
    return 0.0


def container_duration(container: Any, stream: Any) -> float | None:
    """Return the seconds that the header promises, or None where it does not say."""
    if container.duration is not None and container.duration > 0:
        return float(container.duration / 1_000_000)
    if stream.duration is not None and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    return None


def moving_pictures(container: Any) -> list[Any]:
    """Return the video streams that are not cover art."""
    from av.stream import Disposition

    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


class FFmpegSoundReader:
    """The first sound track of a container."""

    def __init__(self, file: BinaryIO, content: Content, source: str) -> None:
        self._file, self._source, self._content = file, source, content
        self._container = open_container(file, content, source)
        self.notes: list[str] = []
        try:
            if not self._container.streams.audio:
                raise MediaError(source, f"is {content.mime_type} without a sound track")
            self._stream = self._container.streams.audio[0]
            self.rate = check_rate(float(self._stream.rate or 0), source)
            self._zero = zero_time(self._container, self._stream)
            self.duration = container_duration(self._container, self._stream)
        except BaseException:
            self._container.close()
            raise

    def blocks(self, start: float) -> Iterator[np.ndarray]:
        """Yield mono float32 samples from the whole second `start` on; what cannot be decoded at the end is noted."""
        wanted = int(start * self.rate)
        position: int | None = None
        decoded = 0
        try:
            self._seek(start)
            for frame in self._container.decode(self._stream):
                if frame.sample_rate != self.rate:
                    self.notes.append(f"the sampling rate changes to {frame.sample_rate} Hz; the sound ends there")
                    return
                block = _frame_samples(frame)
                decoded += len(block)
                at = position
                if frame.pts is not None:
                    at = round((float(frame.pts * frame.time_base) - self._zero) * self.rate)
                if position is None:
                    position = at if at is not None and start else min(at or 0, round(_LONGEST_GAP_SECONDS * self.rate))
                    gap = max(0, position - wanted)
                elif at is None:
                    gap = 0
                else:
                    gap = at - position
                    gap = gap if _GAP_SECONDS * self.rate < gap < _LONGEST_GAP_SECONDS * self.rate else 0
                    position += gap
                if gap:
                    yield np.zeros(gap, np.float32)
                skip = max(0, wanted - position)
                position += len(block)
                if skip < len(block):
                    yield block[skip:]
        except MediaError:
            raise
        except Exception as error:
            if not decoded:
                reason = f"is a broken {self._content.mime_type} file ({_short(error)})"
                raise MediaError(self._source, reason) from error
            self.notes.append(f"the sound breaks off ({_short(error)})")

    def _seek(self, start: float) -> None:
        if start <= _SEEK_BACK_SECONDS:
            self._container.seek(int(self._zero * 1_000_000))
        else:
            self._container.seek(int((start - _SEEK_BACK_SECONDS + self._zero) * 1_000_000))

    def close(self) -> None:
        """Release the file."""
        self._container.close()
        self._file.close()


def _frame_samples(frame: Any) -> np.ndarray:
    array = frame.to_ndarray()
    channels = len(frame.layout.channels)
    samples = array.T if frame.format.is_planar else array.reshape(-1, channels)
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128.0) / 128.0
    elif samples.dtype.kind == "i":
        samples = samples / float(1 << (8 * samples.dtype.itemsize - 1))
    return mono(samples)


def _short(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
