"""Stream mono samples from every audio container, at any rate, from any second."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import math
import os
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol, cast

import numpy as np

from senseweave.errors import MediaError
from senseweave.extras import require, require_reader
from senseweave.media.forms.content import Content
from senseweave.media.forms.source import Source
from senseweave.media.policy import MediaPolicy
from senseweave.media.reading.ffmpeg import FFmpegSoundReader
from senseweave.media.reading.lengths import (
    SHORTFALL,
    ReplacedStart,
    end_note,
    lacks_long_size,
    shortfall_note,
    states_length,
)
from senseweave.media.reading.samples import check_rate, mono
from senseweave.media.reading.tracks import MixedReader

BLOCK_SAMPLES = 1 << 16
LOUDEST = 8.0
"""Overshoot of a decoder is clipped; samples 18 dB over full scale are unscaled integers instead."""
SILENCE = 1e-3
"""-60 dBFS."""
_STEPS_AT_A_TIME = 10
"""Tenths of a second that are looked at together: most recordings are heard in their first second."""
_SOUNDFILE = {"wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64"}
_PREROLL_SECONDS = 0.25
"""Sound before a span that the resampler needs to return the same samples as for the whole recording."""
_LOSSY_PREROLL_SECONDS = 2.0
"""An MP3 packet may depend on half a second of packets before it (bit reservoir), an Opus packet on 80 ms."""
_LAST_SECONDS = 2.0


class SoundReader(Protocol):
    """An open recording."""

    rate: int
    duration: float | None

    @property
    def notes(self) -> list[str]:
        """What a user should know, for example that the file ends early."""

    def blocks(self, start: float) -> Iterator[np.ndarray]:
        """Yield mono float32 samples at `rate`, from the whole second `start`."""

    def close(self) -> None:
        """Release the file."""


def open_sound(source: Source, content: Content, policy: MediaPolicy) -> SoundReader:
    """Open the sound of a file, with libsndfile if it supports the container, else with FFmpeg.

    Raises:
        MediaError: If there is no sound, or the header is broken.
    """
    file = source.open()
    try:
        if content.reader == "wav" and lacks_long_size(file):
            file = cast(BinaryIO, ReplacedStart(file, b"RIFF"))
        states = content.reader not in _SOUNDFILE or _states_length(source, file, content.reader)
        if content.reader in _SOUNDFILE and states:
            try:
                sound = SoundfileReader(file, source.label)
            except _UnknownToSoundfileError:
                file.seek(0)
            else:
                return sound if content.reader != "flac" else _ResumedReader(sound, source, content)
        reader = FFmpegSoundReader(file, content, source.label, counted=not states)
        return reader if len(reader.tracks) < 2 else _mixed(reader, source, content)
    except BaseException:
        file.close()
        raise


def _mixed(first: FFmpegSoundReader, source: Source, content: Content) -> SoundReader:
    readers = [first]
    try:
        for track in first.tracks[1:]:
            file = source.open()
            try:
                readers.append(FFmpegSoundReader(file, content, source.label, track=track))
            except BaseException:
                file.close()
                raise
    except BaseException:
        for reader in readers[1:]:
            reader.close()
        raise
    return MixedReader(readers, _resampled)


def _states_length(source: Source, file: BinaryIO, reader: str) -> bool:
    """Return whether libsndfile can know the length of a file, which is looked into once."""
    if source.states_length is None:
        source.states_length = states_length(file, reader)
        if (note := end_note(file, reader)) is not None:
            source.note(note)
        file.seek(0)
    return source.states_length


def count_seconds(source: Source, content: Content, policy: MediaPolicy) -> tuple[float, list[str]]:
    """Return how many seconds of sound a file holds, and what a user should know of them.

    The header is believed if the sound ends where it says; else everything is decoded and counted.

    Raises:
        MediaError: If the recording is broken, or longer than the policy allows.
    """
    with contextlib.closing(open_sound(source, content, policy)) as reader:
        counted, notes = _confirmed_end(reader, policy, source.label), reader.notes
    if counted is None:
        with contextlib.closing(open_sound(source, content, policy)) as reader:
            counted = sum(map(len, stream(reader, None, None, policy, source.label))) / reader.rate
            notes = reader.notes
    return counted, notes


def _confirmed_end(reader: SoundReader, policy: MediaPolicy, source: str) -> float | None:
    """Return the second at which a recording ends, or None if it has no header or ends before its header says."""
    stated = reader.duration
    if stated is None:
        return None
    policy.check_seconds(source, stated)
    start = max(0, math.floor(stated - _LAST_SECONDS))
    try:
        end = start + sum(map(len, stream(reader, None, (start, math.inf), policy, source))) / reader.rate
    except MediaError:  # raised again where the sound is decoded from its start
        return None
    if end < stated - SHORTFALL:
        return None
    return end if end > stated + SHORTFALL else stated


def stream(
    reader: SoundReader, rate: int | None, span: tuple[float, float] | None, policy: MediaPolicy, source: str
) -> Iterator[np.ndarray]:
    """Yield the samples of a span, resampled to `rate` (None keeps the recording's own).

    The resampler is soxr at quality HQ: linear phase, rejection above 100 dB, and the fastest of those measured. It
    starts at a whole second before the span, so that a second has the same samples in every span that contains it.

    Raises:
        MediaError: If a sample is not finite, or the recording is broken, or longer than the policy allows.
    """
    start, end = span if span is not None else (0.0, None)
    rate = rate or reader.rate
    begin = max(0, math.floor(start - _PREROLL_SECONDS)) if start > 0 else 0
    first_sample = round(start * rate)
    end_sample = round(end * rate) if end is not None and math.isfinite(end) else None
    position = begin * rate
    for block in _resampled(_checked(reader, begin, policy, source), reader.rate, rate):
        block_start, position = position, position + len(block)
        low = max(0, first_sample - block_start)
        high = len(block) if end_sample is None else min(len(block), end_sample - block_start)
        if low < high:
            yield np.clip(block[low:high], -1.0, 1.0, out=block[low:high])
        if end_sample is not None and position >= end_sample:
            return


def is_silent(samples: np.ndarray, rate: int) -> bool:
    """Return whether no tenth of a second of the samples is louder than -60 dBFS RMS."""
    step = max(1, rate // 10)
    whole = len(samples) // step * step
    ends = [*range(0, whole, _STEPS_AT_A_TIME * step), whole]
    parts = (samples[start:end].reshape(-1, step) for start, end in itertools.pairwise(ends))
    rest = samples[whole:].reshape(1, -1)
    return all(
        np.mean(np.square(part, dtype=np.float64), axis=1).max() <= SILENCE**2
        for part in itertools.chain(parts, [rest])
        if part.size
    )


def _checked(reader: SoundReader, start: int, policy: MediaPolicy, source: str) -> Iterator[np.ndarray]:
    position = 0
    for block in _gathered(reader.blocks(start)):
        peak = max(float(block.max()), -float(block.min()))
        if not math.isfinite(peak):
            raise MediaError(source, "contains samples that are not finite (NaN or infinity)")
        if peak > LOUDEST:
            reason = f"contains float samples up to {peak:g}; expected [-1, 1] (divide 16-bit values by 32768)"
            raise MediaError(source, reason)
        position += len(block)
        policy.check_seconds(source, position / reader.rate)
        yield block


def _gathered(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Join small blocks to blocks of at least `BLOCK_SAMPLES`, since the next steps have a cost per call."""
    held: list[np.ndarray] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count >= BLOCK_SAMPLES:
            yield np.concatenate(held) if len(held) > 1 else block
            held, count = [], 0
    if count:
        yield np.concatenate(held) if len(held) > 1 else held[0]


def _resampled(blocks: Iterator[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    if from_rate == to_rate:
        yield from blocks
        return
    soxr = require("soxr", extra="audio", feature="resampling")
    resampler = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")
    received = returned = 0
    for block in blocks:
        received += len(block)
        out = resampler.resample_chunk(np.ascontiguousarray(block, dtype=np.float32))
        returned += len(out)
        yield out
    if received:
        due = max(1, round(received * to_rate / from_rate)) - returned
        rest = resampler.resample_chunk(np.zeros(0, np.float32), last=True)[: max(0, due)]
        yield np.pad(rest, (0, max(0, due - len(rest))))


class _UnknownToSoundfileError(Exception):
    """libsndfile supports the container, but not the codec in it."""


class SoundfileReader:
    """Sound read by libsndfile."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        soundfile = require_reader("soundfile", extra="audio", feature="reading audio", source=source)
        self._source = source
        try:
            with _handed_over(file) as given:
                self._sound = _sequential(soundfile)(given, closefd=False)
        except Exception as error:
            raise _UnknownToSoundfileError(str(error)) from error
        self._file = file
        self._lossy = self._sound.format in ("MP3", "OGG")
        self.rate = check_rate(self._sound.samplerate, source)
        frames = int(self._sound.frames)
        self.duration = frames / self.rate if 0 <= frames < 1 << 62 else None
        self.notes: list[str] = []
        if (note := shortfall_note(self._sound.extra_info, frames / self.rate)) is not None:
            self.notes.append(note)

    def blocks(self, start: float) -> Iterator[np.ndarray]:
        """Yield mono float32 samples at `rate`, from the whole second `start`."""
        frames = self.rate if self._sound.channels > 1 else BLOCK_SAMPLES  # `mono` takes whole seconds
        position = int(start * self.rate)
        total = None if self.duration is None else int(self._sound.frames)
        try:
            if start:
                if self.duration is not None and start >= self.duration:
                    return
                back = int(min(start, _LOSSY_PREROLL_SECONDS if self._lossy else 0.0) * self.rate)
                self._sound.seek(position - back)
                self._sound.read(back, dtype="float32")
        except Exception as error:
            raise MediaError(self._source, f"cannot be decoded ({error})") from error
        while True:
            block, failure = self._read(frames if total is None else min(frames, max(0, total - position) + 1))
            if len(block):
                position += len(block)
                yield mono(block)
            elif failure is not None and not position:
                raise MediaError(self._source, f"cannot be decoded ({failure})") from failure
            if failure is not None or not len(block):
                break
        if failure is not None or (self.duration is not None and position < (self.duration - SHORTFALL) * self.rate):
            promised = f", not at {self.duration:.2f} as in its header" if self.duration is not None else ""
            self.notes.append(f"the sound ends at {position / self.rate:.2f} seconds{promised}")

    def _read(self, frames: int) -> tuple[np.ndarray, Exception | None]:
        """Read a block; return the samples before an error, and the error."""
        block = np.empty((frames, self._sound.channels), np.float32)
        block[:, 0] = np.nan
        try:
            return self._sound.read(out=block), None
        except Exception as error:
            unread = np.isnan(block[:, 0])
            return block[: int(unread.argmax()) if unread.any() else frames], error

    def close(self) -> None:
        """Release the file."""
        self._sound.close()
        self._file.close()


class _ResumedReader:
    """A FLAC file that FFmpeg reads on where damage makes libsndfile stop: packets after it can be read."""

    def __init__(self, sound: SoundfileReader, source: Source, content: Content) -> None:
        self._sound, self._source, self._content = sound, source, content
        self.rate, self.duration, self.notes = sound.rate, sound.duration, sound.notes

    def blocks(self, start: float) -> Iterator[np.ndarray]:
        """Yield mono float32 samples at `rate`, from the whole second `start`; silence in place of what is damaged."""
        known, position = len(self.notes), int(start * self.rate)
        failure: MediaError | None = None
        try:
            for block in self._sound.blocks(start):
                position += len(block)
                yield block
        except MediaError as error:
            failure = error
        if failure is None and self._ends(position):
            return
        stopped = position
        with contextlib.closing(FFmpegSoundReader(self._source.open(), self._content, self._source.label)) as rest:
            skipped = position % self.rate
            for block in rest.blocks(position // self.rate):
                samples, skipped = block[skipped:], max(0, skipped - len(block))
                position += len(samples)
                if len(samples):
                    yield samples
        if failure is not None and position == stopped:
            raise failure
        if self._ends(position):
            self.notes[known:] = []  # that the sound ends where libsndfile stopped
        if position > stopped:
            self.notes.append(f"the sound cannot be decoded at {stopped / self.rate:.2f} seconds")

    def _ends(self, position: int) -> bool:
        return self.duration is None or position >= (self.duration - SHORTFALL) * self.rate

    def close(self) -> None:
        """Release the file."""
        self._sound.close()


@contextlib.contextmanager
def _handed_over(file: BinaryIO) -> Iterator[BinaryIO | int]:
    """Give libsndfile the descriptor of a local file, which it reads itself; anything else it reads through Python.

    If it does not open the file, the descriptor is back where Python had left it.
    """
    if not (isinstance(file, io.BufferedReader) and isinstance(file.raw, io.FileIO)):
        yield file
        return
    descriptor = file.fileno()
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        yield descriptor
    except BaseException:
        os.lseek(descriptor, position, os.SEEK_SET)
        raise


@functools.cache
def _sequential(soundfile: Any) -> Any:
    """Return a subclass of SoundFile that does not seek after a read.

    soundfile seeks after every read, to its current position; in an MP3 this discards the bits that the next packets
    depend on, so that reading in blocks returns wrong samples after every block (soundfile 0.14, libsndfile 1.2.2). It
    does not seek in files that are not seekable.
    """

    class Sequential(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return Sequential


class ArrayReader:
    """Sound in an array."""

    def __init__(self, samples: np.ndarray, rate: int) -> None:
        self._samples = samples
        self.rate = rate
        self.duration: float | None = len(samples) / rate
        self.notes: list[str] = []

    def blocks(self, start: float) -> Iterator[np.ndarray]:
        """Yield mono float32 samples at `rate`, from the whole second `start`."""
        for position in range(int(start * self.rate), len(self._samples), BLOCK_SAMPLES):
            yield self._samples[position : position + BLOCK_SAMPLES].copy()  # `stream` clips in place

    def close(self) -> None:
        """Do nothing; an array needs no release."""
