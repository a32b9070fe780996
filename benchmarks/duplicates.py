"""Measures `index.duplicates()` on variants that are made here: precision and recall of pairs, by modality and kind.

    python benchmarks/duplicates.py FOLDER [--modality image audio text] [--originals 150] [--space NAME] [--json]

Pictures are those of Debian's `gcompris-qt-data`, recordings those of `supertux-data` and of the sample corpus, texts
paragraphs of licences in `/usr/share/common-licenses`. Packages are fetched by `apt-get download` and kept below
FOLDER; `--pictures` and `--recordings` name folders to use instead. Every second original gets variants: pictures as
JPEG, at a third of their size, cropped, and all three; recordings as Ogg, quieter, cut, and all three; texts with a
twentieth and a tenth of their words changed, and without their last sentence. The others are there to be mistaken.
Thresholds were set on openclipart, the photographs of the sample corpus and music of `extremetuxracer-data`, and that
colors are compared on these very pictures: for figures of pictures never seen, name others by `--pictures`.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

import senseweave as sw

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "default_scene"))
from run import PICTURES, named_files  # noqa: E402

LICENCES = Path("/usr/share/common-licenses")
DIFFERENT = ("Apache-2.0", "Artistic", "CC0-1.0", "GFDL-1.3", "GPL-3", "MPL-2.0")
"""Licences of different authors; versions of one licence are copies of each other in large part."""
SPACES = {"image": "starter:image-features", "audio": "starter:sound-features", "text": "starter"}
RATE = 22_050
SECONDS = (5.0, 90.0)
"""Recordings of other lengths are left out."""
LEAST_PIXELS = 200 * 200
WORDS = (40, 400)


def package(folder: Path, name: str) -> Path:
    """Return where the files of a Debian package are, after fetching it if they are not there."""
    place = folder / name
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", name], cwd=folder, check=True, stderr=subprocess.DEVNULL)
        (archive,) = folder.glob(f"{name}_*.deb")
        subprocess.run(["dpkg", "-x", str(archive), str(place)], check=True)
    return place


def pictures(paths: Iterable[Path]) -> Iterator[tuple[str, Image.Image]]:
    """Yield pictures that are large enough, on white; of numbered versions of one drawing the first."""
    known = set()
    for path in sorted(paths):
        if path.suffix.lower() not in (".jpg", ".jpeg", ".png", ".webp"):
            continue
        with Image.open(path) as file:
            if file.width * file.height < LEAST_PIXELS:
                continue
            layered = file.convert("RGBA")
        image = Image.new("RGB", layered.size, "white")
        image.paste(layered, mask=layered.getchannel("A"))
        motif = path.stem.rstrip("0123456789_-")
        if motif not in known:
            known.add(motif)
            yield path.stem, image


def recordings(folders: list[Path]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the samples of recordings of a usual length."""
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.suffix.lower() not in (".ogg", ".wav", ".mp3", ".flac", ".opus", ".m4a"):
            continue
        audio = sw.Audio(path)
        try:
            if SECONDS[0] <= audio.duration <= SECONDS[1]:
                yield path.stem, audio.decode(sampling_rate=RATE).samples
        except sw.MediaError as error:
            print(f"left out: {error}", file=sys.stderr)


def paragraphs() -> Iterator[tuple[str, str]]:
    """Yield the longer paragraphs of licences, each once."""
    known = set()
    for name in DIFFERENT:
        text = (LICENCES / name).read_text(encoding="utf-8", errors="replace")
        for number, words in enumerate(map(str.split, re.split(r"\n\s*\n", text))):
            start = " ".join(words[2:12]).lower()
            if WORDS[0] <= len(words) <= WORDS[1] and start not in known:
                known.add(start)
                yield f"{name} {number}", " ".join(words)


def cropped(image: Image.Image) -> Image.Image:
    """Return a random part of a picture, 80 to 90 percent of each side."""
    width, height = (round(side * random.uniform(0.8, 0.9)) for side in image.size)
    left, top = random.randint(0, image.width - width), random.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def third(image: Image.Image) -> Image.Image:
    """Return a picture at a third of its size."""
    return image.resize((image.width // 3, image.height // 3), Image.Resampling.LANCZOS)


def cut(samples: np.ndarray) -> np.ndarray:
    """Return 60 percent of a recording, from a random place."""
    length = round(0.6 * len(samples))
    start = random.randint(0, len(samples) - length)
    return samples[start : start + length]


def changed(text: str, share: float) -> str:
    """Return a text in which a share of the words are other words of it."""
    words = text.split()
    for at in random.sample(range(len(words)), max(round(share * len(words)), 1)):
        words[at] = random.choice(words)
    return " ".join(words)


def save_picture(image: Image.Image, path: Path, quality: int | None) -> None:
    """Write a picture as PNG, or as JPEG of a quality."""
    if quality is None:
        image.save(path.with_suffix(".png"))
    else:
        image.save(path.with_suffix(".jpg"), quality=quality)


def save_sound(samples: np.ndarray, path: Path, container: str) -> None:
    """Write samples as WAV or Ogg, a second at a time: libsndfile fails on long blocks of Vorbis."""
    buffer = io.BytesIO()
    subtype = "VORBIS" if container == "OGG" else "PCM_16"
    with soundfile.SoundFile(buffer, "w", samplerate=RATE, channels=1, format=container, subtype=subtype) as file:
        for at in range(0, len(samples), RATE):
            file.write(samples[at : at + RATE])
    path.with_suffix(f".{container.lower()}").write_bytes(buffer.getvalue())


def save_text(text: str, path: Path) -> None:
    """Write a text."""
    path.with_suffix(".txt").write_text(text, encoding="utf-8")


Save = Callable[[object, Path], None]
KINDS: dict[str, dict[str, Save]] = {
    "image": {
        "original": lambda image, path: save_picture(image, path, None),
        "jpeg": lambda image, path: save_picture(image, path, 50),
        "third": lambda image, path: save_picture(third(image), path, None),
        "crop": lambda image, path: save_picture(cropped(image), path, None),
        "all three": lambda image, path: save_picture(third(cropped(image)), path, 60),
    },
    "audio": {
        "original": lambda samples, path: save_sound(samples, path, "WAV"),
        "ogg": lambda samples, path: save_sound(samples, path, "OGG"),
        "quieter": lambda samples, path: save_sound(0.3 * samples, path, "WAV"),
        "cut": lambda samples, path: save_sound(cut(samples), path, "WAV"),
        "all three": lambda samples, path: save_sound(0.5 * cut(samples), path, "OGG"),
    },
    "text": {
        "original": save_text,
        "a twentieth changed": lambda text, path: save_text(changed(text, 0.05), path),
        "a tenth changed": lambda text, path: save_text(changed(text, 0.1), path),
        "without the end": lambda text, path: save_text(" ".join(text.split()[: -len(text.split()) // 8]), path),
    },
}


def measure(modality: str, originals: list[tuple[str, object]], space: str, show: bool) -> dict[str, object]:
    """Return precision, recall and counts for originals of a modality and the variants of every second one."""
    kinds = KINDS[modality]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "files"
        folder.mkdir()
        for number, (_, content) in enumerate(originals):
            for kind, save in kinds.items():
                if kind == "original" or number % 2 == 0:
                    save(content, folder / f"{number:04}-{kind}")
        with sw.Index(Path(place) / "index", spaces=[space]) as index:
            index.add(folder)
            began = time.process_time()
            found = index.duplicates(modalities={modality})
            seconds = time.process_time() - began
        names = [[Path(copy.source).stem for copy in group.copies] for group in found]
        files = sorted(path.stem for path in folder.iterdir())
    pairs = {frozenset(pair) for group in names for pair in combinations(group, 2)}
    true = {frozenset(pair) for pair in combinations(files, 2) if pair[0][:4] == pair[1][:4]}
    if show:
        for pair in sorted(map(sorted, pairs - true)):
            print("taken for copies:", *(originals[int(name[:4])][0] for name in pair), pair, file=sys.stderr)
        for pair in sorted(map(sorted, true - pairs)):
            print("missed:", *pair, file=sys.stderr)
    recall = {
        kind: len([pair for pair in true & pairs if is_variant(pair, kind)])
        / max(len([pair for pair in true if is_variant(pair, kind)]), 1)
        for kind in kinds
        if kind != "original"
    }
    return {
        "modality": modality,
        "space": space,
        "originals": len(originals),
        "files": len(files),
        "precision": len(pairs & true) / max(len(pairs), 1),
        "recall": len(pairs & true) / max(len(true), 1),
        "recall of each kind against its original": recall,
        "processor seconds": round(seconds, 1),
    }


def is_variant(pair: frozenset[str], kind: str) -> bool:
    """Return whether a pair is an original and its variant of a kind."""
    return {name[5:] for name in pair} == {"original", kind}


def main() -> None:
    """Measure, and print a line for each modality and kind of variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--modality", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--originals", type=int, default=150, help="of each modality, at most")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--recordings", type=Path)
    parser.add_argument("--space", help="in place of the space that compares like with like")
    parser.add_argument("--show", action="store_true", help="print the pairs that are wrong")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    random.seed(7)
    for modality in options.modality:
        if modality == "image":
            own = options.pictures
            paths = own.rglob("*") if own else named_files(options.folder, PICTURES, ".webp")
            found: list[tuple[str, object]] = list(pictures(paths))
        elif modality == "audio":
            own = options.recordings or package(options.folder, "supertux-data")
            found = list(recordings([ROOT / "examples" / "data" / "audio", own]))
        else:
            found = list(paragraphs())
        chosen = random.sample(found, min(options.originals, len(found)))
        row = measure(modality, chosen, options.space or SPACES[modality], options.show)
        if options.json:
            print(json.dumps(row))
            continue
        print(f"{modality}: precision {row['precision']:.3f}, recall {row['recall']:.3f}", end="; ")
        print(f"{row['files']} files of {row['originals']} originals, {row['processor seconds']} s")
        for kind, share in row["recall of each kind against its original"].items():
            print(f"    {kind}: {share:.3f}")


if __name__ == "__main__":
    main()
