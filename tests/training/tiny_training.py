"""Data of pairs that a tiny model can learn, and the model."""

from __future__ import annotations

import random
from pathlib import Path

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def save_model(folder: Path, **config: float) -> str:
    """Save a BERT of 32 dimensions with mean pooling and random weights."""
    from tiny_sentence import save_sentence_model

    return save_sentence_model(folder, prompts={"query": "q ", "document": "d "}, **config)


def pairs(count: int = 160, seed: int = 0) -> list[tuple[str, str]]:
    """Return texts of random words, each with its words in another order and one word more."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        words = ["".join(draw.choices(LETTERS, k=4)) for _ in range(4)]
        answer = [*words[1:], words[0], "".join(draw.choices(LETTERS, k=4))]
        found.append((" ".join(words), " ".join(answer)))
    return found


SETTINGS = {"epochs": 4, "batch_size": 16, "learning_rate": 3e-3, "device": "cpu", "general": pairs(20, seed=5)}
"""What a tiny model learns by in a second."""
