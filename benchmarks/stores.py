"""Stores beside each other on the same records: writing, index, disk, search, filtered search, recall.

    python benchmarks/stores.py                                    # 20,000 records of 384 dimensions
    python benchmarks/stores.py --records 100000 --only chroma postgresql

A Chroma folder, a Chroma server and PostgreSQL with pgvector, both started on the loopback interface with folders that
go with them, and a Qdrant folder, which is the client's local mode: it compares a query with every vector and is meant
for small collections, so its figures say nothing about a Qdrant server. What is not installed is left out with a
sentence.

Vectors are means of random vectors of words, as in `search_latency.py`, and cost next to nothing. `write` is the
seconds of all calls that write `--batch` records each; `index`, what the store does when writing ends, where that is
apart: Chroma makes its graph while it writes, PostgreSQL after it, once there are 10,000 records. Disk is what the
folder or the database takes in the end, without PostgreSQL's log of changes.

Searches ask the store itself, one vector at a time: without a filter, with one that half of the records pass, and one
that 1 % pass. Stores take turns in every round, in shuffled order; times are of all rounds together, and the ratio is
the median, least and greatest of the rounds' median times to that of the first store. Recall compares the ten nearest
with an exact search.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import pytest
import search_latency

import senseweave as sw
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import VectorStore
from senseweave.retrieval.stores.conditions import Condition, matches
from senseweave.retrieval.stores.filters import parse_filter

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from chroma_server import ChromaServer
from postgres_server import PostgresServer, run_sql

K = 10
NAME = "benchmark"
WARM_UP = 5
"""Queries before the rounds that do not count."""
SERVER_SETTINGS = ("shared_buffers=512MB", "maintenance_work_mem=512MB")
"""Of PostgreSQL, which keeps its defaults otherwise: what is written is safe when a call returns."""
HEAD = """
| store | write s | index s | disk MB | search ms | half pass, ms | 1 % pass, ms | times the first | recall@10 |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |""".lstrip()


@dataclass
class Side:
    """A store and what was measured of it; times of searches are milliseconds, by the name of the filter."""

    name: str
    store: VectorStore
    measure_bytes: Callable[[], float]
    write_s: float = 0.0
    index_s: float = 0.0
    disk_mb: float = 0.0
    search_ms: dict[str, list[float]] = field(default_factory=dict)
    ratios: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    recall: dict[str, float] = field(default_factory=dict)

    def results(self) -> dict[str, Any]:
        """Return what was measured, with the median and the 95th percentile of times."""
        found = asdict(_Results(self.name, self.write_s, self.index_s, self.disk_mb, self.ratios, self.recall))
        found["search_ms"] = {name: _quantiles(times) for name, times in self.search_ms.items()}
        return found


@dataclass(frozen=True)
class _Results:
    store: str
    write_s: float
    index_s: float
    disk_mb: float
    ratios: dict[str, tuple[float, float, float]]
    recall: dict[str, float]


def main() -> None:
    """Write, search and print."""
    parser = measuring.arguments(__doc__, rounds=5)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=100, help="of each round")
    parser.add_argument("--batch", type=int, default=1000, help="records of one call that writes")
    parser.add_argument("--only", nargs="+", default=list(OPENERS), choices=list(OPENERS), metavar="STORE")
    options = parser.parse_args()
    measuring.set_threads(options.threads)
    space = sw.Space("words", {"text": search_latency.Words()}, cache_size=0)
    records = make_records(space, options.records)
    queries = space.embed_text(search_latency.sentences(options.queries, search_latency.SEED), role="query")
    filters = {
        "all": None,
        "half": parse_filter({"number": {"lt": options.records // 2}}),
        "1 %": parse_filter({"number": {"lt": options.records // 100}}),
    }
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        sides = []
        for name in options.only:
            side = open_side(name, Path(folder, name.replace(" ", "-")), stack)
            if side is not None:
                sides.append(side)
                write(side, records, options)
        search(sides, records, queries, filters, options)
        for side in sides:
            side.disk_mb = side.measure_bytes() / 1e6
    results = {"records": options.records, "queries": options.queries, "stores": [side.results() for side in sides]}
    print(json.dumps(results, indent=1) if options.json else table(results))


def make_records(space: sw.Space, count: int) -> list[Record]:
    """Return records of random sentences, numbered in their metadata."""
    texts = search_latency.sentences(count, search_latency.SEED + 1)
    return [
        Record(f"{at:08}", vector, text, search_latency.record_metadata(at, text, "benchmark"))
        for at, (text, vector) in enumerate(zip(texts, space.embed_text(texts), strict=True))
    ]


def open_chroma_folder(folder: Path, stack: contextlib.ExitStack) -> Side:
    """Open Chroma in a folder."""
    return Side("Chroma folder", closing(sw.stores.Chroma(folder), stack), lambda: folder_bytes(folder))


def open_chroma_server(folder: Path, stack: contextlib.ExitStack) -> Side:
    """Start a Chroma server and open it."""
    folder.mkdir()
    server = ChromaServer(folder)
    stack.callback(server.kill)
    store = sw.stores.connect(f"http://127.0.0.1:{server.port}")
    return Side("Chroma server", closing(store, stack), lambda: folder_bytes(folder))


def open_postgresql(folder: Path, stack: contextlib.ExitStack) -> Side:
    """Start PostgreSQL and open a new database."""
    del folder  # the server makes one that the account it runs as may read
    server = PostgresServer(settings=SERVER_SETTINGS)
    stack.callback(server.stop)
    url = server.url(server.database())
    size = "SELECT pg_database_size(current_database())"
    empty = run_sql(url, size)[0][0]
    store = closing(sw.stores.PgVector(url), stack)
    return Side("PostgreSQL with pgvector", store, lambda: run_sql(url, size)[0][0] - empty)


def open_qdrant_folder(folder: Path, stack: contextlib.ExitStack) -> Side:
    """Open Qdrant's local mode in a folder."""
    store = closing(sw.stores.Qdrant(folder), stack)
    return Side("Qdrant folder (local mode, exact)", store, lambda: folder_bytes(folder))


OPENERS: dict[str, Callable[[Path, contextlib.ExitStack], Side]] = {
    "chroma": open_chroma_folder,
    "chroma-server": open_chroma_server,
    "postgresql": open_postgresql,
    "qdrant": open_qdrant_folder,
}


def open_side(name: str, folder: Path, stack: contextlib.ExitStack) -> Side | None:
    """Open a store, or say why it is left out."""
    try:
        return OPENERS[name](folder, stack)
    except (ImportError, pytest.skip.Exception) as reason:
        print(f"{name} is left out: {reason}", file=sys.stderr)
        return None


def closing(store: Any, stack: contextlib.ExitStack) -> VectorStore:
    """Return a store that is closed with the stack."""
    stack.callback(store.close)
    return store


def write(side: Side, records: Sequence[Record], options: argparse.Namespace) -> None:
    """Write all records, and time the calls and what comes after the last."""
    side.store.make(NAME, {"about": "a benchmark"}, search_latency.DIMENSION)
    with side.store.writing():
        for at in range(0, len(records), options.batch):
            began = time.perf_counter()
            side.store.upsert(NAME, records[at : at + options.batch])
            side.write_s += time.perf_counter() - began
            print(f"\r{side.name}: {at + options.batch:,} of {len(records):,}", end="", file=sys.stderr, flush=True)
        began = time.perf_counter()
    side.index_s = time.perf_counter() - began
    print(file=sys.stderr)


def search(
    sides: Sequence[Side],
    records: Sequence[Record],
    queries: np.ndarray,
    filters: dict[str, Condition | None],
    options: argparse.Namespace,
) -> None:
    """Search every store under each filter, in rounds that take turns, and note times, ratios and recall."""
    for name, condition in filters.items():
        exact = exact_ids(records, queries, condition)
        for side in sides:
            found = [side.store.query(NAME, row[None], K, condition=condition)[0] for row in queries]
            shares = [
                len({record.id for record in each} & best) / max(len(best), 1)
                for each, best in zip(found, exact, strict=True)
            ]
            side.recall[name] = float(np.mean(shares))
            side.search_ms[name] = []
        calls = {side.name: searching(side, queries, name, condition) for side in sides}
        rounds, _ = measuring.take_rounds(calls, options, unit="ms", returns_figure=True)
        for side in sides:
            within = [taken[side.name] / taken[sides[0].name] for taken in rounds]
            side.ratios[name] = statistics.median(within), min(within), max(within)


def searching(side: Side, queries: np.ndarray, name: str, condition: Condition | None) -> Callable[[], float]:
    """Return a function that searches by every query, keeps the times and returns their median in milliseconds."""

    def run() -> float:
        times = []
        for at, row in enumerate([*queries[:WARM_UP], *queries]):
            began = time.perf_counter()
            side.store.query(NAME, row[None], K, condition=condition)
            if at >= WARM_UP:
                times.append(1000 * (time.perf_counter() - began))
        side.search_ms[name] += times
        return statistics.median(times)

    return run


def exact_ids(records: Sequence[Record], queries: np.ndarray, condition: Condition | None) -> list[set[str]]:
    """Return the ids of the `K` nearest records of each query, among those that match a condition."""
    kept = [record for record in records if matches(condition, record.metadata)]
    if not kept:
        return [set() for _ in queries]
    similarities = queries @ np.stack([record.vector for record in kept]).T
    return [{kept[at].id for at in row[:K]} for row in np.argsort(-similarities, axis=1, kind="stable")]


def folder_bytes(folder: Path) -> float:
    """Return the size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    return "\n".join(_lines(results))


def _lines(results: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{results['records']:,} records of {search_latency.DIMENSION} dimensions, k={K}, "
        f"{results['queries']} queries a round; "
        "milliseconds are median (95th percentile), ratios and recall of all, half and 1 % of the records"
    )
    yield ""
    yield HEAD
    for found in results["stores"]:
        times = " | ".join("{:.2f} ({:.2f})".format(*pair) for pair in found["search_ms"].values())
        ratios = ", ".join("{:.2f} [{:.2f} to {:.2f}]".format(*ratio) for ratio in found["ratios"].values())
        recall = ", ".join(f"{share:.3f}" for share in found["recall"].values())
        yield (
            f"| {found['store']} | {found['write_s']:.1f} | {found['index_s']:.1f} | {found['disk_mb']:.0f} "
            f"| {times} | {ratios} | {recall} |"
        )


def _quantiles(times: Sequence[float]) -> tuple[float, float]:
    return float(np.median(times)), float(np.quantile(times, 0.95))


if __name__ == "__main__":
    main()
