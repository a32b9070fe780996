"""Measures how recordings of speech in several languages are heard: the language told, the transcript, and being found.

    python benchmarks/default_scene/spoken_languages.py FOLDER [--model starter:multilingual]

- Voices: prompts of Asterisk's telephone exchange in Spanish, French, Italian, Russian and English, read by people
  (Debian, CC-BY-SA), the 20 longest of each, and KTuberling's recorded German words, eight to a recording. What is said
  is known of the words alone.
- Sentences: what GCompris tells of animals, in its own translations, read by espeak-ng (`pip install espeakng-loader`;
  left out without it), a voice of a machine that Whisper was not trained on.

Prints the share of recordings whose language is told right, the share of words said that the transcript has, and how
many recordings of a language are found by their own text, and by the English one, among all of them.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from languages import load_recordings, load_words, ranks_of_same
from mixed_corpus import told_things, translations

import senseweave as sw

PROMPTS = ("es", "fr", "it", "ru", "en")
"""Languages of `asterisk-core-sounds-*-wav`."""
READ = ("de", "es", "nl", "pl")
NUMBER = 20
WORDS_AT_ONCE = 8
PAUSE = 0.4
"""Seconds between words that are joined."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="starter:multilingual")
    arguments = parser.parse_args()
    space, folder = sw.load(arguments.model), arguments.folder
    print("| recordings | spoken in | number | language told | words right | found by its text | by the English text |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for language in PROMPTS:
        measure(space, "voices: prompts", language, [sw.Audio(path) for path in prompts(folder, language)])
    measure(space, "voices: words", "de", *joined_words(folder, "de"))
    if importlib.util.find_spec("espeakng_loader") is not None:
        speak = Espeak()
        for language in READ:
            own, english = sentences(folder, language)
            measure(space, "sentences", language, [sw.Audio(speak(language, text)) for text in own], own, english)


def measure(
    space: sw.Space,
    kind: str,
    language: str,
    recordings: list[sw.Audio],
    said: list[str] | None = None,
    english: list[str] | None = None,
) -> None:
    """Print a line."""
    described = space.describe(recordings)
    told = np.mean([each.language == language for each in described])
    cells = [f"{told:.2f}"]
    if said is not None:
        heard = [letters(each.text) for each in described]
        wanted = [letters(text) for text in said]
        right = sum((Counter(a) & Counter(b)).total() for a, b in zip(heard, wanted, strict=True))
        cells.append(f"{right / sum(map(len, wanted)):.2f}")
        vectors = space.embed_audio(recordings)
        asked = [space.embed_text(texts, role="query") for texts in (said, english) if texts is not None]
        cells += [f"{np.mean(ranks_of_same(vector @ vectors.T) < 1):.2f}" for vector in asked]
    cells += [""] * (4 - len(cells))
    print(f"| {kind} | {language} | {len(recordings)} | " + " | ".join(cells) + " |", flush=True)


def letters(text: str) -> list[str]:
    """Return the words of a text without case and punctuation."""
    return re.findall(r"\w+", text.casefold())


def prompts(folder: Path, language: str) -> list[Path]:
    """Return the longest prompts of a language, which are fetched if they are not there."""
    package = f"asterisk-core-sounds-{language}-wav"
    unpacked = folder / package
    if not unpacked.is_dir():
        subprocess.run(["apt-get", "download", package], cwd=folder, check=True)
        (archive,) = folder.glob(f"{package}_*.deb")
        subprocess.run(["dpkg", "-x", archive, unpacked], check=True)
    files = sorted(unpacked.rglob("*.wav"), key=lambda path: (-path.stat().st_size, path.name))
    return files[:NUMBER]


def joined_words(folder: Path, language: str) -> tuple[list[sw.Audio], list[str], list[str]]:
    """Return recordings of several words each, with the words in that language, where GCompris has them, and English.

    Words that GCompris does not translate are left out.
    """
    words = load_words(folder)
    own = {english.lower(): words[language][file].lower() for file, english in words["en"].items()}
    known = [(name, path) for name, path in load_recordings(folder, language).items() if name in own]
    made, said, english = [], [], []
    for at in range(0, len(known), WORDS_AT_ONCE):
        part = known[at : at + WORDS_AT_ONCE]
        sounds = [soundfile.read(path, dtype="float32", always_2d=True) for _, path in part]
        rate = sounds[0][1]
        pause = np.zeros(int(PAUSE * rate), np.float32)
        made.append(sw.Audio((np.concatenate([x for sound, _ in sounds for x in (sound.mean(axis=1), pause)]), rate)))
        said.append(", ".join(own[name] for name, _ in part))
        english.append(", ".join(name for name, _ in part))
    return made, said, english


def sentences(folder: Path, language: str) -> tuple[list[str], list[str]]:
    """Return what GCompris tells of things, in a language and in English."""
    translate = translations(folder, language)
    english = [texts[0] for _, texts in told_things(folder) if texts[0] in translate][:NUMBER]
    return [translate[text] for text in english], english


class Espeak:
    """espeak-ng, from the package that brings its library and voices."""

    def __init__(self) -> None:
        """Load the library."""
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        retrieval = 1  # AUDIO_OUTPUT_RETRIEVAL: samples go to the callback
        folder = espeakng_loader.get_data_path().encode()
        self.rate = self._library.espeak_Initialize(retrieval, 0, folder, 0)
        self._samples: list[np.ndarray] = []
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._callback = kind(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def __call__(self, language: str, text: str) -> tuple[np.ndarray, int]:
        """Return a text read aloud, as samples and their rate."""
        self._samples.clear()
        self._library.espeak_SetVoiceByName(language.encode())
        written = text.encode() + b"\0"
        utf8 = 1  # espeakCHARS_UTF8
        self._library.espeak_Synth(written, len(written), 0, 1, 0, utf8, None, None)
        self._library.espeak_Synchronize()
        return np.concatenate(self._samples).astype(np.float32) / 32768, self.rate

    def _take(self, samples: Any, count: int, _: Any) -> int:
        if samples and count > 0:
            self._samples.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


if __name__ == "__main__":
    main()
