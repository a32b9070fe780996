"""Streams of mono samples from every audio container, at any rate, from any second."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

import numpy as np

from senseweave.errors import MediaError
from senseweave.extras import require
from senseweave.media.forms.content import Content
from senseweave.media.forms.source import Source
from senseweave.media.policy import MediaPolicy
from senseweave.media.reading.ffmpeg import FFmpegSoundReader
from senseweave.media.reading.samples import check_rate, mono

BLOCK_SAMPLES = 1 << 16
LOUDEST = 8.0
"""Overshoot of a decoder is clipped; samples 18 dB over full scale are no overshoot but unscaled integers."""
SILENCE = 1e-3
"""-60 dBFS."""
_SOUNDFILE = {"wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "w64"}
_PREROLL_SECONDS = 0.25
"""Sound before a span that the resampler must have heard for the span to come out as in one piece."""
_LOSSY_PREROLL_SECONDS = 2.0
"""An MP3 packet may lean on half a second of packets before it (bit reservoir), an Opus packet on 80 ms."""
_SHORTFALL = 0.1
"""Seconds by which sound may end before its header says without a word about it."""


class SoundReader(Protocol):
    """An open recording."""

    rate: int
    duration: float | None
    notes: list[str]

    def blocks(self, start: float) -> Iterator[np.ndarray]:
        """Yield mono float32 samples at `rate`, from the whole second `start` on."""

    def close(self) -> None:
        """Release the file."""


def open_sound(source: Source, content: Content, policy: MediaPolicy) -> SoundReader:
    """Open the sound of a file: libsndfile where it knows the container, else FFmpeg.

    Raises:
        MediaError: If there is no sound in it, or its header is broken.
    """
    file = source.open()
    try:
        if content.reader in _SOUNDFILE:
            try:
                return SoundfileReader(file, source.label)
            except _UnknownToSoundfileError:
                file.seek(0)
        return FFmpegSoundReader(file, content, source.label)
    except BaseException:
        file.close()
        raise


def stream(
    reader: SoundReader, rate: int | None, span: tuple[float, float] | None, policy: MediaPolicy, source: str
) -> Iterator[np.ndarray]:
    """Yield the samples of a span, resampled to `rate` (None keeps the recording's own).

    The resampler is soxr at its HQ quality: linear phase, rejection above 100 dB, the fastest of those measured. It is
    started on a whole second before the span, so that the same second has the same samples in every span that holds it.

    Raises:
        MediaError: If a sample is not finite, or the recording is broken or longer than the policy allows.
    """
    start, end = span if span is not None else (0.0, None)
    rate = rate or reader.rate
    begin = max(0, math.floor(start - _PREROLL_SECONDS)) if start > 0 else 0
    wanted = (round(end * rate) if end is not None else None, round(start * rate))
    position = begin * rate
    for block in _resampled(_checked(reader, begin, policy, source), reader.rate, rate):
        first, position = position, position + len(block)
        low = max(0, wanted[1] - first)
        high = len(block) if wanted[0] is None else min(len(block), wanted[0] - first)
        if low < high:
            yield np.clip(block[low:high], -1.0, 1.0, out=block[low:high])
        if wanted[0] is not None and position >= wanted[0]:
            return


def is_silent(samples: np.ndarray, rate: int) -> bool:
    """Whether no tenth of a second of the samples rises above -60 dBFS RMS."""
    step = max(1, rate // 10)
    whole = len(samples) // step * step
    parts = [samples[:whole].reshape(-1, step), samples[whole:].reshape(1, -1)]
    return all(np.mean(np.square(part, dtype=np.float64), axis=1).max() <= SILENCE**2 for part in parts if part.size)


def _checked(reader: SoundReader, start: int, policy: MediaPolicy, source: str) -> Iterator[np.ndarray]:
    position = 0
    for block in _gathered(reader.blocks(start)):
        peak = max(float(block.max()), -float(block.min()))
        if not math.isfinite(peak):
            raise MediaError(source, "holds samples that are not finite numbers (NaN or infinity)")
        if peak > LOUDEST:
            reason = f"holds float samples up to {peak:g}; expected [-1, 1] (divide 16-bit values by 32768)"
            raise MediaError(source, reason)
        position += len(block)
        policy.check_seconds(source, position / reader.rate)
        yield block


def _gathered(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Join the thousand samples of a packet with others, for what follows costs as much per call as per sample."""
    held: list[np.ndarray] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count >= BLOCK_SAMPLES:
            yield np.concatenate(held) if len(held) > 1 else block
            held, count = [], 0
    if count:
        yield np.concatenate(held)


def _resampled(blocks: Iterator[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    if from_rate == to_rate:
        yield from blocks
        return
    soxr = require("soxr", extra="audio", feature="resampling")
    resampler = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")
    given = made = 0
    for block in blocks:
        given += len(block)
        out = resampler.resample_chunk(np.ascontiguousarray(block, dtype=np.float32))
        made += len(out)
        yield out
    if given:
        due = max(1, round(given * to_rate / from_rate)) - made
        rest = resampler.resample_chunk(np.zeros(0, np.float32), last=True)[: max(0, due)]
        yield np.pad(rest, (0, max(0, due - len(rest))))


class _UnknownToSoundfileError(Exception):
    """The container is one that libsndfile reads, the coding inside is not."""


class SoundfileReader:
    """Sound that libsndfile reads."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        soundfile = require("soundfile", extra="audio", feature="reading audio")
        self._source = source
        try:
            self._sound = _sequential(soundfile)(file)
        except Exception as error:
            raise _UnknownToSoundfileError(str(error)) from error
        self._file = file
        self._lossy = self._sound.format in ("MP3", "OGG")
        self.rate = check_rate(self._sound.samplerate, source)
        frames = int(self._sound.frames)
        self.duration = frames / self.rate if 0 <= frames < 1 << 62 else None
        self.notes: list[str] = []
        if "(should be" in self._sound.extra_info:  # libsndfile's log; it has corrected the length already
            self.notes.append("the file is shorter or longer than its header says")

    def blocks(self, start: float) -> Iterator[np.ndarray]:
        """Yield mono float32 samples at `rate`, from the whole second `start` on."""
        frames = max(1, BLOCK_SAMPLES // self._sound.channels)
        position = int(start * self.rate)
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
            block, failure = self._read(frames)
            if len(block):
                position += len(block)
                yield mono(block)
            elif failure is not None and not position:
                raise MediaError(self._source, f"cannot be decoded ({failure})") from failure
            if failure is not None or not len(block):
                break
        if failure is not None or (self.duration is not None and position < (self.duration - _SHORTFALL) * self.rate):
            promised = f", not at {self.duration:.2f} as its header says" if self.duration is not None else ""
            self.notes.append(f"the sound ends at {position / self.rate:.2f} seconds{promised}")

    def _read(self, frames: int) -> tuple[np.ndarray, Exception | None]:
        """Read a block; where the file breaks off in it, what came before, and the error."""
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


@functools.cache
def _sequential(soundfile: Any) -> Any:
    """Return a SoundFile that only moves when it is told to.

    soundfile seeks after every read, to where it stands already; in an MP3 that throws away the bits that the next
    packets lean on, so that reading in blocks gives wrong samples after every block (soundfile 0.14, libsndfile 1.2.2).
    It does not do so for what cannot be sought in.
    """

    class Sequential(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return Sequential


class ArrayReader:
    """Sound that was given decoded."""

    def __init__(self, samples: np.ndarray, rate: int) -> None:
        self._samples = samples
        self.rate = rate
        self.duration: float | None = len(samples) / rate
        self.notes: list[str] = []

    def blocks(self, start: float) -> Iterator[np.ndarray]:
        """Yield mono float32 samples at `rate`, from the whole second `start` on."""
        for at in range(int(start * self.rate), len(self._samples), BLOCK_SAMPLES):
            yield self._samples[at : at + BLOCK_SAMPLES]

    def close(self) -> None:
        """Nothing to release."""
