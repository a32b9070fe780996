"""How long an event loop waits while 64 clients embed, search and add: the largest gap and percentiles.

python benchmarks/event_loop.py
python benchmarks/event_loop.py --model starter --clients 64 --records 2000

The first line is the control: the same watch while the process does nothing, so that its largest gap is the machine's.
Gaps during adds are those of Chroma's writes (`benchmarks/chroma_writes.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import senseweave as sw

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Outcome:
    """What was measured.

    Attributes:
        seconds: From the first request to the last answer.
        gaps: Seconds by which a task that asks for a turn every millisecond got it late, shape (turns,).
        elsewhere: Seconds that an unrelated `asyncio.to_thread` took in the middle of it.
    """

    seconds: float
    gaps: np.ndarray
    elsewhere: float


async def measure(clients: Sequence[Callable[[], Awaitable[object]]]) -> Outcome:
    """Let all clients work at once while another task watches the event loop."""
    gaps: list[float] = []

    async def watch() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - began - 0.001)

    async def borrow_a_thread() -> float:
        await asyncio.sleep(0.05)
        began = time.perf_counter()
        await asyncio.to_thread(time.sleep, 0)
        return time.perf_counter() - began

    watcher = asyncio.create_task(watch())
    other = asyncio.create_task(borrow_a_thread())
    await asyncio.sleep(0.01)
    began = time.perf_counter()
    await asyncio.gather(*(client() for client in clients))
    seconds = time.perf_counter() - began
    watcher.cancel()
    return Outcome(seconds, np.array(gaps), await other)


def report(name: str, outcome: Outcome) -> None:
    """Print what was measured."""
    percentiles = ", ".join(f"p{p} {1000 * np.percentile(outcome.gaps, p):.1f}" for p in PERCENTILES)
    print(
        f"{name:28} {outcome.seconds:6.2f} s; late by ms: {percentiles}, largest {1000 * outcome.gaps.max():.1f}; "
        f"unrelated to_thread {1000 * outcome.elsewhere:.1f} ms"
    )


async def run(space: sw.Space, index: sw.Index, clients: int) -> None:
    """Measure each kind of work alone, then all together."""

    def embedding(n: int) -> Callable[[], Awaitable[object]]:
        return lambda: space.aembed_text([f"question number {n} about the sea, asked {k} times" for k in range(4)])

    def searching(n: int) -> Callable[[], Awaitable[object]]:
        return lambda: index.asearch(f"what does client {n} find about the harbor", k=10)

    def adding(n: int) -> Callable[[], Awaitable[object]]:
        texts = [sw.Text(f"client {n} writes line {k} of a log", source=f"log-{n}") for k in range(32)]
        return lambda: index.aadd(texts)

    def large(n: int) -> Callable[[], Awaitable[object]]:
        return lambda: index.aadd([sw.Text(f"{n} a long text about boats. " * 20_000, source=f"long-{n}")])

    def resting(n: int) -> Callable[[], Awaitable[object]]:
        return lambda: asyncio.sleep(3)

    gc.collect()
    gc.freeze()  # as a server does once its models are loaded: a full collection walks through all of torch's objects
    report("nothing", await measure([resting(0)]))
    kinds = (embedding, searching, adding)
    for kind in kinds:
        report(f"{clients} clients {kind.__name__}", await measure([kind(n) for n in range(clients)]))
    mixed = [kinds[n % 3](clients + n) for n in range(clients)]
    report(f"{clients} clients mixed", await measure(mixed))
    report("a text of half a megabyte", await measure([large(0)]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Build an index, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter", help="any name that senseweave.load takes")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--records", type=int, default=1000, help="texts in the index before measuring")
    given = parser.parse_args(arguments)

    space = sw.load(given.model)
    with tempfile.TemporaryDirectory() as folder, sw.Index(Path(folder) / "index", spaces=[space]) as index:
        index.add([sw.Text(f"record {n} about the sea and the harbor", source=f"r{n}") for n in range(given.records)])
        index.search("load the model first")
        asyncio.run(run(space, index, given.clients))


if __name__ == "__main__":
    main()
