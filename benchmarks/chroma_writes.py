"""How long Chroma's own calls keep the other Python threads of a process waiting: bare chromadb, without senseweave.

python benchmarks/chroma_writes.py

A thread asks for a turn every millisecond. Where its largest gap is as long as the longest call, the call holds the
interpreter lock from beginning to end, and an event loop in the same process stands still for as long.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count

import chromadb
import numpy as np

DIMENSION = 384
SIZES = (1, 8, 64, 512)


class Watch:
    """A thread that asks for a turn every millisecond."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._ended = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the thread for the duration of a block."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            began = time.perf_counter()
            time.sleep(0.001)
            self.gaps.append(time.perf_counter() - began - 0.001)


def measure(name: str, call: Callable[[], object], repeats: int) -> None:
    """Repeat a call and print how long it takes and how long another thread waits."""
    watch, seconds = Watch(), list[float]()
    with watch.running():
        for _ in range(repeats):
            began = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - began)
            time.sleep(0.005)
    print(
        f"{name:14} ms: median {1000 * np.median(seconds):6.1f}, longest {1000 * max(seconds):6.1f}; "
        f"largest gap of another thread {1000 * max(watch.gaps):6.1f}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each call on a new folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20, help="calls of each kind")
    repeats = parser.parse_args(arguments).repeats
    random, numbers = np.random.default_rng(0), count()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        settings = chromadb.Settings(anonymized_telemetry=False)
        collection = chromadb.PersistentClient(folder, settings).create_collection("bare", embedding_function=None)

        def upsert(size: int) -> None:
            ids = [f"record {next(numbers)}" for _ in range(size)]
            collection.upsert(
                ids=ids,
                embeddings=random.normal(size=(size, DIMENSION)).astype(np.float32),
                documents=[f"the text of {identifier}" for identifier in ids],
                metadatas=[{"modality": "text", "source": identifier, "sha256": 8 * identifier} for identifier in ids],
            )

        measure("nothing", lambda: time.sleep(0.02), repeats)
        for size in SIZES:
            measure(f"upsert of {size}", lambda size=size: upsert(size), repeats)  # type: ignore[misc]
        measure("query", lambda: collection.query(query_embeddings=[[1.0] * DIMENSION], n_results=10), repeats)
        measure("get of 64", lambda: collection.get(ids=[f"record {n}" for n in range(64)]), repeats)
        measure("count", collection.count, repeats)
        deleted = count()
        measure("delete of 8", lambda: collection.delete(ids=[f"record {next(deleted)}" for _ in range(8)]), repeats)


if __name__ == "__main__":
    main()
