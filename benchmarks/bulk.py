"""Bulk loading: time by stage, disk, memory, search latency and recall for many passages and pictures.

    python benchmarks/bulk.py                                     # 2,000 passages and 200 pictures
    python benchmarks/bulk.py --passages 100000 --pictures 10000  # the full size: hours on two cores
    python benchmarks/bulk.py --space hashed --passages 100000 --pictures 0    # the store's part alone
    python benchmarks/bulk.py --into http://127.0.0.1:8000        # on a Chroma server; see senseweave.stores.connect

Passages are documentation strings of installed packages, long ones divided, each once; pictures are crops of the sample
photographs, turned, mirrored and tinted, as JPEG files of `--megapixels`. `--space hashed` embeds by hashing words,
which costs next to nothing. Stages are seconds of the thread that adds, each without the stages inside it; beside them
stands what the threads that decode took. Recall compares the ten nearest passages that the store names with an exact
search.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import random
import re
import site
import tempfile
import textwrap
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import measuring
import numpy as np
import search_latency

import senseweave as sw
from senseweave.demo.corpus import corpus_folder
from senseweave.media.kinds.image import Image
from senseweave.retrieval.calibration.cells import Calibration
from senseweave.retrieval.stores.collections import Collections
from senseweave.spaces.engine import Engine

SEED = 5
K = 10
QUERIES = 200
DOCSTRING = re.compile(r'^\s+r?"""(.*?)"""', re.DOTALL | re.MULTILINE)
LENGTHS = (120, 700)
"""Fewest and most characters of a passage; longer texts are divided at a word."""


class Stages:
    """Seconds of each stage in the thread that adds, without those of stages inside it, and of other threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.of_threads: dict[str, float] = defaultdict(float)
        self._main = threading.get_ident()
        self._inner: list[float] = []

    def watch(self, stack: contextlib.ExitStack, owner: Any, name: str, stage: str) -> None:
        """Time a method of a class or an object until the stack is closed."""
        method = getattr(owner, name)

        @functools.wraps(method)
        def timed(*arguments: Any, **options: Any) -> Any:
            is_main = threading.get_ident() == self._main
            if is_main:
                self._inner.append(0.0)
            began = time.perf_counter()
            try:
                return method(*arguments, **options)
            finally:
                took = time.perf_counter() - began
                if is_main:
                    self.seconds[stage] += took - self._inner.pop()
                    if self._inner:
                        self._inner[-1] += took
                else:
                    self.of_threads[stage] += took

        stack.callback(setattr, owner, name, method) if isinstance(owner, type) else stack.callback(
            delattr, owner, name
        )
        setattr(owner, name, timed)


def main() -> None:
    """Load, search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=2000)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--megapixels", type=float, default=0.3, help="of each picture; a telephone's have 12")
    parser.add_argument("--space", default="starter", help="as senseweave.load takes it, or `hashed`")
    parser.add_argument("--into", help="address of a store; a new folder by default")
    parser.add_argument("--threads", type=int, default=None, help="for arithmetic; all cores by default")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.threads:
        measuring.set_threads(options.threads)
    space = (
        sw.Space("hashed", {"text": search_latency.Words()}) if options.space == "hashed" else sw.load(options.space)
    )
    with tempfile.TemporaryDirectory() as folder:
        store = sw.stores.connect(options.into) if options.into else Path(folder) / "index"
        results = run(Path(folder), store, space, options)
    print(json.dumps(results, indent=1) if options.json else table(results))


def run(folder: Path, store: Any, space: sw.Space, options: argparse.Namespace) -> dict[str, Any]:
    """Load and search, and return what was measured."""
    texts = passages(options.passages + QUERIES)
    photos = pictures(folder / "pictures", options.pictures, options.megapixels)
    questions = [text.partition(". ")[0][:120] for text in texts[options.passages :]]
    space.encode([sw.Text("warm")], role="document")  # models are loaded before anything is timed
    results: dict[str, Any] = {"space": space.name, "megapixels": options.megapixels}
    with sw.Index(store, spaces=[space]) as index:
        media = [sw.Text(text, source=f"passage {n}") for n, text in enumerate(texts[: options.passages])]
        results["passages"] = load(index, space, media)
        if photos:
            space.encode([sw.Image(photos[0])], role="document")
            results["pictures"] = load(index, space, photos)
        results["disk_mb"] = (index.info()["bytes"] or 0) / 1e6
        results["peak_mb"] = measuring.peak_megabytes()
        results["search_ms"] = latency(lambda question: index.search(question, k=K), questions)
        began = time.perf_counter()
        index.search(questions[0], words=True)
        results["first_words_s"] = time.perf_counter() - began
        results["words_ms"] = latency(lambda question: index.search(question, k=K, words=True), questions)
        results["recall"] = recall(index, space, questions)
    return results


def load(index: sw.Index, space: sw.Space, media: Any) -> dict[str, Any]:
    """Add media, and return the seconds of each stage."""
    stages = Stages()
    with contextlib.ExitStack() as stack:
        for modality in space.modalities:
            encoder = space.encoder(modality)
            stages.watch(stack, encoder, "prepare", "tokenize" if modality == "text" else "prepare pixels")
            stages.watch(stack, encoder, "forward", "embed")
        stages.watch(stack, Image, "decode", "decode")
        stages.watch(stack, Engine, "run", "wait for decoding, sort, cache")
        stages.watch(stack, Collections, "upsert", "write")
        stages.watch(stack, Collections, "get", "look up what is there")
        stages.watch(stack, Calibration, "renew", "calibrate")
        began = time.perf_counter()
        report = index.add(media)
        seconds = time.perf_counter() - began
    if report.failed:
        raise SystemExit(f"failed: {report.failed[0]}")
    shares = dict(stages.seconds)
    shares["read, hash, divide, ids"] = seconds - sum(shares.values())
    return {
        "count": report.added + report.copies,
        "seconds": seconds,
        "stages": dict(sorted(shares.items(), key=lambda pair: -pair[1])),
        "threads": dict(stages.of_threads),
    }


def latency(search: Callable[[str], object], questions: list[str]) -> tuple[float, float]:
    """Return the median and the 95th percentile in milliseconds; each question is new to every cache."""
    times = []
    for number, question in enumerate(questions):
        began = time.perf_counter()
        search(f"{question} {number} {time.perf_counter_ns()}")
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times)), float(np.quantile(times, 0.95))


def recall(index: sw.Index, space: sw.Space, questions: list[str]) -> float:
    """Return the share of the ten nearest passages that the store names."""
    description = index._store.descriptions[space.name, "text"]
    ids, rows = [], []
    for record in index._store.get(description, vectors=True):
        ids.append(record.id)
        rows.append(record.vector)
    matrix, asked = np.stack(rows), space.embed_text(questions, role="query")  # type: ignore[arg-type]
    found = index._store.query(description, asked, K)
    best = np.argsort(-(asked @ matrix.T), axis=1)[:, :K]
    shared = [
        len({record.id for record in records} & {ids[at] for at in row})
        for records, row in zip(found, best, strict=True)
    ]
    return float(np.mean(shared)) / min(K, len(ids))


def passages(count: int) -> list[str]:
    """Return parts of the documentation strings of the installed packages, each once, in an order that they decide.

    Raises:
        SystemExit: If there are not as many.
    """
    found: dict[str, None] = {}
    for path in sorted(Path(site.getsitepackages()[0]).rglob("*.py")):
        if len(found) >= 1.2 * count:
            break
        for text in DOCSTRING.findall(path.read_text(encoding="utf-8", errors="replace")):
            for passage in textwrap.wrap(" ".join(text.split()), LENGTHS[1], break_on_hyphens=False):
                if len(passage) >= LENGTHS[0]:
                    found[passage] = None
    if len(found) < count:
        raise SystemExit(f"the installed packages have {len(found):,} passages, not {count:,}")
    texts = list(found)
    random.Random(SEED).shuffle(texts)
    return texts[:count]


def pictures(folder: Path, count: int, megapixels: float) -> list[Path]:
    """Write variants of the sample photographs, and return their paths."""
    from PIL import Image as PillowImage
    from PIL import ImageEnhance

    folder.mkdir()
    chance = random.Random(SEED)
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    originals = [PillowImage.open(path).convert("RGB") for path in sorted((corpus_folder() / "images").glob("*.jpg"))]
    made = []
    for number in range(count):
        original = originals[number % len(originals)]
        share = chance.uniform(0.5, 0.95)
        size = (round(original.width * share), round(original.height * share))
        left, top = (chance.randrange(whole - part + 1) for whole, part in zip(original.size, size, strict=True))
        cut = original.crop((left, top, left + size[0], top + size[1])).rotate(chance.uniform(-8, 8))
        cut = ImageEnhance.Color(cut).enhance(chance.uniform(0.3, 1.7)).resize((height * 4 // 3, height))
        made.append(folder / f"{number:06}.jpg")
        cut.save(made[-1], quality=88)
    return made


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    return "\n".join(_lines(results))


def _lines(results: dict[str, Any]) -> Iterator[str]:
    for kind in ("passages", "pictures"):
        if kind not in results:
            continue
        part = results[kind]
        rate = part["count"] / part["seconds"]
        yield f"{part['count']:,} {kind} in {part['seconds']:.1f} s: {rate:,.1f} a second"
        yield ""
        yield "| stage | seconds | share |"
        yield "| --- | --- | --- |"
        for stage, seconds in part["stages"].items():
            yield f"| {stage} | {seconds:.1f} | {seconds / part['seconds']:.0%} |"
        for stage, seconds in part["threads"].items():
            yield f"| {stage}, in threads of its own | {seconds:.1f} | |"
        yield ""
    yield f"disk {results['disk_mb']:,.0f} MB, peak memory {results['peak_mb']:,.0f} MB, space {results['space']}"
    for name, title in (("search_ms", "search"), ("words_ms", "search with words")):
        yield f"{title}: p50 {results[name][0]:.1f} ms, p95 {results[name][1]:.1f} ms"
    yield f"first search with words: {results['first_words_s']:.1f} s; recall@{K} of passages: {results['recall']:.3f}"


if __name__ == "__main__":
    main()
