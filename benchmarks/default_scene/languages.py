"""Measures languages and spoken words on words of GCompris and KTuberling (Debian, free licences).

    python benchmarks/default_scene/languages.py FOLDER [--model starter --model starter:multilingual]

Prints, for each model,
- captions: how many names of GCompris' pictures find one of theirs, first and among the first ten, in several
  languages, and how many of its words find the English word among all of them;
- spoken words: how many of KTuberling's recordings of single words in English and German are found by the English word
  among all of a language.

A model may have options, as in `starter,speech=base`. The packages `gcompris-qt-data` and `ktuberling-data` are fetched
by `apt-get download` and unpacked below FOLDER.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from pathlib import Path

import numpy as np
from run import PICTURES, is_button, name_of, named_files, rank

import senseweave as sw

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pl", "pt_BR", "ru", "tr", "ar", "zh_CN", "sv", "fi", "el")
"""The last three are none that `starter:multilingual` was trained on."""
SPOKEN = ("en", "de")
VOICES = "ktuberling-data"
CASTS = re.compile(r"^(egypt|moon|pizzeria|tv|christmas)_")
"""Scenes that stand before the names of KTuberling's things."""
RESPELLED = {"broccolli": "broccoli", "sphynx": "sphinx", "palmtree": "palm tree", "fallingstar": "falling star"}
DEPTH = 10


def main() -> None:
    """Measure, and print the tables of each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", dest="models")
    arguments = parser.parse_args()
    folder = arguments.folder
    for model in arguments.models or ["starter", "starter:multilingual"]:
        name, *options = model.split(",")
        space = sw.load(name, **dict(option.split("=") for option in options))
        print(f"\n## {model}\n", flush=True)
        measure_captions(space, folder)
        measure_spoken_words(space, folder)


def measure_captions(space: sw.Space, folder: Path) -> None:
    """Print how many pictures, and English words, are found by words of each language."""
    words, pictures = load_words(folder), load_pictures(folder)
    seen = space.embed_image([path for _, path in pictures])
    names = [name for name, _ in pictures]
    files = {word: file for file, word in reversed(words["en"].items())}
    known = sorted(set(names) & set(files))
    english = space.embed_text(list(words["en"].values()))
    print(f"| language | {len(names)} pictures, {len(known)} names, R@1 | R@10 | {len(english)} English words, R@1 |")
    print("| --- | --- | --- | --- |")
    for language in LANGUAGES:
        asked = space.embed_text([words[language][files[name]] for name in known], role="query")
        ranks = np.array([rank(name, names, row) for name, row in zip(known, asked @ seen.T, strict=True)])
        texts = space.embed_text([words[language][word] for word in words["en"]], role="query")
        found = np.mean(ranks_of_same(texts @ english.T) < 1)
        print(f"| {language} | {np.mean(ranks < 1):.3f} | {np.mean(ranks < DEPTH):.3f} | {found:.3f} |", flush=True)


def measure_spoken_words(space: sw.Space, folder: Path) -> None:
    """Print how many recordings of single words are found by the English word."""
    print("\n| spoken in | words | R@1 | R@10 |\n| --- | --- | --- | --- |")
    for language in SPOKEN:
        recordings = load_recordings(folder, language)
        heard = space.embed_audio(list(recordings.values()))
        ranks = ranks_of_same(space.embed_text(list(recordings), role="query") @ heard.T)
        print(f"| {language} | {len(ranks)} | {np.mean(ranks < 1):.3f} | {np.mean(ranks < DEPTH):.3f} |", flush=True)


def ranks_of_same(scores: np.ndarray) -> np.ndarray:
    """Return the rank of each row's own column, from 0."""
    return (scores > np.diagonal(scores)[:, None]).sum(axis=1)


def load_words(folder: Path) -> dict[str, dict[str, str]]:
    """Return GCompris' words that all languages have, by language and file name."""
    resources = resource_folder(folder)
    contents = {
        language: json.loads((resources / f"content-{language}.json").read_text(encoding="utf-8"))
        for language in LANGUAGES
    }
    shared = set.intersection(*(set(content) for content in contents.values()))
    kept = sorted(file for file in shared if all(content[file] for content in contents.values()))
    return {
        language: {file.removesuffix(".ogg"): content[file] for file in kept} for language, content in contents.items()
    }


def load_pictures(folder: Path) -> list[tuple[str, Path]]:
    """Return GCompris' pictures with their names."""
    files = (path for path in named_files(folder, PICTURES, ".webp") if not is_button(path))
    return [(name_of(path), path) for path in files]


def resource_folder(folder: Path) -> Path:
    """Return where the resources of GCompris' activity of words are, which are unpacked if they are not there."""
    list(named_files(folder, ("lang",), ".webp"))
    (first,) = (folder / "activities" / "lang").rglob("content-en.json")
    return first.parent


def load_recordings(folder: Path, language: str) -> dict[str, Path]:
    """Return KTuberling's recordings of a language by the English word."""
    unpacked = folder / VOICES
    if not unpacked.is_dir():
        subprocess.run(["apt-get", "download", VOICES], cwd=folder, check=True)
        (archive,) = folder.glob(f"{VOICES}_*.deb")
        subprocess.run(["dpkg", "-x", archive, unpacked], check=True)
    sounds = unpacked / "usr/share/ktuberling/sounds"
    english = {path.stem for path in (sounds / "en").glob("*.ogg")}
    files = [path for path in sorted((sounds / language).glob("*.ogg")) if path.stem in english]
    bare = {CASTS.sub("", path.stem): path for path in files}
    return {RESPELLED.get(word, word): path for word, path in bare.items()}


if __name__ == "__main__":
    main()
