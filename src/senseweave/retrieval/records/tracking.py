"""Follows chunks from a file to its records, so that a media counts as done when its last chunk is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from senseweave.media import Media
from senseweave.progress import Progress
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

    def __init__(self, progress: Progress | None, report: Report, total: int) -> None:
        """Follow `total` media; nothing happens where `progress` is None."""
        self._progress = progress
        self._report = report
        self._total = total
        self._done = 0
        if progress is not None:
            progress.update(total=total)

    def expect(self, more: int) -> None:
        """Count further media, such as the pages of a document that was opened."""
        self._total += more

    def complete(self, ticket: Ticket) -> None:
        """Take that all chunks of a media are known."""
        ticket.is_complete = True
        self._count(ticket)

    def work_on(self, source: str) -> None:
        """Take that a source is read."""
        if self._progress is not None:
            self._progress.update(current=source, total=self._total)

    def settle(self, ticket: Ticket, embedded: Media | None = None) -> None:
        """Take that a chunk was embedded, or in a space was there already or failed."""
        ticket.waiting -= 1
        if embedded is not None and self._progress is not None:
            self._progress.update(embedded=embedded, failed=len(self._report.failed))
        self._count(ticket)

    def _count(self, ticket: Ticket) -> None:
        if ticket.is_complete and ticket.waiting == 0:
            self._done += 1
            if self._progress is not None:
                self._progress.update(done=self._done, total=self._total, failed=len(self._report.failed))


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
