"""Whether memory levels off: resident memory while one process adds thousands of texts and pictures to an index.

    python benchmarks/memory_growth.py [--texts 5000] [--pictures 1000] [--threads 2] [--quick]

Texts are of mixed lengths, as in `text_throughput.py`, and pictures of mixed sizes. Memory is printed after each
twelfth of them, and how much it grew during the last third. Chroma keeps the graph and the vectors of a collection in
memory, some kilobytes a record, and its log; a second process, which writes equally many random vectors to a bare
Chroma collection, shows how much of the growth is Chroma's.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import measuring
import numpy as np

STEPS = 12
"""Times that memory is looked at; divisible by 3."""
SIZES = ((640, 480), (1024, 768), (1600, 1200), (480, 640), (300, 200), (2400, 1600))
DIMENSION = 384
QUICK_TEXTS, QUICK_PICTURES = 1800, 240
SIDES = {"index": measuring.OURS, "chroma": "bare chromadb"}


def resident_megabytes() -> float:
    """Return the resident memory of this process in MB of 10^6 bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def pictures(count: int) -> Iterator[bytes]:
    """Yield JPEGs of smooth colors and noise, no two alike."""
    from PIL import Image

    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        picture = coarse.resize(SIZES[number % len(SIZES)], Image.Resampling.BICUBIC)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=85)
        yield file.getvalue()


def watch(what: str, count: int, add: Callable[[int], object]) -> None:
    """Add in steps and print the memory after each, as a line of JSON."""
    memory = []
    for _ in range(STEPS):
        add(max(count // STEPS, 1))
        memory.append(round(resident_megabytes(), 1))
    grown = memory[-1] - memory[2 * STEPS // 3 - 1]
    print(json.dumps({"what": what, "each": max(count // STEPS, 1), "MB": memory, "last third": round(grown, 1)}))


def add_to_index(folder: str, texts: int, photos: int) -> None:
    """Add texts and pictures to an index by the starter."""
    from text_throughput import texts as mixed_texts

    import senseweave as sw

    words, files = iter(mixed_texts(texts)), pictures(photos)
    with sw.Index(folder, spaces=["starter"], ocr="off") as index:

        def add_texts(count: int) -> object:
            chosen = [f"{next(words)} ({number})" for number in range(count)]
            return index.add([sw.Text(text, source=f"text {len(index)}-{at}") for at, text in enumerate(chosen)])

        watch("texts", texts, add_texts)
        watch("pictures", photos, lambda count: index.add([sw.Image(next(files)) for _ in range(count)]))
        print(json.dumps({"records": len(index)}))


def add_to_chroma(folder: str, texts: int, photos: int) -> None:
    """Write random vectors to two bare collections, in the batches of the index."""
    import chromadb

    from senseweave.retrieval.stores.chroma import HNSW

    client = chromadb.PersistentClient(folder)
    rng = np.random.default_rng(0)
    written = 0

    def write(collection: Any, count: int) -> None:
        nonlocal written
        for at in range(0, count, 64):
            size = min(64, count - at)
            collection.upsert(
                ids=[f"{written + number:032}" for number in range(size)],
                embeddings=rng.normal(size=(size, DIMENSION)).astype(np.float32),
                documents=["word " * 60] * size,
                metadatas=[{"source": f"text {written + number}", "sha256": "0" * 64} for number in range(size)],
            )
            written += size

    for what, count in (("texts", texts), ("pictures", photos)):
        made = client.create_collection(what, configuration={"hnsw": dict(HNSW)}, embedding_function=None)
        watch(what, count, lambda size, made=made: write(made, size))


def main() -> None:
    """Run both in processes of their own and print a table."""
    parser = measuring.arguments(__doc__, rounds=1)
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--side", choices=tuple(SIDES), help="run one side in this process")
    options = parser.parse_args()
    if options.quick:
        options.texts, options.pictures = min(options.texts, QUICK_TEXTS), min(options.pictures, QUICK_PICTURES)
    measuring.set_threads(options.threads)
    if options.side:
        with tempfile.TemporaryDirectory() as folder:
            add = {"index": add_to_index, "chroma": add_to_chroma}[options.side]
            add(folder, options.texts, options.pictures)
        return
    found = {side: run_side(side, options) for side in SIDES}
    if options.json:
        for ours, bare in zip(found["index"], found["chroma"], strict=True):
            measuring.report(growth_row(ours, bare, options), options)
        return
    print(f"| MB after every {options.texts // STEPS} texts or {options.pictures // STEPS} pictures | last third |")
    print("| --- | --- |")
    for side, steps in found.items():
        for row in steps:
            name = f"{SIDES[side]}, {row['what']}"
            print(f"| {name}: {', '.join(map(str, row['MB']))} | {row['last third']:+.1f} |", flush=True)


def run_side(side: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what `watch` printed in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--threads", str(options.threads)]
    command += ["--texts", str(options.texts), "--pictures", str(options.pictures)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [row for row in map(json.loads, done.stdout.splitlines()) if "what" in row]


def growth_row(ours: dict[str, Any], bare: dict[str, Any], options: argparse.Namespace) -> measuring.Row:
    """Return how much memory the last third of some media took, in an index and in Chroma alone."""
    work = f"memory that the last {ours['each'] * STEPS // 3:,} of {ours['each'] * STEPS:,} {ours['what']} took"
    note = f"{work}: bare chromadb took {bare['last third']:.1f} MB for as many vectors, and the index has one in it"
    return measuring.Row(work, "MB", options.threads, {measuring.OURS: ours["last third"]}, {}, notes=[note])


if __name__ == "__main__":
    main()
