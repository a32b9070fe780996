"""Inputs that end the process which reads or embeds them: after a few deaths they are failures like any other."""

from __future__ import annotations

import hashlib
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from senseweave.extras import require

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_BYTES: Final = 4096
"""Of each end of each buffer of rows, by which they are told from others of the same process."""
MOST_DEATHS: Final = 3
"""Of processes at one task, from the second of which the input is known; then its input is passed over."""


class Record:
    """Which tasks have begun, at which of their inputs they are, and how often each of these was the last."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._begun: set[str] = set()
        self._at: dict[str, int] = {}
        self._deaths: dict[str, Counter[int]] = {}

    def begin(self, task: str) -> tuple[bool, frozenset[int]]:
        """Return whether a task died before, and which of its inputs are passed over."""
        again = task in self._begun
        self._begun.add(task)
        if task in self._at:
            self._deaths.setdefault(task, Counter())[self._at.pop(task)] += 1
        counts = self._deaths.get(task, Counter())
        return again, frozenset(at for at, count in counts.items() if count >= MOST_DEATHS - 1)

    def reach(self, task: str, at: int) -> None:
        """Note that a task begins with one of its inputs, of which the others are done."""
        self._at[task] = at

    def end(self, task: str) -> None:
        """Forget a task."""
        self._begun.discard(task)
        self._at.pop(task, None)
        self._deaths.pop(task, None)


def start_record() -> Any:
    """Return the actor that holds the record of this process's calls, which is started for the first of them."""
    context = require("ray", extra="ray", feature="senseweave.scale").get_runtime_context()
    return _record(context.get_node_id(), context.get_job_id())


@lru_cache(maxsize=1)
def _record(node: str, job: str) -> Any:
    """Return the actor of a job of the cluster of a node; another cluster has other nodes."""
    ray = require("ray", extra="ray", feature="senseweave.scale")
    return ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Record).remote()


class Watch:
    """What one task tells the record: nothing of its inputs, unless it died before."""

    def __init__(self, record: Any, rows: pa.Table) -> None:
        """Begin with some rows.

        Args:
            record: The actor.
            rows: What this process works on, one batch after the other.
        """
        self._ray = require("ray", extra="ray", feature="senseweave.scale")
        self._record = record
        context = self._ray.get_runtime_context()
        # Both stay the same when Ray starts an actor or a task again; the ids of an actor's tasks do not.
        self._task = f"{context.get_actor_id() or context.get_task_id()} {rows_key(rows)}"
        self.is_repeated, self._deadly = self._ray.get(record.begin.remote(self._task))

    def reach(self, at: int) -> str | None:
        """Say that an input comes next; return why it has to be passed over, or None.

        Args:
            at: Its position in the task, the same in every repetition.
        """
        if at in self._deadly:
            return (
                f"ended the process at work on it at least {MOST_DEATHS - 1} times (a crash, or too little memory), "
                "and was passed over"
            )
        if self.is_repeated:
            self._ray.get(self._record.reach.remote(self._task, at))
        return None

    def end(self) -> None:
        """Say that the task is done."""
        self._record.end.remote(self._task)


def rows_key(rows: pa.Table) -> str:
    """Return what tells rows from others of the same process; only the ends of large columns are read."""
    digest = hashlib.sha256()
    for column in rows.columns:
        for chunk in column.chunks:
            digest.update(f"{chunk.offset} {len(chunk)} ".encode())
            for buffer in filter(None, chunk.buffers()):
                digest.update(f"{buffer.size} ".encode())
                digest.update(buffer[:SAMPLE_BYTES])
                digest.update(buffer[max(buffer.size - SAMPLE_BYTES, 0) :])
    return digest.hexdigest()
