"""Measures how well features and labels tell copies of a picture or a sound from other pictures and sounds.

    python benchmarks/default_scene/near_duplicates.py FOLDER

Pictures and sounds of GCompris, as in run.py, are encoded again, made smaller or quieter, and cut. Prints by space and
kind of copy: the cosine of a copy with its original (median, and what 95 of 100 reach), the cosine of different
originals (median, and what 1 of 1,000 pairs reaches), how many copies are closer to their original than that, and how
many have it as their nearest.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image
from run import PICTURES, SOUNDS, is_button, named_files

import senseweave as sw

RATE = 16_000
SECONDS = 10.0
"""Of a sound, at most."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    pictures = [sw.Image(path).decode() for path in named_files(folder, PICTURES, ".webp") if not is_button(path)]
    sounds = [
        sw.Audio(path).decode(sampling_rate=RATE).samples[: int(SECONDS * RATE)]
        for path in named_files(folder, SOUNDS, ".ogg")
    ]
    print("| originals | space | copy | same | 95 % | different | 0.1 % | told apart | nearest |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in ("starter", "starter:image-features"):
        compare(f"{len(pictures)} pictures", name, pictures, PICTURE_COPIES, sw.Image)
    for name in ("starter", "starter:sound-features"):
        compare(f"{len(sounds)} sounds", name, [(samples, RATE) for samples in sounds], SOUND_COPIES, sw.Audio)


def compare(
    what: str, name: str, originals: Sequence[Any], copies: dict[str, Callable[[Any], Any]], form: Callable[[Any], Any]
) -> None:
    """Print a line for each kind of copy."""
    space = sw.load(name)
    vectors = space.encode([form(original) for original in originals]).vectors
    between = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    between = between[between < 0.9999]  # some pictures are there twice
    limit = np.quantile(between, 0.999)
    for kind, make in copies.items():
        found = space.encode([form(make(original)) for original in originals]).vectors
        cosines = found @ vectors.T
        same = np.diag(cosines)
        nearest = (cosines.max(axis=1) <= same + 1e-4).mean()
        print(
            f"| {what} | `{name}` | {kind} | {np.median(same):.2f} | {np.quantile(same, 0.05):.2f} | "
            f"{np.median(between):.2f} | {limit:.2f} | {(same > limit).mean():.0%} | {nearest:.0%} |"
        )


def encode_picture(picture: Any) -> Any:
    """Return a picture after JPEG of quality 40."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def cut_picture(picture: Any) -> Any:
    """Return a picture without a tenth at each side."""
    width, height = picture.size
    return picture.crop((width // 10, height // 10, width - width // 10, height - height // 10))


def shrink_picture(picture: Any) -> Any:
    """Return a picture of a third of the width."""
    return picture.resize((max(1, picture.width // 3), max(1, picture.height // 3)), Image.Resampling.LANCZOS)


def encode_sound(sound: tuple[np.ndarray, int]) -> tuple[np.ndarray, int]:
    """Return a sound after Ogg Vorbis of quality 0."""
    file = io.BytesIO()
    soundfile.write(file, *sound, format="OGG", subtype="VORBIS", compression_level=1.0)
    return soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")


def cut_sound(sound: tuple[np.ndarray, int]) -> tuple[np.ndarray, int]:
    """Return a sound without its first tenth and its last."""
    samples, rate = sound
    return samples[len(samples) // 10 : len(samples) - len(samples) // 10], rate


PICTURE_COPIES = {
    "JPEG": encode_picture,
    "a third of the width": shrink_picture,
    "cut at all sides": cut_picture,
    "all of these": lambda picture: encode_picture(shrink_picture(cut_picture(picture))),
}
SOUND_COPIES = {
    "Ogg Vorbis": encode_sound,
    "a quarter as loud": lambda sound: (sound[0] / 4, sound[1]),
    "cut at both ends": cut_sound,
    "all of these": lambda sound: encode_sound((cut_sound(sound)[0] / 4, RATE)),
}


if __name__ == "__main__":
    main()
