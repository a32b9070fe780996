"""Indexing on a local Ray cluster: rates with one and with two actors, equality with one process, and memory.

    python benchmarks/ray_scale.py [--texts 4000] [--pictures 400] [--quick]

Texts are made of the words of the sample corpus, pictures are its photographs, each changed by a pixel. The index is in
memory, so that what is measured is reading, embedding and the way of the vectors, not a store. For memory a corpus and
one of three times its size are indexed, and the largest sum of the processes' own memory (PSS) is printed for both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
CORPUS = Path(__file__).parents[1] / "examples" / "data"
SAMPLE_SECONDS = 0.5


def main() -> None:
    """Print a row for one process, one actor and two, and then the memory of two sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=4000)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--processors", type=int, default=os.cpu_count())
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    import ray

    import senseweave as sw
    from senseweave.retrieval.stores.memory import MemoryStore

    place = tempfile.mkdtemp(prefix="sw-ray-")
    ray.init(
        num_cpus=options.processors,
        object_store_memory=400 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=place,
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        with tempfile.TemporaryDirectory() as folder:
            corpus = make_corpus(Path(folder) / "once", options.texts // share, options.pictures // share)
            begun = time.perf_counter()
            alone = sw.Index(MemoryStore(), spaces="starter")
            alone.add([corpus], ocr="off")
            report("one process, Index.add", len(alone), time.perf_counter() - begun)
            for actors in (1, 2):
                index = sw.Index(MemoryStore(), spaces="starter")
                begun = time.perf_counter()
                sw.scale.index(corpus, index, concurrency=actors, ocr="off", failures=None)
                report(f"Ray, actors: {actors}", len(index), time.perf_counter() - begun)
                print(f"    greatest difference of a number of a vector: {difference(index, alone):.1e}")
            three = Path(folder) / "three"
            make_corpus(three, 3 * options.texts // share, 3 * options.pictures // share)
            for title, place_of in (("the corpus", corpus), ("three times the corpus", three)):
                with Watched() as watched:
                    index = sw.Index(MemoryStore(), spaces="starter")
                    sw.scale.index(place_of, index, concurrency=1, ocr="off", failures=None)
                print(f"memory, {title}: {len(index)} records, at most {watched.most / 2**20:,.0f} MiB")
    finally:
        ray.shutdown()
        shutil.rmtree(place, ignore_errors=True)


def report(title: str, records: int, seconds: float) -> None:
    """Print a rate."""
    print(f"{title}: {records} records in {seconds:.1f} s, {records / seconds:.1f} records/s")


def difference(index: Any, other: Any) -> float:
    """Return the greatest difference of two indexes, whose records have to be the same."""
    ours, theirs = ({record.id: record.vector for record in each.records(vectors=True)} for each in (index, other))
    if ours.keys() != theirs.keys():
        msg = f"the records differ: {len(ours.keys() ^ theirs.keys())} are in one index alone"
        raise SystemExit(msg)
    return max(float(np.abs(vector - theirs[identifier]).max()) for identifier, vector in ours.items())


def make_corpus(folder: Path, texts: int, pictures: int) -> Path:
    """Write texts and pictures, of which no two are equal."""
    from PIL import Image

    folder.mkdir()
    words = " ".join(file.read_text() for file in sorted((CORPUS / "texts").iterdir())).split()
    draw = np.random.default_rng(0)
    for number in range(texts):
        said = " ".join(draw.choice(words, size=int(draw.integers(20, 120))))
        (folder / f"text-{number}.txt").write_text(f"{number} {said}")
    photographs = [Image.open(file).convert("RGB") for file in sorted((CORPUS / "images").glob("*.jpg"))]
    for number in range(pictures):
        photograph = photographs[number % len(photographs)].copy()
        photograph.putpixel((number % 50, number // 50 % 50), (number % 256, 0, 0))
        photograph.save(folder / f"picture-{number}.png", compress_level=1)
    return folder


class Watched:
    """Samples the memory of this process and of all that it started while a block runs."""

    def __enter__(self) -> Watched:
        """Begin."""
        self.most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        while not self._ended.wait(SAMPLE_SECONDS):
            total = 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.most = max(self.most, total)


if __name__ == "__main__":
    main()
