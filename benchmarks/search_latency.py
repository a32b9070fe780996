"""Search latency from 1,000 to 100,000 vectors: the index next to bare chromadb on the same collection.

    python benchmarks/search_latency.py [--sizes 1000 10000 100000] [--queries 100] [--folder FOLDER] [--build-only]

The model looks up random vectors of words, so that the time is spent on searching, not in a model. Both begin with the
question: of bare chromadb the vector is what the model returns, so that `overhead` is what the index adds: a space
around the model, statistics, merging and hits. The filter lets half of the records pass.

Building takes most of the time, and the graph, not the disk, is the cost: with 64 links a record (twice
`max_neighbors`) and 200 candidates, an insertion compares a vector with up to ten thousand others, and with random
vectors none of them can be left out; syncing to disk every 1,000 records adds a twentieth. With `--folder` the built
indexes are kept there, one per size; a later run uses them, and continues where an earlier run stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import measuring
import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.media import Modality
from senseweave.retrieval import Index
from senseweave.retrieval.records.schema import Provenance, Record, write_metadata
from senseweave.spaces import Space

DIMENSION = 384
WORDS = 2000
SEED = 1
BATCH = 2000
HEAD = """
| vectors | bare chromadb | index | bare, filtered | index, filtered | overhead (median) | recall@10 of the exact ten |
| --- | --- | --- | --- | --- | --- | --- |""".lstrip()


class Words(Encoder):
    """Embeds a text as the mean of a fixed random vector for each word."""

    modality: Modality = "text"  # type: ignore[misc]
    batch_budget = 100_000
    dimension = DIMENSION  # type: ignore[assignment]

    def __init__(self) -> None:
        self._table = np.random.default_rng(SEED).normal(size=(WORDS, DIMENSION)).astype(np.float32)

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Return the number of each word."""
        del role
        return [Prepared([zlib.crc32(word.encode()) % WORDS for word in item.split()]) for item in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Return the mean vector of the words of each text."""
        return Encoded(np.stack([self._table[item.data].mean(axis=0) for item in batch]))

    def identity(self) -> Mapping[str, object]:
        """Return the seed, which decides the vectors."""
        return {"family": "benchmark words", "seed": SEED}


def sentences(count: int, seed: int) -> list[str]:
    """Return the first `count` sentences of an endless list of random sentences."""
    rng = np.random.default_rng(seed)
    return [" ".join(map(str, rng.integers(0, WORDS, 12))) for _ in range(count)]


def fill(index: Index, space: Space, texts: list[str]) -> None:
    """Write records of `texts` straight into the text collection, from where an earlier run stopped."""
    description = index._store.descriptions[space.name, "text"]
    began, first = time.perf_counter(), index._store.count(description)
    for at in range(first, len(texts), BATCH):
        chunk = texts[at : at + BATCH]
        records = [
            Record(f"{i:08}", vector, text, record_metadata(i, text, description.fingerprint))
            for i, (text, vector) in enumerate(zip(chunk, space.embed_text(chunk), strict=True), start=at)
        ]
        index._store.upsert(description, records)
        done, seconds = at + len(chunk), time.perf_counter() - began
        print(
            f"\rbuilding: {done:,} of {len(texts):,}, {1000 * seconds / (done - first):.1f} ms each",
            end="\n" if done == len(texts) else "",
            file=sys.stderr,
            flush=True,
        )
    if index._calibration.is_stale(description):
        index._calibration.refit(description)


def record_metadata(number: int, text: str, fingerprint: str) -> dict[str, Any]:
    """Return what `Index.add` writes beside a text, whose hash a search looks at, and a number to filter by."""
    provenance = Provenance(
        source=f"text {number}",
        mime_type="text/plain",
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        fingerprint=fingerprint,
        added_at=float(number),
        own={"number": number},
    )
    return write_metadata(provenance)


def bare_search(index: Index) -> Callable[..., Any]:
    """Return a search without the index: its collection, asked for the vector that the model makes of a question."""
    collection = index._store.store.client.get_collection("words-text", embedding_function=None)
    model = Words()

    def search(question: str, where: Any = None) -> Any:
        vectors = model.forward(model.prepare([question], "query")).vectors
        return collection.query(
            query_embeddings=vectors, n_results=10, include=["documents", "metadatas", "distances"], where=where
        )

    return search


def measure(calls: Sequence[Callable[[str], Any]], questions: list[str]) -> list[tuple[float, float]]:
    """Return the median and the 95th percentile of each call in milliseconds, after a few that do not count.

    The calls take turns with every question, so that all meet the same load.
    """
    times: list[list[float]] = [[] for _ in calls]
    for at, question in enumerate([*questions[:5], *questions]):
        for call, taken in zip(calls, times, strict=True):
            began = time.perf_counter()
            call(question)
            if at >= 5:
                taken.append(1000 * (time.perf_counter() - began))
    return [(float(np.median(taken)), float(np.quantile(taken, 0.95))) for taken in times]


def main() -> None:
    """Fill the indexes, measure them and print the table."""
    parser = measuring.arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="keep the built indexes here, and use those already there")
    parser.add_argument("--build-only", action="store_true", help="build the indexes without measuring")
    options = parser.parse_args()
    measuring.set_threads(options.threads)
    questions = sentences(options.queries, SEED)
    space = Space("words", {"text": Words()}, cache_size=0)
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not options.build_only and not options.json:
            print(f"{DIMENSION} dimensions, k=10, {len(questions)} queries; milliseconds, median (95th percentile)")
            print(HEAD)
        for size in sorted(options.sizes):
            texts = sentences(size, SEED + 1)
            with Index(folder / f"words-{size}", spaces=[space]) as index:
                fill(index, space, texts)
                if options.json:
                    report(index, size, questions, options)
                elif not options.build_only:
                    print(row(index, space, texts, questions), flush=True)


def report(index: Index, size: int, questions: list[str], options: argparse.Namespace) -> None:
    """Report how a search by the index compares with a query of its collection, in rounds that take turns."""
    bare = bare_search(index)
    sides = {
        measuring.OURS: lambda: measure([lambda question: index.search(question, k=10)], questions)[0][0],
        "bare chromadb": lambda: measure([bare], questions)[0][0],
    }
    row = measuring.compare(f"search of {size:,} records, p50", sides, options, unit="ms", returns_figure=True)
    added = row.figures[measuring.OURS] - row.figures["bare chromadb"]
    row.notes.append(
        f"search of {size:,} records: the index adds {added:.2f} ms to bare chromadb, by design never below 0"
    )
    measuring.report(row, options)


def row(index: Index, space: Space, texts: list[str], questions: list[str]) -> str:
    """Measure an index and return its line of the table."""
    bare = bare_search(index)
    plain, ours = measure([bare, lambda question: index.search(question, k=10)], questions)
    half = len(texts) // 2
    below_half = {"number": {"lt": half}}
    bare_filtered, filtered = measure(
        [
            lambda question: bare(question, {"number": {"$lt": half}}),
            lambda question: index.search(question, k=10, filter=below_half),
        ],
        questions[:20],
    )
    table = space.embed_text(texts)
    found = [{hit.id for hit in index.search(question, k=10)} for question in questions]
    asked = space.embed_text(questions, role="query")
    exact = [{f"{i:08}" for i in np.argsort(-(table @ vector))[:10]} for vector in asked]
    recall = np.mean([len(a & b) / 10 for a, b in zip(found, exact, strict=True)])
    cells = [f"{pair[0]:.2f} ({pair[1]:.2f})" for pair in (plain, ours, bare_filtered, filtered)]
    return f"| {len(texts):,} | {' | '.join(cells)} | {ours[0] - plain[0]:+.2f} | {recall:.3f} |"


if __name__ == "__main__":
    main()
