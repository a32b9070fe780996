"""Measures the embedded default on named pictures and sounds of GCompris, an educational suite (Debian, free licences).

    python benchmarks/default_scene/run.py FOLDER [--model starter] [--before SRC]

Pictures and sounds are found by their names: `rhinoceros.webp` by "rhinoceros". Prints the share of names whose picture
or sound is first, and among the first ten, how many sounds were given words that nobody says, and the processor time of
each and of a minute of sound. `--before` is the `src` of an earlier version, which is measured first in the same run:
`git archive a910535 src | tar -x -C FOLDER` unpacks that of 0.1.
The package `gcompris-qt-data` is fetched by `apt-get download` and unpacked below FOLDER.
"""

from __future__ import annotations

import argparse
import os
import re
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

import senseweave as sw

PACKAGE = "gcompris-qt-data"
PICTURES = (
    "lang",
    "categorization",
    "explore_farm_animals",
    "explore_world_animals",
    "explore_monuments",
    "instruments",
)
SOUNDS = ("explore_farm_animals", "instruments", "memory-sound")
NAMELESS = re.compile(r"weird|pause|son\d|background", re.IGNORECASE)
LEAST_SIDE = 64
"""Pixels; smaller pictures are buttons."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--version", default="now", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.version == "now":
        print("| version | what | names | R@1 | R@10 | words invented | processor seconds each | a minute |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    if arguments.before is not None:
        command = [sys.executable, __file__, str(arguments.folder), "--model", arguments.model, "--version", "before"]
        subprocess.run(command, env={**os.environ, "PYTHONPATH": str(arguments.before)}, check=True)
    measure(sw.load(arguments.model), arguments.folder, arguments.version)


def measure(space: sw.Space, folder: Path, version: str) -> None:
    """Print a line for pictures and one for sounds."""
    for what, activities, suffix in (("pictures", PICTURES, ".webp"), ("sounds", SOUNDS, ".ogg")):
        files = [path for path in named_files(folder, activities, suffix) if not is_button(path)]
        media = [sw.Image(path) if suffix == ".webp" else sw.Audio(path) for path in files]
        space.encode(media[:2])  # loads the models
        began = time.process_time()
        found = space.encode(media)
        seconds = (time.process_time() - began) / len(media)
        names = [name_of(path) for path in files]
        distinct = sorted(set(names))
        asked = space.embed_text(distinct, role="query")
        ranks = [rank(name, names, scores) for name, scores in zip(distinct, asked @ found.vectors.T, strict=True)]
        spoken, minute = "", ""
        if suffix == ".ogg":
            spoken = str(count_spoken(space, media, found.descriptions))
            minute = f"{60 * seconds * len(media) / sum(soundfile.info(path).duration for path in files):.2f}"
        first, ten = np.mean(np.array(ranks) < 1), np.mean(np.array(ranks) < 10)
        print(
            f"| {version} | {what} ({len(files)}) | {len(distinct)} | {first:.3f} | {ten:.3f} | {spoken} | "
            f"{seconds:.3f} | {minute} |",
            flush=True,
        )


def count_spoken(space: sw.Space, media: list[sw.Audio], descriptions: Sequence[str | None]) -> int:
    """Return how many sounds were given words; all that 0.1 said of a sound was its transcript."""
    if hasattr(space, "describe"):
        return sum(bool(each.text) for each in space.describe(media))
    return sum(map(bool, descriptions))


def rank(name: str, names: list[str], scores: np.ndarray) -> int:
    """Return how many files rank before the first of a name."""
    order = np.argsort(-scores, kind="stable")
    return next(at for at, place in enumerate(order) if names[place] == name)


def name_of(path: Path) -> str:
    """Return what a file shows or sounds like, by its name: `LRBark_1_LA_cut` is `bark`, `tajMahal` is `taj mahal`."""
    bare = re.sub(r"^LR|LA(?=[_C]|$)|_?[Cc]ut$|\d", "", path.stem)
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", bare)
    return re.sub(r"[_\-\s]+", " ", apart).strip().lower()


def is_button(path: Path) -> bool:
    """Return whether a picture is too small to show anything."""
    if path.suffix != ".webp":
        return False
    return min(sw.Image(path).decode().size) < LEAST_SIDE


def named_files(folder: Path, activities: tuple[str, ...], suffix: str) -> Iterator[Path]:
    """Yield the files of activities whose names say what they are."""
    unpacked = folder / PACKAGE
    if not unpacked.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True)
        (archive,) = folder.glob(f"{PACKAGE}_*.deb")
        subprocess.run(["dpkg", "-x", archive, unpacked], check=True)
    for activity in activities:
        target = folder / "activities" / activity
        if not target.is_dir():
            (resource,) = unpacked.rglob(f"{activity}.rcc")
            unpack_resources(resource.read_bytes(), target)
        files = sorted(path for path in target.rglob(f"*{suffix}") if not NAMELESS.search(path.stem))
        yield from (path for path in files if name_of(path))


def unpack_resources(content: bytes, target: Path, only: str = "") -> None:
    """Write the files of Qt's binary resources (`rcc`), compressed by zlib or not at all, below a folder.

    Args:
        content: Of the resource file.
        target: The folder.
        only: End of the names of the files that are wanted; all if empty.
    """
    version, tree, data, names = struct.unpack(">4xIIII", content[:20].ljust(20, b"\0"))
    size = 14 if version == 1 else 22
    waiting = [(0, target)]
    while waiting:
        node, folder = waiting.pop()
        at = tree + node * size
        name_at, flags = struct.unpack(">IH", content[at : at + 6])
        length = struct.unpack(">H", content[names + name_at : names + name_at + 2])[0] if node else 0
        start = names + name_at + 6
        path = folder / content[start : start + 2 * length].decode("utf-16-be") if node else folder
        if flags & 2:
            count, first = struct.unpack(">II", content[at + 6 : at + 14])
            waiting += [(first + number, path) for number in range(count)]
            continue
        if not path.name.endswith(only):
            continue
        begin = data + struct.unpack(">4xI", content[at + 6 : at + 14])[0]
        held = struct.unpack(">I", content[begin : begin + 4])[0]
        bytes_ = content[begin + 4 : begin + 4 + held]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zlib.decompress(bytes_[4:]) if flags & 1 else bytes_)


if __name__ == "__main__":
    main()
