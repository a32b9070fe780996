"""Indexing on a local Ray cluster: rates with one and with two actors, equality with one process, and memory.

    python benchmarks/ray_scale.py [--texts 2000] [--pictures 200] [--quick]

Texts are made of the words of the sample corpus, pictures are its photographs, each changed by a pixel. The index is in
memory, so that what is measured is reading, embedding and the way of the vectors, not a store. What two files take is
printed as the start: of processes, and of models in each of them. For memory a corpus and one of three times its size
are indexed, and the largest sum of the processes' own memory (PSS) is printed for both. The tables are Markdown.
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
    """Print a table of one process, one actor and two, and one of the memory of two sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--processors", type=int, default=os.cpu_count())
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    options = parser.parse_args()
    share = 10 if options.quick else 1
    import ray

    import senseweave as sw
    from senseweave.retrieval.stores.memory import MemoryStore

    def fresh() -> Any:
        return sw.Index(MemoryStore(), spaces="starter")

    def index_on_ray(place: Path, actors: int) -> tuple[Any, float]:
        index, begun = fresh(), time.perf_counter()
        report = sw.scale.index(place, index, concurrency=actors, ocr="off", failures=None)
        check_whole(report)
        return index, time.perf_counter() - begun

    texts, pictures = options.texts // share, options.pictures // share
    whole = time.perf_counter()
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
            single = make_corpus(Path(folder) / "single", 1, 1)
            corpus = make_corpus(Path(folder) / "once", texts, pictures)
            three = make_corpus(Path(folder) / "three", 3 * texts, 3 * pictures)
            print(
                f"{texts:,} texts and {pictures:,} pictures, {options.processors} processors, Ray {ray.__version__}\n"
            )
            print("| way | records | start, s | all, s | records/s after the start | greatest difference |")
            print("| --- | ---: | ---: | ---: | ---: | ---: |")
            begun = time.perf_counter()
            check_whole(fresh().add([single], ocr="off"))
            start = time.perf_counter() - begun
            alone, begun = fresh(), time.perf_counter()
            check_whole(alone.add([corpus], ocr="off"))
            print_rate("one process, `Index.add`", len(alone), start, time.perf_counter() - begun + start, "")
            for actors in (1, 2):
                _, start = index_on_ray(single, actors)
                index, seconds = index_on_ray(corpus, actors)
                named = f"Ray, {actors} actor{'s' if actors > 1 else ''}"
                print_rate(named, len(index), start, seconds, f"{difference(index, alone):.1e}")
            print("\n| memory of all processes, 1 actor | records | at most, MiB |\n| --- | ---: | ---: |")
            for title, chosen in (("the corpus", corpus), ("three times the corpus", three)):
                with Watched() as watched:
                    index, _ = index_on_ray(chosen, 1)
                print(f"| {title} | {len(index):,} | {watched.most / 2**20:,.0f} |", flush=True)
    finally:
        ray.shutdown()
        shutil.rmtree(place, ignore_errors=True)
    print(f"\nAll of this took {time.perf_counter() - whole:.0f} s.")


def check_whole(report: Any) -> None:
    """End if an input could not be indexed, since rates of a part of a corpus say nothing."""
    if report.failed:
        raise SystemExit(str(report))


def print_rate(way: str, records: int, start: float, seconds: float, difference: str) -> None:
    """Print a row: the start is the time that two files take, all is with the start."""
    rate = f"{records / (seconds - start):.1f}" if seconds > 2 * start else "too few records"
    print(f"| {way} | {records:,} | {start:.1f} | {seconds:.1f} | {rate} | {difference} |", flush=True)


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
