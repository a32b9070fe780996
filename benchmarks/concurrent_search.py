"""How much faster 64 searches of an index are at once (`asearch`) than one after another (`search`).

    python benchmarks/concurrent_search.py [--model starter] [--searches 64] [--records 2000] [--threads 1]

Both ways are measured in turn, without a cache of vectors; what they find is compared before.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

import measuring
import numpy as np

WORDS = ["harbor", "bridge", "market", "station", "museum", "garden", "river", "letter", "engine", "winter"]
WORDS += ["summer", "tower", "glass", "paper", "music", "school", "doctor", "farmer", "sailor", "painter"]
SEED = 1
CLOSE = 1e-3
"""Scores of equal searches may differ by this much: a vector differs in the sixth digit with the batch around it."""


def main() -> None:
    """Measure, and report a row."""
    parser = measuring.arguments(__doc__, rounds=5)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--searches", type=int, default=64)
    parser.add_argument("--records", type=int, default=2000)
    options = parser.parse_args()
    measuring.set_threads(options.threads)
    measure(options)


def measure(options: argparse.Namespace) -> None:
    """Fill an index, search it both ways, and report the row."""
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
        work = f"{options.searches} searches of {options.records:,} records at once (asearch)"
        sides = {measuring.OURS: concurrent, "one after another (search)": serial}
        gate = f"scores to {CLOSE:g}"
        measuring.report(measuring.compare(work, sides, options, unit="ms", gate=gate), options)


if __name__ == "__main__":
    main()
