"""What vectors in int8 and in bits keep of the best ten, and what they weigh, with and without rescoring.

    python benchmarks/quantized.py [--documents 5000] [--library torch] [--space starter] [--questions 500]
                                   [--json] [--folder FOLDER]

Texts are docstrings of the standard library, or of an installed package (`word_corpora.py`); questions are the first
sentences that they lack. recall@10 is the share of the ten best records by float32 that a search by the smaller
vectors still has among its ten, with the 95 % interval of the bootstrap over questions. Vectors are quantized and
searched by faiss: int8 by the least and greatest value of each dimension, bits by their signs, both without a graph.
With rescoring, the best 40 or 100 by the smaller vectors are ordered by their float32 vectors, which are read from a
file on the disk. "Memory" is what faiss holds of a million records, "disk" what is read besides, a page for each of
the 40 or 100. Nothing of this is in senseweave: Chroma keeps float32 in its graph and has no other number type, and
Qdrant's and pgvector's own settings, which servers have, do the same within the server.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from word_corpora import docstrings

import senseweave as sw
from senseweave.evaluation.significance import bootstrap

K = 10
MILLION = 1_000_000
RESCORED = (40, 100)

Find = Callable[[np.ndarray, int], np.ndarray]


def embedded(folder: Path, space: str, documents: int, library: str, questions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors of texts and of questions, from the folder if they are there."""
    kept = folder / f"{space}-{library or 'python'}-{documents}-{questions}.npz".replace(":", "-")
    if kept.exists():
        found = np.load(kept)
        return found["texts"], found["questions"]
    listed = list(docstrings(documents, library))
    loaded = sw.load(space)
    texts = loaded.embed_text([f"{name}: {rest}" for name, _, rest in listed], role="document")
    asked = loaded.embed_text([first for _, first, _ in listed[:questions]], role="query")
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(kept, texts=texts, questions=asked)
    return texts, asked


def indexes(texts: np.ndarray) -> Iterator[tuple[str, int, Find]]:
    """Yield the name of a number type, the bytes that faiss holds of a text, and what finds the nearest texts."""
    count, dimension = texts.shape
    exact = faiss.IndexFlatIP(dimension)
    small = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    small.train(texts)
    for name, index in (("float32", exact), ("int8", small)):
        index.add(texts)
        yield (
            name,
            faiss.serialize_index(index).nbytes // count,
            lambda asked, k, index=index: index.search(asked, k)[1],
        )
    bits = faiss.IndexBinaryFlat(8 * ((dimension + 7) // 8))
    bits.add(np.packbits(texts > 0, axis=1))
    size = faiss.serialize_index_binary(bits).nbytes // count
    yield "binary", size, lambda asked, k: _nearest(bits, np.packbits(asked > 0, axis=1), k)


def _nearest(index: Any, asked: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the texts nearest to each question, best first."""
    found: np.ndarray = index.search(asked, k)[1]
    return found


def rescored(found: np.ndarray, asked: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Return the best ten of what was found for each question, by vectors that are read from the disk."""
    best = np.empty((len(found), K), np.int64)
    for row, (places, question) in enumerate(zip(found, asked, strict=True)):
        order = np.argsort(-(stored[places] @ question), kind="stable")[:K]
        best[row] = places[order]
    return best


def measure(texts: np.ndarray, asked: np.ndarray, folder: Path) -> list[dict[str, Any]]:
    """Return a row for each number type, alone and rescored."""
    disk = folder / "float32.bin"
    texts.tofile(disk)
    stored = np.memmap(disk, np.float32, "r", shape=texts.shape)
    rows: list[dict[str, Any]] = []
    expected: np.ndarray | None = None
    for name, size, find in indexes(texts):
        ways = {name: find(asked, K)}
        if expected is None:
            expected = ways[name]
        else:
            ways |= {f"{name}, {most} rescored": rescored(find(asked, most), asked, stored) for most in RESCORED}
        for way, found in ways.items():
            shares = [len(set(ours) & set(best)) / K for ours, best in zip(found, expected, strict=True)]
            rows.append(
                {
                    "vectors": way,
                    "recall_at_10": astuple(bootstrap(shares)),
                    "memory_mb": size * MILLION / 1e6,
                    "disk_mb": 4 * texts.shape[1] * MILLION / 1e6 if "rescored" in way else 0.0,
                }
            )
    return rows


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--library", default="", help="package whose docstrings are taken; the standard library")
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--space", default="starter")
    parser.add_argument("--json", action="store_true", help="print rows as JSON, one a line")
    parser.add_argument("--folder", type=Path, help="keeps the vectors; a later run uses them")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        kept = options.folder or Path(temporary)
        texts, asked = embedded(kept, options.space, options.documents, options.library, options.questions)
        rows = measure(texts, asked, Path(temporary))
    if options.json:
        for row in rows:
            print(json.dumps({"space": options.space, "texts": len(texts), "questions": len(asked), **row}))
        return
    print(f"{len(texts)} texts, {len(asked)} questions, {options.space}, {texts.shape[1]} dimensions\n")
    print("| vectors | recall@10 | memory, MB a million | disk, MB a million |\n| --- | --- | --- | --- |")
    for row in rows:
        shown = "{:.3f} ({:.3f} to {:.3f})".format(*row["recall_at_10"])
        print(f"| {row['vectors']} | {shown} | {row['memory_mb']:.0f} | {row['disk_mb']:.0f} |")


if __name__ == "__main__":
    main(sys.argv[1:])
