"""64 clients of an index that add, search and delete for minutes: nothing is lost, memory and handles stay level."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from figures import Figures
from processes import run
from records import checked, count_faults, open_index

import senseweave as sw

CLIENTS: Final = 64
SOURCES: Final = 12
"""Sources that a client adds, replaces and deletes, so that the index stays as large as it is."""
WARM: Final = 0.4
"""Share of the time before which nothing is compared: caches fill, and Chroma writes its files for the first time."""
MEMORY: Final = 1.15
"""Most that memory may grow, from the middle of the time to its end."""
SLACK: Final = 24.0
"""Megabytes that it may grow in any case."""
HANDLES: Final = 12
"""Most open files and threads that may be added in that time."""


@dataclass
class Client:
    """A client and what it knows to be in the index."""

    number: int
    chance: random.Random
    held: dict[str, str] = field(default_factory=dict)
    calls: int = 0
    wrong: list[str] = field(default_factory=list)

    async def turn(self, index: sw.Index) -> None:
        """Do one thing: search, replace, or delete."""
        self.calls += 1
        source = f"client{self.number}-{self.chance.randrange(SOURCES)}"
        kind = self.chance.random()
        if kind < 0.6:
            await self._search(index, source)
        elif kind < 0.9 or source not in self.held:
            text = f"client{self.number} {source} word{self.chance.randrange(10_000)}"
            if source in self.held:
                await asyncio.to_thread(index.delete, sources=source)
                del self.held[source]
            report = await index.aadd(sw.Text(text, source=source))
            self.held[source] = text
            self.wrong += [] if (report.added, len(report.failed)) == (1, 0) else [f"{source}: {report}"]
        else:
            removed = await asyncio.to_thread(index.delete, sources=source)
            del self.held[source]
            self.wrong += [] if removed == 1 else [f"{source}: {removed} deleted"]

    async def _search(self, index: sw.Index, source: str) -> None:
        text = self.held.get(source)
        hits = await index.asearch(text or "nothing", k=3, filter={"source": source})
        expected = [] if text is None else [text]
        self.wrong += [] if [hit.text for hit in hits] == expected else [f"{source}: found {len(hits)}"]


def soak(place: Path, seed: int, minutes: float = 1.0) -> Figures:
    """Let 64 clients work for some minutes, and compare memory and handles of the middle with those of the end."""
    figures = Figures(f"soak, {CLIENTS} clients")
    outcome = run(lambda: _work(place / "index", seed, 60 * minutes), 60 * minutes + 300)
    result = figures.take(outcome, "soak")
    if result is None:
        return figures
    figures.tries = result["calls"]
    count_faults(figures, result["faults"], f"after {minutes:g} minutes")
    samples = result["samples"]
    middle = samples[int(WARM * len(samples)) : int((WARM + 0.2) * len(samples)) + 1]
    end = samples[int(0.8 * len(samples)) :]
    before, after = ([statistics.median(column) for column in zip(*part, strict=True)] for part in (middle, end))
    for name, start, now, most in (
        ("MB of memory", before[0], after[0], max(before[0] * MEMORY, before[0] + SLACK)),
        ("open files", before[1], after[1], before[1] + HANDLES),
        ("threads", before[2], after[2], before[2] + HANDLES),
    ):
        figures.notes.append(f"{name} {start:.0f} to {now:.0f}")
        figures.count("wrong", f"{name} grew from {start:.0f} to {now:.0f}", int(now > most))
    figures.notes.append(f"{minutes:g} minutes")
    return figures


def _work(folder: Path, seed: int, seconds: float) -> dict[str, Any]:
    """Let the clients work, and return calls, samples of memory, open files and threads, and what is wrong."""
    clients = [Client(number, random.Random(f"{seed} {number}")) for number in range(CLIENTS)]
    with open_index(folder, ("text",)) as index:
        samples = asyncio.run(_serve(index, clients, seconds))
        state = Counter(("text", source, text) for client in clients for source, text in client.held.items())
        faults = checked(index, state, state)
    faults["wrong"] += [line for client in clients for line in client.wrong]
    return {"calls": sum(client.calls for client in clients), "samples": samples, "faults": faults}


async def _serve(index: sw.Index, clients: list[Client], seconds: float) -> list[tuple[float, int, int]]:
    end = time.monotonic() + seconds
    samples = []

    async def live(client: Client) -> None:
        while time.monotonic() < end:
            await client.turn(index)

    async def watch() -> None:
        while time.monotonic() < end:
            gc.collect()
            samples.append(usage())
            await asyncio.sleep(max(0.25, seconds / 1000))

    await asyncio.gather(watch(), *map(live, clients))
    return samples


def usage() -> tuple[float, int, int]:
    """Return megabytes of memory, open files and threads of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    tasks = len(os.listdir("/proc/self/task"))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir("/proc/self/fd")), tasks
