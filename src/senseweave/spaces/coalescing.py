"""Merge small concurrent requests into one batch, off the event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from senseweave.encoders.base import Role
from senseweave.errors import MediaError
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
    """Runs requests on a worker thread; requests that wait while it is busy are answered together.

    An item's vector does not depend on its batch, so a caller cannot tell whether its request was merged.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: deque[_Request] = deque()
        self._lock = Lock()
        self._worker: ThreadPoolExecutor | None = None

    def submit(self, modality: Modality, media: Sequence[Media], role: Role) -> Future[Batch]:
        """Queue a request; its future holds a batch in which failures are collected, or an exception."""
        future: Future[Batch] = Future()
        with self._lock:
            if self._worker is None:
                self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="senseweave-encode")
            self._waiting.append(_Request(modality, media, role, future))
            self._worker.submit(self._drain)
        return future

    def close(self) -> None:
        """Stop the worker after the requests already queued."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.shutdown(wait=False)

    def _answer_separately(self, group: Sequence[_Request]) -> None:
        """Answer each request separately, so that an error reaches only the caller whose item caused it."""
        for request in group:
            try:
                request.future.set_result(self._run(request.modality, request.media, request.role))
            except BaseException as error:
                request.future.set_exception(error)

    def _drain(self) -> None:
        with self._lock:
            requests = [request for request in self._waiting if request.future.set_running_or_notify_cancel()]
            self._waiting.clear()
        groups: dict[tuple[Modality, Role], list[_Request]] = {}
        for request in requests:
            groups.setdefault((request.modality, request.role), []).append(request)
        for (modality, role), group in groups.items():
            try:
                whole = self._run(modality, [media for request in group for media in request.media], role)
            except BaseException as error:  # the callers, not this thread, must see whatever happened
                if len(group) == 1:
                    group[0].future.set_exception(error)
                else:
                    self._answer_separately(group)
                continue
            start = 0
            for request in group:
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
