"""Counts words that speech recognition gets wrong: windows filled to 30 seconds or less, with tokens of time or not.

    python benchmarks/speech_words.py FOLDER [--speech tiny base]

Recordings: five passages of LibriVox with their text (Debian's `pocketsphinx-testdata`), and sentences of licences in
`/usr/share/common-licenses` spoken by four voices of `flite`. The package is fetched by `apt-get download`, and all is
kept below FOLDER. Prints word error rates (substitutions, insertions and deletions by words of the text), also of
faster-whisper itself with its voice detector, greedily and by its defaults, and the processor time of one thread.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

PACKAGE = "pocketsphinx-testdata"
LICENCES = Path("/usr/share/common-licenses")
SPOKEN = (("slt", "GPL-3", 0), ("rms", "GPL-3", 20), ("awb", "Artistic", 0), ("kal16", "Apache-2.0", 0))
"""Voice, licence, and the first of the sentences."""
SENTENCES = 18
WINDOW_SECONDS = 15.0


def recordings(folder: Path) -> list[tuple[Path, str]]:
    """Return recordings with what is said in them, after fetching and making those that are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = folder / PACKAGE
    if not unpacked.exists():
        subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True, stderr=subprocess.DEVNULL)
        (package,) = folder.glob(f"{PACKAGE}_*.deb")
        subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=True)
    books = unpacked / "usr/share/pocketsphinx/test/data/librivox"
    found = []
    for line in (books / "transcription").read_text().splitlines():
        text, name = cast(re.Match[str], re.match(r"<s>(.*)</s> \((.*)\)", line)).groups()
        found.append((books / f"{name}.wav", text))
    for voice, licence, first in SPOKEN:
        text = " ".join(sentences((LICENCES / licence).read_text())[first : first + SENTENCES])
        path = folder / f"{voice}.wav"
        if not path.exists():
            subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
        found.append((path, text))
    return found


def sentences(text: str) -> list[str]:
    """Return the sentences of a text that are words alone."""
    split = re.split(r"(?<=[.;])\s+", re.sub(r"\s+", " ", text))
    return [each for each in split if 30 < len(each) < 260 and not re.search(r'[\d<>(){}\[\]/@*"]', each)]


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return re.sub(r"[^a-z0-9' ]", " ", text.lower()).split()


def errors(said: list[str], heard: list[str]) -> int:
    """Return the least number of words to substitute, insert or delete (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for at, word in enumerate(said, start=1):
        before, row[0] = row[0], at
        for place, other in enumerate(heard, start=1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != other))
    return row[-1]


def join_windows(recognizer: Any, windows: Mapping[Path, Sequence[Any]], path: Path) -> str:
    """Return what is said in the windows of a recording."""
    return " ".join(recognizer.transcribe_batch(windows[path], [None] * len(windows[path])))


def whole_transcript(model: Any, samples: Mapping[Path, np.ndarray], path: Path, **options: Any) -> str:
    """Return what faster-whisper hears in a recording, with beam 1, where its voice detector hears speech."""
    segments, _ = model.transcribe(samples[path], language="en", beam_size=1, vad_filter=True, **options)
    return " ".join(segment.text for segment in segments)


def main() -> None:
    """Count, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--speech", nargs="+", default=["tiny", "base"])
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import senseweave as sw
    from senseweave.encoders.bridges.faster_whisper import FasterWhisper
    from senseweave.encoders.parts.starter_weights import WHISPER_BASE, WHISPER_TINY

    found = recordings(options.folder)
    windows = {
        path: [part.decode(sampling_rate=16_000) for part in sw.Audio(path).windows(WINDOW_SECONDS, at_pauses=True)]
        for path, _ in found
    }
    whole = {path: sw.Audio(path).decode(sampling_rate=16_000).samples for path, _ in found}
    print("| weights | decoding | words wrong | of | word error rate | processor seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for speech in options.speech:
        weights = {"tiny": WHISPER_TINY, "base": WHISPER_BASE}[speech]
        exact = FasterWhisper(weights, language="en", padding="exact")
        short = FasterWhisper(weights, language="en", padding="short")
        untimed = FasterWhisper(weights, language="en", padding="exact", timestamps=False)
        model = exact._model()
        greedy = {"temperature": 0.0, "condition_on_previous_text": False}

        sides: dict[str, Callable[[Path], str]] = {
            "short": partial(join_windows, short, windows),
            "exact": partial(join_windows, exact, windows),
            "exact, no tokens of time": partial(join_windows, untimed, windows),
            "faster-whisper, greedy, no context": partial(whole_transcript, model, whole, **greedy),
            "faster-whisper, its defaults": partial(whole_transcript, model, whole),
        }
        for name, transcribe in sides.items():
            began = time.process_time()
            wrong = [errors(words(text), words(transcribe(path))) for path, text in found]
            seconds, total = time.process_time() - began, sum(len(words(text)) for _, text in found)
            print(f"| {speech} | {name} | {np.sum(wrong)} | {total} | {np.sum(wrong) / total:.3f} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
