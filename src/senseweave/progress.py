"""The progress of a long call: what is embedded, how fast, which file is at work, and what failed so far."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO

from senseweave.display import shorten, wants_plain_text

if TYPE_CHECKING:
    from senseweave.media import Media

INTERVAL: Final = 10.0
"""Seconds between two lines where there is no terminal."""
RECENT: Final = 30.0
"""Seconds over which the rate is measured."""
LONGEST_NAME: Final = 40
"""Characters of the name of the file at work."""

Counter = Callable[[int, int], None]
"""A function that is called with (items done, items in all)."""


class Progress:
    """What a long call has done so far, in units of work.

    A call that takes `progress=` keeps it up to date; read it from any thread, print it, or pass a function that is
    called after every change.

        progress = sw.Progress(lambda state: print(state))
        index.add("media/", progress=progress)

    Attributes:
        total: How many media there are, as far as is known; None where nobody knows.
        done: How many of them are finished: embedded, unchanged or failed.
        expected: How many chunks there are in all: estimated from the sizes of files that are not open yet, and from
            the length of a recording that is; None where nobody knows.
        settled: How many chunks are finished: embedded, unchanged or failed.
        chunks: How many chunks were embedded.
        seconds: How many seconds of sound and video were embedded.
        current: The source at work, or "".
        failed: How many inputs failed so far.
        started: When it began, in seconds of `time.monotonic`.
    """

    def __init__(self, changed: Callable[[Progress], object] | None = None) -> None:
        """Begin with nothing done; `changed` is called with this object after every change."""
        self.total: int | None = None
        self.done = 0
        self.expected: int | None = None
        self.settled = 0
        self.chunks = 0
        self.seconds = 0.0
        self.current = ""
        self.failed = 0
        self.started = time.monotonic()
        self._changed = changed
        self._recent: list[tuple[float, int]] = []

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.started

    @property
    def share(self) -> float | None:
        """The share of the work that is done, from 0 to 1: of chunks if their number is known, else of media."""
        done, total = (self.done, self.total) if self.expected is None else (self.settled, self.expected)
        return None if total is None else min(done / total, 1.0) if total else 1.0

    @property
    def rate(self) -> float:
        """Chunks per second, over the last half minute."""
        now = time.monotonic()
        since, before = next(((at, count) for at, count in self._recent if now - at <= RECENT), (self.started, 0))
        return (self.chunks - before) / max(now - since, 1e-3)

    def update(
        self,
        *,
        total: int | None = None,
        done: int | None = None,
        expected: int | None = None,
        settled: int | None = None,
        current: str | None = None,
        failed: int | None = None,
        embedded: Media | None = None,
    ) -> None:
        """Take over what changed, and report it.

        Args:
            total: How many media there are now.
            done: How many are finished now.
            expected: How many chunks there are.
            settled: How many chunks are finished.
            current: The source at work.
            failed: How many inputs failed.
            embedded: A chunk that was embedded.
        """
        self.total = self.total if total is None else total
        self.done = self.done if done is None else done
        self.expected = self.expected if expected is None else expected
        self.settled = self.settled if settled is None else settled
        self.current = self.current if current is None else current
        self.failed = self.failed if failed is None else failed
        if embedded is not None:
            self.current = embedded.source
            self._recent.append((time.monotonic(), self.chunks))
            self._recent = [entry for entry in self._recent if self._recent[-1][0] - entry[0] <= RECENT]
            self.chunks += 1
            self.seconds += chunk_seconds(embedded)
        if self._changed is not None:
            self._changed(self)

    def count(self, done: int, total: int) -> None:
        """Take over (items done, items in all): what `progress=` of a space and other counters call."""
        self.update(done=done, total=total)

    def __str__(self) -> str:
        parts = [f"{self.done} of {self.total}" if self.total is not None else f"{self.done} done"]
        if self.expected is not None and self.done != self.total:
            expected = max(self.expected, self.settled)
            parts.append(f"{self.settled} of about {_chunks(expected)} ({self.rate:.1f}/s)")
        elif self.chunks:
            parts.append(f"{_chunks(self.chunks)} ({self.rate:.1f}/s)")
        if self.seconds:
            parts.append(f"{_clock(self.seconds)} of sound and video")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.current and self.done != self.total:
            parts.append(shorten(re.split(r"[/\\]", self.current)[-1], LONGEST_NAME))
        return ", ".join(parts)


ProgressOption = bool | Progress | Counter | None
"""What an argument `progress=` takes: True shows the progress on standard error, a `Progress` is kept up to date, and a
function is called with (media done, media in all)."""


@contextmanager
def tracked(given: ProgressOption, label: str) -> Iterator[Progress | None]:
    """Yield the progress that an argument `progress=` asks for, or None for none."""
    if given is True:
        with shown_progress(label) as progress:
            yield progress
    elif isinstance(given, Progress):
        yield given
    elif callable(given):
        yield Progress(_call_when_counted(given))
    else:
        yield None


@contextmanager
def shown_progress(label: str, *, console: Any = None, stream: TextIO | None = None) -> Iterator[Progress]:
    """Yield a progress that is shown: as a bar in a terminal with escape sequences, else as a line every ten seconds.

    Args:
        label: What is being done.
        console: The rich console to draw on; by default on standard error.
        stream: Where lines go if the console is no terminal; by default standard error.
    """
    from rich.console import Console

    console = console if console is not None else Console(stderr=True)
    if console.is_terminal and not wants_plain_text():
        with _bar(label, console) as progress:
            yield progress
        return
    progress, ended = Progress(), threading.Event()
    lines = threading.Thread(target=_print_lines, args=(label, progress, ended, stream), daemon=True)
    lines.start()
    try:
        yield progress
    finally:
        ended.set()
        lines.join()


@contextmanager
def _bar(label: str, console: Any) -> Iterator[Progress]:
    from rich.markup import escape
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn()
    with Bar(*columns, TextColumn("{task.fields[state]}"), console=console, transient=True) as bar:
        task = bar.add_task(escape(label), total=None, state="")

        def draw(state: Progress) -> None:
            share = state.share
            bar.update(task, completed=share or 0.0, total=None if share is None else 1.0, state=escape(str(state)))

        yield Progress(draw)


def _print_lines(label: str, progress: Progress, ended: threading.Event, stream: TextIO | None) -> None:
    while not ended.wait(INTERVAL):
        (stream or sys.stderr).write(f"{label}: {progress}, {_clock(progress.elapsed)}\n")
        (stream or sys.stderr).flush()


def _call_when_counted(given: Counter) -> Callable[[Progress], None]:
    """Return what calls a function whenever another media is done."""
    last: list[int] = [0]

    def changed(state: Progress) -> None:
        if state.done != last[0]:
            last[0] = state.done
            given(state.done, state.total or state.done)

    return changed


def chunk_seconds(media: Media) -> float:
    """Return the seconds of a chunk of sound or video; 0 for anything else."""
    from senseweave.errors import MediaError

    if media.modality not in ("audio", "video"):
        return 0.0
    if media.span is not None:
        return media.span[1] - media.span[0]
    try:
        return media.duration or 0.0
    except MediaError:
        return 0.0


def _chunks(count: int) -> str:
    return f"{count} chunk{'' if count == 1 else 's'}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
