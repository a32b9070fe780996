"""Encoders without weights, for tests of what is built on spaces: stores, integrations, applications."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.media import MODALITIES, Clip, Modality
from senseweave.spaces import Space

DIMENSION = 32
DECODE_OPTIONS: Mapping[Modality, Mapping[str, object]] = {"video": {"frames": 2}, "audio": {"sampling_rate": 8000}}


class ToyEncoder(Encoder):
    """Hashed words, coarse pixels, loudness by frequency band, or the mean of frames: enough to distinguish content."""

    batch_budget = 8

    def __init__(self, modality: Modality, *, seed: int = 0) -> None:
        """Describe the encoder; equal seeds give equal vectors, other seeds another fingerprint."""
        self.modality = modality  # type: ignore[misc]
        self.seed = seed
        self.decode_options = DECODE_OPTIONS.get(modality, {})

    @property
    def dimension(self) -> int:
        """The length of the vectors, 32."""
        return DIMENSION

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Compute features, shape (32,); those of queries differ a little from those of documents."""
        shift = 0.05 if role == "query" and self.modality == "text" else 0.0
        return [Prepared(_features(item) + shift) for item in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Rotate the features by a matrix that the seed decides."""
        rotation = np.random.default_rng(self.seed).standard_normal((DIMENSION, DIMENSION))
        return Encoded(np.stack([prepared.data @ rotation for prepared in batch]).astype(np.float32))

    def identity(self) -> dict[str, object]:
        """Return the modality and the seed."""
        return {"family": "toy", "modality": self.modality, "seed": self.seed}


def toy_space(seed: int = 0, modalities: Sequence[Modality] = MODALITIES) -> Space:
    """Return a space of toy encoders; equal seeds give equal spaces."""
    return Space(f"toy-{seed}", {modality: ToyEncoder(modality, seed=seed) for modality in modalities})


def _features(item: Any) -> np.ndarray:
    features = np.full(DIMENSION, 0.01)
    if isinstance(item, str):
        for word in item.lower().split():
            features[hashlib.sha256(word.encode()).digest()[0] % DIMENSION] += 1
        return features
    if isinstance(item, Clip):
        frames: np.ndarray = np.mean([_features(Image.fromarray(frame)) for frame in item.frames], axis=0)
        return frames
    if isinstance(item, Image.Image):
        features[:24] += np.asarray(item.convert("RGB").resize((4, 2)), dtype=np.float64).ravel() / 255
        return features
    bands = np.array_split(np.abs(np.fft.rfft(item.samples)), DIMENSION)
    loudness: np.ndarray = features + np.log1p([band.sum() for band in bands])
    return loudness
