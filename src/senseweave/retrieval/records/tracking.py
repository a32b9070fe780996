"""Follows chunks from a file to its records, so that a media counts as done when its last chunk is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from senseweave.media import Media
from senseweave.progress import Progress
from senseweave.retrieval.records.forecast import Forecast
from senseweave.retrieval.report import Report


@dataclass
class Ticket:
    """A media on its way into the index.

    Attributes:
        waiting: Its chunks that wait to be written, once for each space.
        is_complete: Whether all of its chunks are known.
    """

    waiting: int = 0
    is_complete: bool = False


class Tracker:
    """Tells a progress what happens to the media of one `add` call."""

    def __init__(self, progress: Progress | None, report: Report, forecast: Forecast) -> None:
        """Follow the media of a forecast; nothing happens where `progress` is None."""
        self._progress = progress
        self._report = report
        self._forecast = forecast
        self._total = forecast.media
        self._done = self._settled = 0
        self._update()

    def expect(self, more: int) -> None:
        """Count further media, such as the pages of a document that was opened."""
        self._total += more

    def complete(self, ticket: Ticket) -> None:
        """Record that all chunks of a source are known."""
        ticket.is_complete = True
        self._count(ticket)

    def work_on(self, source: str) -> None:
        """Record that a source is read."""
        self._forecast.leave(source)
        self._update(current=source)

    def divide(self, media: Media, seconds: float | None, spaces: int) -> None:
        """Record that a source is divided for a number of spaces, see `Forecast.begin`."""
        if self._progress is not None:
            self._forecast.begin(media, seconds, spaces)

    def wait(self, ticket: Ticket, spaces: int) -> None:
        """Record that a chunk waits to be written, in a number of spaces."""
        ticket.waiting += spaces
        self._forecast.made(spaces)

    def embed(self, source: str) -> None:
        """Record that chunks are embedded now, of which the first is of a source; it was read before others were."""
        self._update(current=source)

    def finish_reading(self) -> None:
        """Record that all chunks are known."""
        self._forecast.end()
        self._update()

    def settle(self, ticket: Ticket, embedded: Media | None = None) -> None:
        """Record that a chunk was embedded, or in a space was there already or failed."""
        ticket.waiting -= 1
        self._settled += 1
        if embedded is not None:
            self._update(embedded=embedded)
        self._count(ticket)

    def _count(self, ticket: Ticket) -> None:
        if ticket.is_complete and ticket.waiting == 0:
            self._done += 1
            self._update(done=self._done)

    def _update(self, **changes: Any) -> None:
        if self._progress is not None:
            self._progress.update(
                total=self._total,
                expected=self._forecast.chunks,
                settled=self._settled,
                failed=len(self._report.failed),
                **changes,
            )


class EncodingSteps:
    """Settles a group of chunks whenever an encoder tells of another vector.

    An encoder does not say which vector: they are taken in order.
    """

    def __init__(
        self, groups: Sequence[Sequence[tuple[Media, Ticket]]], settle: Callable[[Ticket, Media | None], None]
    ) -> None:
        """Settle groups, of which the first chunk is embedded for all."""
        self._waiting = deque(groups)
        self._settle = settle

    def __call__(self, done: int, total: int) -> None:
        """Settle the next group."""
        del done, total
        if self._waiting:
            self._settle_group(self._waiting.popleft(), embedded=True)

    def finish(self) -> None:
        """Settle what is left: groups that failed."""
        while self._waiting:
            self._settle_group(self._waiting.popleft(), embedded=False)

    def _settle_group(self, group: Sequence[tuple[Media, Ticket]], *, embedded: bool) -> None:
        for i, (media, ticket) in enumerate(group):
            self._settle(ticket, media if embedded and i == 0 else None)
