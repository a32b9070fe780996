"""Search latency from 1,000 to 100,000 vectors: the index next to bare chromadb on the same collection.

    python benchmarks/search_latency.py [--sizes 1000 10000 100000] [--queries 100]

The space hashes words, so that the time is that of searching, not of a model. `overhead` is what the index adds to a
query of the collection: embedding the words with that space, statistics, merging and hits.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.media import Modality
from senseweave.retrieval import Index
from senseweave.retrieval.records import Record
from senseweave.spaces import Space

DIMENSION = 384
WORDS = 2000
SEED = 1


class Words(Encoder):
    """The mean of a fixed random vector per word."""

    modality: Modality = "text"  # type: ignore[misc]
    batch_budget = 100_000
    dimension = DIMENSION  # type: ignore[assignment]

    def __init__(self) -> None:
        self._table = np.random.default_rng(SEED).normal(size=(WORDS, DIMENSION)).astype(np.float32)

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Word numbers."""
        del role
        return [Prepared([zlib.crc32(word.encode()) % WORDS for word in item.split()]) for item in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Means."""
        return Encoded(np.stack([self._table[one.data].mean(axis=0) for one in batch]))

    def identity(self) -> Mapping[str, object]:
        """The seed."""
        return {"family": "benchmark words", "seed": SEED}


def fill(index: Index, space: Space, texts: list[str], start: int) -> None:
    """Write records of `texts` straight into the text collection."""
    description = index._store.descriptions[space.name, "text"]
    for at in range(0, len(texts), 2000):
        chunk = texts[at : at + 2000]
        vectors = space.embed_text(chunk)
        records = [
            Record(
                f"{start + at + i:08}",
                vector,
                text,
                {"modality": "text", "source": f"text {start + at + i}", "number": start + at + i},
            )
            for i, (text, vector) in enumerate(zip(chunk, vectors, strict=True))
        ]
        index._store.upsert(description, records)
    index._calibration.refit(description)


def measure(call: Callable[[str], Any], questions: list[str]) -> tuple[float, float]:
    """Median and 95th percentile, in milliseconds, after a few calls that do not count."""
    for question in questions[:5]:
        call(question)
    times = []
    for question in questions:
        began = time.perf_counter()
        call(question)
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times)), float(np.quantile(times, 0.95))


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    rng = np.random.default_rng(SEED)

    def sentence() -> str:
        return " ".join(map(str, rng.integers(0, WORDS, 12)))

    questions = [sentence() for _ in range(options.queries)]
    space = Space("words", {"text": Words()}, cache_size=0)
    print(f"{DIMENSION} dimensions, k=10, {len(questions)} queries; milliseconds, median (95th percentile)")
    print("| vectors | bare chromadb | index | index, filtered | overhead (median) | recall@10 of the exact ten |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, Index(Path(folder) / "index", spaces=[space]) as index:
        size, texts = 0, []
        for wanted in sorted(options.sizes):
            new = [sentence() for _ in range(wanted - size)]
            fill(index, space, new, size)
            texts, size = texts + new, wanted
            collection = index._store.client.get_collection("words-text", embedding_function=None)
            vectors = {question: space.embed_text([question], role="query")[0] for question in questions}

            def bare(question: str, collection: Any = collection, vectors: Any = vectors) -> Any:
                include = ["documents", "metadatas", "distances"]
                return collection.query(query_embeddings=[vectors[question]], n_results=10, include=include)

            plain = measure(bare, questions)
            ours = measure(lambda question: index.search(question, k=10), questions)
            where = {"number": {"lt": wanted // 2}}
            filtered = measure(lambda question, where=where: index.search(question, k=10, filter=where), questions[:20])
            table = space.embed_text(texts)
            found = [{hit.id for hit in index.search(one, k=10)} for one in questions]
            exact = [{f"{i:08}" for i in np.argsort(-(table @ vectors[one]))[:10]} for one in questions]
            recall = np.mean([len(a & b) / 10 for a, b in zip(found, exact, strict=True)])
            cells = [f"{pair[0]:.2f} ({pair[1]:.2f})" for pair in (plain, ours, filtered)]
            print(f"| {wanted:,} | {' | '.join(cells)} | {ours[0] - plain[0]:+.2f} | {recall:.3f} |", flush=True)


if __name__ == "__main__":
    main()
