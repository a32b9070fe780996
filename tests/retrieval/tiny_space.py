"""A small real space of three modalities: words by hashing, pictures by their colour, sound by its pitch.

Run as a program it adds a folder to an index, for tests that stop it half way.
"""

import hashlib
import re
import sys

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared
from senseweave.spaces.space import Space

DIMENSION = 64
COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 30),
    "blue": (30, 30, 220),
    "white": (250, 250, 250),
    "black": (5, 5, 5),
}
PITCHES = {"low": 200.0, "middle": 800.0, "high": 3000.0}


def word_vector(word):
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=DIMENSION)


def words_vector(text):
    words = re.findall(r"[a-z0-9]+", text.lower()) or ["nothing"]
    total = np.sum([word_vector(word) for word in words], axis=0)
    return total / np.linalg.norm(total)


class HashedWords(Encoder):
    """The mean of a random vector per word, plus a direction that all texts share (a modality gap)."""

    modality = "text"
    batch_budget = 10_000
    max_length = 256

    def __init__(self, seed="", gap=0.6):
        self.seed = seed
        self.gap = gap

    dimension = DIMENSION

    def prepare(self, items, role):
        return [Prepared(item, cost=len(item)) for item in items]

    def forward(self, batch):
        vectors = [words_vector(item.data) + self.gap * words_vector("gap" + self.seed) for item in batch]
        return Encoded(np.stack(vectors).astype(np.float32))

    def identity(self):
        return {"family": "hashed words", "seed": self.seed, "gap": self.gap}


class Colours(Encoder):
    """The name of the colour that the mean pixel is nearest to."""

    modality = "image"
    dimension = DIMENSION
    batch_budget = 16

    def prepare(self, items, role):
        return [Prepared(np.asarray(item, dtype=np.float64).reshape(-1, 3).mean(axis=0)) for item in items]

    def forward(self, batch):
        names = [min(COLOURS, key=lambda name: np.linalg.norm(item.data - np.array(COLOURS[name]))) for item in batch]
        shade = [0.05 * word_vector(str(item.data.round())) for item in batch]
        vectors = [words_vector(name) + other for name, other in zip(names, shade, strict=True)]
        return Encoded(np.stack(vectors).astype(np.float32), [f"something {name}" for name in names])

    def identity(self):
        return {"family": "colours"}


class Pitch(Encoder):
    """Whether the loudest frequency is low, middle or high."""

    modality = "audio"
    dimension = DIMENSION
    window_seconds = 2.0
    decode_options = {"sampling_rate": 16_000}  # noqa: RUF012

    def prepare(self, items, role):
        return [Prepared(item) for item in items]

    def forward(self, batch):
        names = []
        for item in batch:
            spectrum = np.abs(np.fft.rfft(item.data.samples))
            hertz = float(np.argmax(spectrum)) * item.data.sampling_rate / len(item.data.samples)
            names.append(min(PITCHES, key=lambda name, hertz=hertz: abs(PITCHES[name] - hertz)))
        vectors = [words_vector(f"{name} sound") for name in names]
        return Encoded(np.stack(vectors).astype(np.float32), [f"a {name} sound" for name in names])

    def identity(self):
        return {"family": "pitch"}


def make_space(name="tiny", seed="", modalities=("text", "image", "audio"), gap=0.6):
    encoders = {"text": HashedWords(seed, gap), "image": Colours(), "audio": Pitch()}
    return Space(name, {modality: encoders[modality] for modality in modalities})


if __name__ == "__main__":
    from senseweave.retrieval import Index

    place, *inputs = sys.argv[1:]
    index = Index(place, spaces=[make_space()])
    print("ready", flush=True)  # noqa: T201
    print(index.add(inputs), flush=True)  # noqa: T201
