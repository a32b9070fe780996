"""Merge small concurrent requests into one batch, off the event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from senseweave.concurrency import CallAbandoned, Pool, abandoned_when
from senseweave.encoders.base import Role
from senseweave.errors import MediaError
from senseweave.forking import Lock, forks
from senseweave.media import Media, Modality
from senseweave.spaces.batch import Batch

Run = Callable[[Modality, Sequence[Media], Role], Batch]
"""A function that encodes media of one modality, collecting failures instead of raising them."""


@dataclass
class _Request:
    modality: Modality
    media: Sequence[Media]
    role: Role
    future: Future[Batch]


class Coalescer:
    """Runs requests on a worker thread, or one for each device; what waits while all are busy is answered together.

    An item's vector does not depend on its batch, so a caller cannot tell whether its request was merged.
    """

    def __init__(self, run: Run, *, workers: int = 1) -> None:
        """Describe the threads, which start when they are needed.

        Args:
            run: Answers requests.
            workers: How many requests, or groups of them, are answered at a time.
        """
        self._run = run
        self._waiting: deque[_Request] = deque()
        self._lock = Lock()
        self._forks = forks()
        self._worker = Pool("senseweave-encode", workers)

    def submit(self, modality: Modality, media: Sequence[Media], role: Role) -> Future[Batch]:
        """Queue a request; its future holds a batch in which failures are collected, or an exception."""
        future: Future[Batch] = Future()
        with self._lock:
            if self._forks != forks():  # what waits here was asked for in the parent, which answers it
                self._forks, self._waiting = forks(), deque()
            self._waiting.append(_Request(modality, media, role, future))
            self._worker.start(self._drain)
        return future

    def close(self) -> None:
        """Stop the workers after the requests already queued."""
        self._worker.close()

    def _drain(self) -> None:
        with self._lock:
            requests = [request for request in self._waiting if not request.future.cancelled()]
            self._waiting.clear()
        groups: dict[tuple[Modality, Role], list[_Request]] = {}
        for request in requests:
            groups.setdefault((request.modality, request.role), []).append(request)
        for group in groups.values():
            self._answer(group)

    def _answer(self, group: Sequence[_Request]) -> None:
        """Encode the media of requests in one batch; if it fails, encode each request separately.

        So an error reaches only the caller whose item caused it.
        """
        futures = [request.future for request in group]
        media = [item for request in group for item in request.media]
        try:
            with abandoned_when(lambda: all(future.cancelled() for future in futures)):
                whole = self._run(group[0].modality, media, group[0].role)
        except CallAbandoned:
            return
        except BaseException as error:  # the callers, not this thread, must see whatever happened
            if len(group) > 1:
                for request in group:
                    self._answer([request])
            elif futures[0].set_running_or_notify_cancel():
                futures[0].set_exception(error)
            return
        start = 0
        for request in group:
            if request.future.set_running_or_notify_cancel():
                request.future.set_result(_part(whole, start, len(request.media)))
            start += len(request.media)


def _part(whole: Batch, start: int, length: int) -> Batch:
    """Return the part of a batch that answers one request."""
    rows = [row for row, position in enumerate(whole.kept) if start <= position < start + length]
    return Batch(
        vectors=whole.vectors[rows],
        kept=[whole.kept[row] - start for row in rows],
        descriptions=[whole.descriptions[row] for row in rows],
        dropped=[whole.dropped[row] for row in rows],
        failed=[
            _moved(error, start, length)
            for error in whole.failed
            if error.position is not None and start <= error.position < start + length
        ],
    )


def _moved(error: MediaError, start: int, length: int) -> MediaError:
    assert error.position is not None
    return error.at(error.position - start, length)
