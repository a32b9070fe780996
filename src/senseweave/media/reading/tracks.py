"""Mix the sound tracks of a container, so that nothing that was recorded apart is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from senseweave.media.reading.samples import mono

Resample = Callable[[Iterator[np.ndarray], int, int], Iterator[np.ndarray]]


def chosen_tracks(streams: Sequence[Any]) -> tuple[list[int], str | None]:
    """Return which sound tracks are read, and what a user should know of the others, or None.

    Programs that record a screen write speaker and microphone apart, which belong together; tracks of several languages
    are the same film again, of which the default is read.

    Args:
        streams: The sound streams of a container.
    """
    from av.stream import Disposition

    usable = [index for index, stream in enumerate(streams) if stream.codec_context is not None]
    languages = {streams[index].metadata.get("language", "und") for index in usable}
    if len(usable) < 2 or len(languages) < 2:
        return usable, None
    marked = [index for index in usable if streams[index].disposition & Disposition.default]
    chosen = (marked or usable)[0]
    others = ", ".join(sorted(languages))
    return [chosen], f"of {len(usable)} sound tracks ({others}) number {chosen + 1} is read"


class MixedReader:
    """Several tracks of a recording, read as one."""

    def __init__(self, readers: Sequence[Any], resample: Resample) -> None:
        """Mix the sound of `readers` at the rate of the first."""
        self._readers, self._resample = readers, resample
        self.rate: int = readers[0].rate
        durations = [reader.duration for reader in readers]
        self.duration: float | None = None if None in durations else max(durations)

    @property
    def notes(self) -> list[str]:
        """What a user should know of any track."""
        return list(dict.fromkeys(note for reader in self._readers for note in reader.notes))

    def blocks(self, start: float) -> Iterator[np.ndarray]:
        """Yield mono float32 samples from the whole second `start`, a second at a time."""
        tracks = [_Track(self._resample(reader.blocks(start), reader.rate, self.rate)) for reader in self._readers]
        while True:
            seconds = [track.take(self.rate) for track in tracks]
            length = max(map(len, seconds))
            if not length:
                return
            yield mono(np.stack([np.pad(second, (0, length - len(second))) for second in seconds], axis=1))

    def close(self) -> None:
        """Release the files."""
        for reader in self._readers:
            reader.close()


class _Track:
    """Samples of a track, taken a number at a time."""

    def __init__(self, blocks: Iterator[np.ndarray]) -> None:
        self._blocks = blocks
        self._held = np.zeros(0, np.float32)

    def take(self, count: int) -> np.ndarray:
        """Return the next samples, fewer at the end."""
        parts, size = [self._held], len(self._held)
        while size < count and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            size += len(block)
        joined = np.concatenate(parts)
        self._held = joined[count:]
        return joined[:count]
