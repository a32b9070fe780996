"""Estimate how many chunks some inputs give, before they are opened, so that progress is measured by work."""

from __future__ import annotations

import math
import mimetypes
import os
from collections.abc import Iterator
from typing import Any, Final

from senseweave.errors import MediaError
from senseweave.media import Media, MediaPolicy
from senseweave.media.collecting import input_sources
from senseweave.media.splitting import DEFAULT_SECONDS
from senseweave.progress import chunk_seconds

BYTES: Final = {"audio": 480_000, "video": 2_500_000, "text": 1_000, "application": 50_000}
"""Bytes of a file for each chunk, by the type that its name says: half a minute of sound at 128 kbit/s, ten seconds of
video at 2 Mbit/s, a passage, some of a document. They matter until the file is opened, and for nothing but progress."""


class Forecast:
    """How many chunks some inputs give: estimated for those to come, known for those that were divided."""

    def __init__(self, inputs: Any, policy: MediaPolicy | None) -> None:
        """Estimate from the names and sizes of files; none is opened."""
        self.media = 0
        """How many files and media there are."""
        self._pending: dict[str, int] = {}
        for source, chunks in _estimates(inputs, policy):
            self.media += 1
            self._pending[source] = chunks
        self._to_come = sum(self._pending.values())
        self._divided = 0
        self._source = ""
        self._expected = self._made = 0

    @property
    def chunks(self) -> int:
        """How many chunks there are in all."""
        return self._to_come + self._divided + max(self._expected, self._made)

    def begin(self, media: Media, seconds: float | None = None, spaces: int = 1) -> None:
        """Record that a file is divided now, into windows of some seconds, each embedded in a number of spaces."""
        self.leave(media.source)
        length = chunk_seconds(media) if media.span is None else 0.0
        if length:
            self._expected = self._made + spaces * math.ceil(length / (seconds or DEFAULT_SECONDS))

    def leave(self, source: str) -> None:
        """Record that a source is at work, so that what was made of the one before is known."""
        if source != self._source:
            self._divided += self._made
            self._source, self._made = source, 0
            self._expected = self._pending.pop(source, 0)
            self._to_come -= self._expected

    def made(self, chunks: int = 1) -> None:
        """Record that chunks were made of the source at work."""
        self._made += chunks

    def end(self) -> None:
        """Record that nothing more comes."""
        self.leave("")
        self._expected = self._to_come = 0


def _estimates(inputs: Any, policy: MediaPolicy | None) -> Iterator[tuple[str, int]]:
    """Yield name and estimated chunks of each file and media of some inputs."""
    for source in input_sources(inputs, policy=policy):
        path = getattr(source, "path", None)
        if isinstance(source, MediaError) or path is None:
            yield getattr(source, "source", getattr(source, "label", "")), 1
            continue
        kind = (mimetypes.guess_type(path)[0] or "application/").partition("/")[0]
        try:
            size = os.stat(path).st_size
        except OSError:
            size = 0
        yield path, max(1, round(size / BYTES[kind])) if kind in BYTES else 1
