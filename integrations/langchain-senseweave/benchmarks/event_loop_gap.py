"""How long an event loop waits while queries are embedded: 64 at once, and the longest gap between its turns.

python benchmarks/event_loop_gap.py
python benchmarks/event_loop_gap.py --model starter --queries 64
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from langchain_senseweave import SenseweaveEmbeddings


@dataclass(frozen=True)
class Outcome:
    """What was measured.

    Attributes:
        seconds: From the first request to the last answer.
        longest_gap: Seconds between two turns of a task that asks for a turn every millisecond, at most.
        turns: How many turns it had.
        difference: Largest difference to the vectors that the synchronous method gives.
    """

    seconds: float
    longest_gap: float
    turns: int
    difference: float


async def measure(embeddings: SenseweaveEmbeddings, queries: Sequence[str]) -> Outcome:
    """Embed all queries at once while another task watches the event loop."""
    turns = [time.perf_counter()]

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.001)
            turns.append(time.perf_counter())

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.01)
    started = time.perf_counter()
    vectors = await asyncio.gather(*(embeddings.aembed_query(query) for query in queries))
    seconds = time.perf_counter() - started
    turns.append(time.perf_counter())
    watcher.cancel()
    expected = await asyncio.to_thread(lambda: [embeddings.embed_query(query) for query in queries])
    difference = float(np.abs(np.array(vectors) - np.array(expected)).max())
    return Outcome(seconds, float(np.diff(turns).max()), len(turns), difference)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter", help="any name that senseweave.load takes")
    parser.add_argument("--queries", type=int, default=64)
    given = parser.parse_args(arguments)

    embeddings = SenseweaveEmbeddings(model=given.model, cache_size=0)
    embeddings.embed_query("load the model first")
    outcome = asyncio.run(measure(embeddings, [f"question number {n} about the sea" for n in range(given.queries)]))
    print(f"{given.queries} concurrent queries in {1000 * outcome.seconds:.0f} ms")
    print(f"longest gap of the event loop {1000 * outcome.longest_gap:.1f} ms in {outcome.turns} turns")
    print(f"largest difference to the synchronous vectors {outcome.difference:.1e}")


if __name__ == "__main__":
    main()
