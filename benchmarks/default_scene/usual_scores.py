"""Measures YAMNet's mean score of each kind of sound over recordings of many kinds, and writes what the starter ships.

    python benchmarks/default_scene/usual_scores.py FOLDER

The recordings are those of eight Debian packages (games and desktop sounds, freely licensed); their packages are
fetched by `apt-get download` and unpacked below FOLDER. None of them is in the scene that the starter is measured on.
Writes `src/senseweave/encoders/weights/yamnet_usual_scores.json`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

import senseweave as sw
from senseweave.encoders.bridges.yamnet import USUAL_SCORES, Yamnet
from senseweave.encoders.parts.starter_weights import YAMNET
from senseweave.encoders.runtime.pinned_weights import locate
from senseweave.media import Waveform

PACKAGES = (
    "oxygen-sounds",
    "yaru-theme-sound",
    "supertux-data",
    "frozen-bubble-data",
    "pingus-data",
    "extremetuxracer-data",
    "warzone2100-data",
    "openttd-opensfx",
)
SUFFIXES = (".ogg", ".oga", ".wav")
SECONDS = 8
FLOOR = 0.001
"""Kinds that none of the recordings holds are no rarer than this."""


def main(folder: Path) -> None:
    """Hear all recordings, and write the mean scores."""
    events = Yamnet()
    scores = []
    for path in recordings(folder):
        try:
            sound = sw.Audio(path).decode(sampling_rate=events.sampling_rate)
        except sw.MediaError as error:
            print(f"left out: {path.name}: {error}")
            continue
        beginning = Waveform(sound.samples[: SECONDS * events.sampling_rate], events.sampling_rate)
        scores.append(events.scores(beginning).mean(axis=0))
    usual = np.maximum(np.mean(scores, axis=0), FLOOR)
    table = {label: float(f"{score:.3g}") for label, score in zip(events.labels, usual, strict=True)}
    target = locate(YAMNET.packages[0]) / USUAL_SCORES
    target.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"{len(scores)} recordings")


def recordings(folder: Path) -> list[Path]:
    """Return the recordings of the packages, which are fetched and unpacked if they are not there."""
    for package in PACKAGES:
        unpacked = folder / package
        if not unpacked.is_dir():
            subprocess.run(["apt-get", "download", package], cwd=folder, check=True)
            (archive,) = folder.glob(f"{package}_*.deb")
            subprocess.run(["dpkg", "-x", archive, unpacked], check=True)
    files = (path for package in PACKAGES for path in sorted((folder / package).rglob("*")))
    return [path for path in files if path.suffix in SUFFIXES]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
