"""Read audio and video containers with FFmpeg through PyAV, never as a playlist, and without opening other files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from senseweave.errors import MediaError
from senseweave.extras import require_reader
from senseweave.media.forms.content import Content
from senseweave.media.reading.containers import refuse_file
from senseweave.media.reading.samples import check_rate, mono
from senseweave.media.reading.tracks import chosen_tracks

SEEK_FROM_SECONDS = 60.0
"""Up to this time sound is decoded from the start. A seek is only as exact as the time stamps, which Matroska rounds to
milliseconds, and an AAC decoder generates different noise after it."""
SEEK_BACK_SECONDS = 1.0
"""A lossy decoder recovers within a few packets after a seek; Opus needs the longest, 80 ms."""
_GAP_SECONDS = 0.05
"""Time stamps of some containers are rounded to milliseconds; only a larger jump is a gap in the sound."""
_LONGEST_GAP_SECONDS = 60.0
"""A larger jump is a broken time stamp, not a minute of silence."""
_TRIMMED_SECONDS = 0.1
"""An encoder may pad its last packet beyond the end that the header gives."""
_TAGS = (b"ID3", b"TAG", b"APETAGEX")
"""What stands between recordings that were joined, and holds no sound."""
_WITHOUT_HEADER = {"aac", "amr", "mp3"}


def open_container(file: BinaryIO, content: Content, source: str) -> Any:
    """Open a container with the demuxer that its content names.

    Naming the demuxer keeps FFmpeg from treating the content as a playlist, and `io_open` refuses every file that a
    container refers to, so that no other file is read.

    Raises:
        MediaError: If the container is broken.
    """
    extra = "audio" if content.modalities[:1] == ("audio",) else "video"
    av = require_reader("av", extra=extra, feature=f"reading {content.mime_type}", source=source)
    demuxer = content.reader.partition(",")[0].lower()
    try:
        return av.open(file, mode="r", format=demuxer, io_open=refuse_file, metadata_errors="replace")
    except Exception as error:
        raise MediaError(source, f"is a broken {content.mime_type} file ({error_reason(error)})") from error


def zero_time(container: Any, stream: Any) -> float:
    """Return the time stamp, in seconds, of the start of the source.

    Packets before time stamp 0 only prime the decoder and are not presented.
    """
    if container.start_time is not None:
        return max(0.0, float(container.start_time / 1_000_000))
    if stream.start_time is not None:
        return float(stream.start_time * stream.time_base)
    return 0.0


def promised_end(container: Any, stream: Any, zero: float) -> float | None:
    """Return the end of a track in seconds according to the header, or None if it does not say."""
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is not None:  # Matroska stores the length of a track in a tag
        return int(tag[1]) * 3600 + int(tag[2]) * 60 + float(tag[3]) - zero
    if stream.duration is not None and stream.duration > 0:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base) - zero
    if container.duration is not None and container.duration > 0:
        return float(container.duration / 1_000_000)
    return None


def error_reason(error: Exception) -> str:
    """Return the message of an error."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def decoded_frames(container: Any, stream: Any, notes: list[str]) -> Iterator[Any]:
    """Yield the frames of a stream; packets that cannot be decoded are skipped and noted.

    Yields:
        Frames, and None for each packet without frames, so that a caller can check its deadline.
    """
    broken = 0
    note = "{} ends early ({})"
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except Exception as error:
                broken += not bytes(packet)[:8].startswith(_TAGS)
                if broken == 1:
                    _add(notes, f"part of the {stream.type} cannot be decoded ({error_reason(error)})")
                frames = []
            if not frames:
                yield None
            yield from frames
    except Exception as error:
        _add(notes, note.format(stream.type, error_reason(error)))


def _add(notes: list[str], note: str) -> None:
    if note not in notes:
        notes.append(note)


class FFmpegSoundReader:
    """A sound track of a container.

    Args:
        file: The container, closed with the reader.
        content: Its type.
        source: Name for messages.
        track: Which, from 0; None for the first that is read.
        counted: Whether its length and time stamps mean nothing, so that it is read from its start.
    """

    def __init__(
        self, file: BinaryIO, content: Content, source: str, *, track: int | None = None, counted: bool = False
    ) -> None:
        self._file, self._source, self._content = file, source, content
        self._container = open_container(file, content, source)
        self.notes: list[str] = []
        try:
            if not self._container.streams.audio:
                raise MediaError(source, f"is {content.mime_type} without a sound track")
            self.tracks, note = chosen_tracks(self._container.streams.audio)
            if note is not None:
                self.notes.append(note)
            index = track if track is not None else self.tracks[0] if self.tracks else 0
            self._stream = self._container.streams.audio[index]
            if self._stream.codec_context is None:
                raise MediaError(source, f"is {content.mime_type} with a sound codec that FFmpeg does not support")
            self.rate = check_rate(float(self._stream.rate or 0), source)
            self._zero = zero_time(self._container, self._stream)
            # For bare packets without a container FFmpeg estimates the length from the bit rate.
            has_header = content.reader not in _WITHOUT_HEADER and not counted
            self._seekable = content.reader != "ogg" or not counted  # joined files repeat their time stamps
            self.duration = promised_end(self._container, self._stream, self._zero) if has_header else None
        except BaseException:
            self._container.close()
            raise

    def blocks(self, start: float) -> Iterator[np.ndarray]:
        """Yield mono float32 samples from the whole second `start`; note what cannot be decoded."""
        target = int(start * self.rate)
        end = round(self.duration * self.rate) if self.duration is not None else None
        held: np.ndarray | None = None
        position = 0
        for first, block in self._positioned(target):
            if held is not None:
                yield held
            held, position = block, first + len(block)
        if held is None:
            return
        excess = position - end if end is not None else 0
        yield held[: len(held) - excess] if 0 < excess < min(len(held), _TRIMMED_SECONDS * self.rate) else held

    def _positioned(self, target: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield blocks without gaps from sample `target`, each with the position of its first sample."""
        did_seek = self._seekable and target > SEEK_FROM_SECONDS * self.rate
        if did_seek:
            self._seek(target / self.rate - SEEK_BACK_SECONDS)
        frames = self._decoded()
        first = next(frames, None)
        if did_seek and (first is None or first[0] is None or first[0] > target):
            self._seek(0.0)  # the container is not seekable: read it from the start
            frames = self._decoded()
            first = next(frames, None)
        if first is None:
            if self.notes:
                raise MediaError(self._source, f"is a broken {self._content.mime_type} file ({self.notes[-1]})")
            return
        position = first[0] or 0
        if not did_seek and abs(position) < _GAP_SECONDS * self.rate:
            position = 0
        if not did_seek and 0 < position - target < _LONGEST_GAP_SECONDS * self.rate:
            yield target, np.zeros(position - target, np.float32)  # the sound starts after the video
        block: np.ndarray | None = first[1]
        while block is not None:
            skip = max(0, target - position)
            if skip < len(block):
                yield position + skip, block[skip:]
            position += len(block)
            at, block = next(frames, (None, None))
            gap = at - position if at is not None else 0
            if block is not None and _GAP_SECONDS * self.rate < gap < _LONGEST_GAP_SECONDS * self.rate:
                if position + gap > target:
                    filled = min(gap, position + gap - target)
                    yield position + gap - filled, np.zeros(filled, np.float32)
                position += gap

    def _decoded(self) -> Iterator[tuple[int | None, np.ndarray]]:
        for frame in decoded_frames(self._container, self._stream, self.notes):
            if frame is None or not frame.samples:
                continue
            if frame.sample_rate != self.rate:
                _add(self.notes, f"the sampling rate changes to {frame.sample_rate} Hz, where reading ends")
                return
            at = None
            if frame.pts is not None:
                at = round((frame.pts * float(frame.time_base) - self._zero) * self.rate)
            yield at, _frame_samples(frame)

    def _seek(self, start: float) -> None:
        try:
            self._container.seek(int((start + self._zero) / self._stream.time_base), stream=self._stream)
        except Exception:  # the next block shows the position; `_positioned` restarts if need be
            return

    def close(self) -> None:
        """Release the file."""
        self._container.close()
        self._file.close()


def _frame_samples(frame: Any) -> np.ndarray:
    array = frame.to_ndarray()
    samples = array.T if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels)
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128.0) / 128.0
    elif samples.dtype.kind == "i":
        samples = samples / float(1 << (8 * samples.dtype.itemsize - 1))
    return mono(samples)
