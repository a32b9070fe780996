"""Whether rounding to 16 bits changes a model's vectors by little: measured on the model itself, against float32."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from senseweave.display import printable
from senseweave.encoders.base import Encoded, Encoder, Prepared
from senseweave.encoders.runtime.checkpoint import Checkpoint, no_downloads, resolve
from senseweave.encoders.runtime.failures import compute
from senseweave.encoders.runtime.padding import SAMPLES
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.errors import EncodingError, ModelError
from senseweave.media import Clip, Modality, Waveform

T = TypeVar("T")
LEAST_COSINE: Final = 0.999
"""Of an item's vectors in 16 and in 32 bits."""
MEASURED_ITEMS: Final = 16
"""Of what is embedded first, how many are measured after the samples; the copy in float32 is then freed."""
MEASURED_BYTES: Final = 2 * 2**30
"""Weights up to this size are measured; a copy of larger models in float32 would not fit where they are used."""
TEXTS: Final = (
    *SAMPLES,
    "The quick brown fox jumps over the lazy dog.",
    "12 of 345 reports mention 6,789 vectors; the others name none.",
    "query: how do two ways of computing differ?",
    "Rain falls on the roof of the old house by the sea, and nobody listens to it but a dog, a fox and the stars.",
)

_log = logging.getLogger(__name__)


class HalfProof:
    """Measures an encoder in 16 bits against a copy of it in float32: on samples, then on what is embedded first."""

    def __init__(self, name: str, encoder: Encoder, dtype: str, build: Callable[[], Encoder], *, size: int) -> None:
        """Describe the measurement.

        Args:
            name: What errors call the model.
            encoder: In `dtype`.
            dtype: `bfloat16` or `float16`.
            build: Builds the same encoder in float32.
            size: Bytes of its weights.
        """
        self._name, self._encoder, self._dtype, self._build = name, encoder, dtype, build
        self._left = MEASURED_ITEMS if size <= MEASURED_BYTES else 0
        self._copy: Encoder | None = None
        self._samples: Lazy[bool] = Lazy(self._measure_samples)
        if not self._left:
            _log.info("%s: too large to measure in %s against float32", printable(name), dtype)

    def load(self) -> None:
        """Measure the samples now, once.

        Raises:
            ModelError: If rounding changes a sample by more than is allowed, or the model cannot compute in the type.
        """
        self._samples()

    def close(self) -> None:
        """Free the copy."""
        if self._copy is not None:
            self._copy.close()

    def check(self, batch: Sequence[Prepared], encoded: Encoded) -> None:
        """Measure the first items of a batch that the encoder has computed, if not enough were measured yet.

        Raises:
            ModelError: If rounding changes an item by more than is allowed.
        """
        count = min(self._left, len(batch))
        if count:
            self._left -= count
            full = self._exactly(lambda copy: compute(copy, batch[:count]))
            if full is not None:
                rows = [row for row in range(count) if row not in encoded.errors and row not in full.errors]
                self._require([encoded.vectors[row] for row in rows], [full.vectors[row] for row in rows])
        if not self._left:
            self.close()

    def _measure_samples(self) -> bool:
        if self._left:
            half = embed_samples(self._encoder)
            full = self._exactly(embed_samples) or [None] * len(half)
            pairs = [(a, b) for a, b in zip(half, full, strict=True) if b is not None]
            self._require([np.full_like(b, np.nan) if a is None else a for a, b in pairs], [b for _, b in pairs])
        return True

    def _exactly(self, run: Callable[[Encoder], T]) -> T | None:
        """Return what `run` makes of the copy in float32, or None if that does not fit into memory."""
        try:
            if self._copy is None:
                self._copy = self._build()
            return run(self._copy)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            _log.info("%s: no memory to measure %s against float32", printable(self._name), self._dtype)
            self._left = 0
            self.close()
            return None

    def _require(self, half: Sequence[np.ndarray], full: Sequence[np.ndarray]) -> None:
        """Raise `ModelError` if a vector differs by more than is allowed from that in float32, which is finite."""
        pairs = [(a, b) for a, b in zip(half, full, strict=True) if np.isfinite(b).all() and b.any()]
        cosine = min((_cosine(a, b) for a, b in pairs), default=1.0)
        if cosine < LEAST_COSINE:
            lost = f"a cosine of {cosine:.4f} with" if cosine >= -1 else "numbers that overflow, unlike"
            other = "dtype='float32'" if self._dtype == "float16" else "dtype='float16' or dtype='float32'"
            what = f"the {self._encoder.modality} vector of an item"
            msg = (
                f"{self._name} loses too much in {self._dtype}: {what} has {lost} that in float32 "
                f"(at least {LEAST_COSINE} is expected); load it with {other}"
            )
            self._left = MEASURED_ITEMS
            raise ModelError(msg)


def prove_half_types(
    name: str, encoders: Mapping[Modality, Encoder], dtype: str, build: Callable[[], Mapping[Modality, Encoder]]
) -> None:
    """Let encoders in 16 bits be measured before they are used; those whose words rounding changes say so themselves.

    Args:
        name: As `load` takes it, without the scheme.
        encoders: In `dtype`; `HalfProof` is added to their parts.
        dtype: `bfloat16` or `float16`.
        build: Builds the same encoders in float32.
    """
    size = weights_size(name)
    for modality, encoder in encoders.items():
        if encoder.deterministic:
            proof = HalfProof(name, encoder, dtype, partial(_pick, build, modality), size=size)
            encoder.proof = proof
            encoder.parts = (*encoder.parts, proof)


def weights_size(name: str) -> int:
    """Return the bytes of the weights of a model that is on disk; 0 if they are not found."""
    path = Path(name.partition("//")[2] or name).expanduser()
    if path.is_file():
        return path.stat().st_size
    try:
        with no_downloads():
            checkpoint = Checkpoint(name, path) if path.is_dir() else resolve(name, weights=False)
    except (ImportError, ModelError):
        return 0
    return sum(file.stat().st_size for file in checkpoint.weights)


def embed_samples(encoder: Encoder) -> list[np.ndarray | None]:
    """Return an encoder's vectors of samples of its modality, each computed alone; None for what it cannot compute."""
    vectors: list[np.ndarray | None] = []
    for item in _samples(encoder):
        try:
            (prepared,) = encoder.prepare([item], "document")
            encoded = compute(encoder, [prepared]) if prepared.error is None else None
        except EncodingError:
            encoded = None
        vectors.append(None if encoded is None or encoded.errors else np.asarray(encoded.vectors[0]))
    return vectors


def _pick(build: Callable[[], Mapping[Modality, Encoder]], modality: Modality) -> Encoder:
    return build()[modality]


def _cosine(vector: np.ndarray, expected: np.ndarray) -> float:
    """Return the cosine of two vectors; -2 if the first is not finite or has no direction."""
    exact, given = expected.astype(np.float64), vector.astype(np.float64)
    length = float(np.linalg.norm(given) * np.linalg.norm(exact))
    return float(given @ exact) / length if np.isfinite(given).all() and length else -2.0


def _samples(encoder: Encoder) -> Sequence[Any]:
    """Return decoded samples: texts, or pictures, sounds and clips of waves and noise."""
    from PIL import Image

    if encoder.modality == "text":
        return TEXTS
    random = np.random.default_rng(0)
    options = encoder.decode_options
    if encoder.modality == "image":
        sizes = ((160, 120), (90, 120), (64, 64), (200, 70), (33, 20), (224, 224), (120, 90), (48, 64))
        return [Image.fromarray(_waves(random, 1, width, height)[0]) for width, height in sizes]
    if encoder.modality == "audio":
        rate = int(str(options.get("sampling_rate", 16_000)))
        longest = encoder.window_seconds or 2.0
        return [_tone(random, rate, min(seconds, longest)) for seconds in (0.4, 0.9, 1.3, 2.0)]
    frames = int(str(options.get("frames", 8)))
    times = np.arange(frames) / 10.0
    return [Clip(_waves(random, frames, width, height), times) for width, height in ((64, 48), (80, 64), (48, 64))]


def _waves(random: np.random.Generator, frames: int, width: int, height: int) -> np.ndarray:
    """Return pictures of moving waves in random colors, with noise, shape (frames, height, width, 3), uint8."""
    time, row, column = np.ogrid[:frames, :height, :width]
    colors = []
    for _ in range(3):
        a, b, c = random.uniform(-0.4, 0.4, 3)
        colors.append(128 + 100 * np.sin(a * row + b * column + c * time + random.uniform(0, 6)))
    noise = random.normal(scale=20 * random.uniform(), size=(frames, height, width, 3))
    pixels: np.ndarray = (np.stack(colors, axis=-1) + noise).clip(0, 255).astype(np.uint8)
    return pixels


def _tone(random: np.random.Generator, rate: int, seconds: float) -> Waveform:
    """Return a sliding tone with noise."""
    time = np.arange(round(seconds * rate)) / rate
    start, slide = random.uniform(100, 800), random.uniform(-50, 500)
    samples = 0.4 * np.sin(2 * np.pi * (start + slide * time) * time) + random.normal(scale=0.03, size=len(time))
    return Waveform(samples.astype(np.float32), rate)
