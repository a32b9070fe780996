"""What `fast_decode` changes: vectors and recall on named pictures of GCompris, enlarged to the size of photographs.

    python benchmarks/fast_decode.py FOLDER [--model starter] [--side 3000] [--most 200]

Each picture is enlarged until its shorter side has `--side` pixels, gets the noise of a camera's sensor, and is saved
as a JPEG of quality 90. All are then embedded as they are and with `fast_decode`, and looked for by their names.
Prints the cosines between the two vectors of a picture, recall, and the processor time of a picture.
The package `gcompris-qt-data` is fetched and unpacked below FOLDER as by `default_scene/run.py`.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

import senseweave as sw

sys.path.insert(0, str(Path(__file__).parent / "default_scene"))

from run import PICTURES, is_button, name_of, named_files, rank

NOISE = 4.0
"""Standard deviation of the noise, in levels."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--side", type=int, default=3000)
    parser.add_argument("--most", type=int, default=200)
    options = parser.parse_args()
    files = [path for path in named_files(options.folder, PICTURES, ".webp") if not is_button(path)][: options.most]
    names = [name_of(path) for path in files]
    found, seconds = {}, {}
    spaces = {"exact": sw.load(options.model, cache_size=0)}
    spaces["fast"] = sw.load(options.model, cache_size=0, fast_decode=True)
    for way, space in spaces.items():
        space.embed_image([enlarged(files[0], options.side)])  # loads the model
        vectors, taken = [], 0.0
        for path in files:
            photo = enlarged(path, options.side)
            began = time.process_time()
            vectors.append(space.embed_image([photo])[0])
            taken += time.process_time() - began
        found[way], seconds[way] = np.stack(vectors), taken / len(files)
    cosines = (found["exact"] * found["fast"]).sum(axis=1)
    print(f"{len(files)} pictures of {options.side} pixels on the shorter side, {options.model}")
    print(f"cosine of the two vectors of a picture: least {cosines.min():.5f}, mean {cosines.mean():.6f}")
    print(f"greatest difference of a number: {np.abs(found['exact'] - found['fast']).max():.1e}\n")
    print("| decoded | names | R@1 | R@10 | processor ms each |\n| --- | --- | --- | --- | --- |")
    distinct = sorted(set(names))
    asked = spaces["exact"].embed_text(distinct, role="query")
    for way, vectors in found.items():
        ranks = np.array([rank(name, names, row) for name, row in zip(distinct, asked @ vectors.T, strict=True)])
        print(
            f"| {way} | {len(distinct)} | {np.mean(ranks < 1):.3f} | {np.mean(ranks < 10):.3f} | "
            f"{1000 * seconds[way]:.0f} |"
        )


def enlarged(path: Path, side: int) -> bytes:
    """Return a picture as a JPEG whose shorter side has `side` pixels."""
    picture = sw.Image(path).decode()
    scale = side / min(picture.size)
    large = picture.resize([round(scale * length) for length in picture.size], Image.Resampling.BICUBIC)
    noise = np.random.default_rng(0).normal(0, NOISE, (large.height, large.width, 1)).astype(np.float32)
    pixels = np.clip(np.asarray(large, np.float32) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


if __name__ == "__main__":
    main()
