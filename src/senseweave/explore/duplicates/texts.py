"""Whether two texts are nearly equal: by the runs of characters that they share, whatever their layout and case."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

WORD: Final = re.compile(r"[^\W_]+")
RUN: Final = 5
"""Characters of a run, a common choice for texts of this length (Leskovec, Rajaraman and Ullman, Mining of Massive
Datasets, section 3.2)."""


def shingles(texts: Iterable[str]) -> frozenset[str]:
    """Return the runs of characters of a text, given as its passages."""
    found: set[str] = set()
    for text in texts:
        words = f" {' '.join(WORD.findall(text.casefold()))} "
        found.update(words[at : at + RUN] for at in range(max(len(words) - RUN + 1, 1)))
    return frozenset(found)


def text_score(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the share of the runs of two texts that both have (Jaccard similarity)."""
    union = len(first | second)
    return len(first & second) / union if union else 0.0
