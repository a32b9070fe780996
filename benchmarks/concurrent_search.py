"""How much faster 64 searches of an index are at once (`asearch`) than one after another (`search`).

    python benchmarks/concurrent_search.py [--model starter] [--searches 64] [--records 2000] [--repeats 5]

Each line is a process of its own, with one thread for the model's arithmetic and with all. Both ways are measured in
turn, without a cache of vectors; what they find is compared before.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

WORDS = ["harbor", "bridge", "market", "station", "museum", "garden", "river", "letter", "engine", "winter"]
WORDS += ["summer", "tower", "glass", "paper", "music", "school", "doctor", "farmer", "sailor", "painter"]
SEED = 1
CLOSE = 1e-3
"""Scores of equal searches may differ by this much: a vector differs in the sixth digit with the batch around it."""


def main() -> None:
    """Measure with one thread and with all, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--searches", type=int, default=64)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.threads is not None:
        measure(options)
        return
    print(f"{options.searches} searches of {options.records:,} records, {options.model}; milliseconds for all of them")
    print(
        "| threads | one after another | at once | ratio (lowest to highest) |\n| --- | --- | --- | --- |", flush=True
    )
    for threads in sorted({1, os.cpu_count() or 1}):
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        command = [sys.executable, __file__, "--threads", str(threads), *sys.argv[1:]]
        subprocess.run(command, env=environment, check=True)


def measure(options: argparse.Namespace) -> None:
    """Print a line of the table."""
    import senseweave as sw

    chance = np.random.default_rng(SEED)
    notes = [f"{' '.join(chance.choice(WORDS, 12))} {number}" for number in range(options.records)]
    questions = [
        f"what does client {number} find about the {WORDS[number % 20]} and the {WORDS[7 * number % 20]}"
        for number in range(options.searches)
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        sw.Index(Path(folder), spaces=[sw.load(options.model, cache_size=0)]) as index,
    ):
        index.add([sw.Text(note, source=f"note {number}") for number, note in enumerate(notes)])

        def serial() -> list[list[float]]:
            return [[hit.score for hit in index.search(question)] for question in questions]

        async def gather() -> list[list[float]]:
            found = await asyncio.gather(*(index.asearch(question) for question in questions))
            return [[hit.score for hit in hits] for hits in found]

        def concurrent() -> list[list[float]]:
            return asyncio.run(gather())

        np.testing.assert_allclose(serial(), concurrent(), atol=CLOSE)
        pairs = [(seconds(serial), seconds(concurrent)) for _ in range(options.repeats)]
    slow, fast = np.median(pairs, axis=0)
    ratios = sorted(alone / together for alone, together in pairs)
    print(
        f"| {options.threads} | {1000 * slow:.0f} | {1000 * fast:.0f} "
        f"| {np.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f}) |",
        flush=True,
    )


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
