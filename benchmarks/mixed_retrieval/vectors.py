"""Embeds the mixed corpus once and keeps the vectors, so that ranking methods can be compared in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from corpus import Document, Question

import senseweave as sw
from senseweave.retrieval.calibration.probes import PROBES

SEGMENT = 64


@dataclass
class Vectors:
    """Vectors of everything: documents and questions in order, unrelated texts, and the index's general phrases."""

    documents: np.ndarray
    questions: np.ndarray
    distractors: np.ndarray
    probes: np.ndarray


def embed(model: str, folder: Path, documents: list[Document], questions: list[Question], others: list[str]) -> Vectors:
    """Embed with `sw.load(model)`, or read what an earlier run kept for the same fingerprint."""
    space = sw.load(model)
    kept = folder / f"vectors-{space.fingerprint}.npz"
    if kept.exists():
        with np.load(kept) as stored:
            return Vectors(*(stored[name] for name in ("documents", "questions", "distractors", "probes")))
    media = {
        "text": lambda document: sw.Text(document.text),
        "image": lambda document: sw.Image(document.path),
        "audio": lambda document: sw.Audio(document.path),
    }
    rows = np.zeros((len(documents), space.dimension), np.float32)
    for modality, make in media.items():
        places = [i for i, document in enumerate(documents) if document.modality == modality]
        for start in range(0, len(places), SEGMENT):
            chunk = places[start : start + SEGMENT]
            rows[chunk] = space.embed([make(documents[i]) for i in chunk])
            print(f"\r{modality}: {start + len(chunk)} of {len(places)} embedded", end="", flush=True)
        print()
    vectors = Vectors(
        rows,
        space.embed_text([question.text for question in questions], role="query"),
        space.embed_text(others),
        space.embed_text(PROBES, role="query"),
    )
    np.savez(kept, **vars(vectors))
    return vectors
