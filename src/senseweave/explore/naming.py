"""Name groups of contents by the words that set each apart from the others (class-based tf-idf)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from senseweave.extras import require

WORDS: Final = 4
"""Words of a name."""
WORD: Final = re.compile(r"[^\W\d_]{3,}")
"""A word of at least three letters."""


def name_groups(texts: Sequence[Sequence[str]], count: int = WORDS) -> list[tuple[str, ...]]:
    """Return the words that set each group of texts apart, the strongest first.

    The weight of a word in a group is tf * log(1 + A / f): its share of the words of the group, the mean number of
    words of a group, and how often it occurs in all (class-based tf-idf, Grootendorst 2022, arXiv 2203.05794, section
    3.3). Frequent English words are left out, and each text counts a word once, so that a long text outvotes nobody.

    Args:
        texts: The texts, captions and transcripts of each group.
        count: How many words at most.
    """
    stop = require("sklearn.feature_extraction.text", extra="explore", feature="index.clusters").ENGLISH_STOP_WORDS
    groups = [
        Counter(word for text in group for word in sorted(set(WORD.findall(text.casefold())) - stop)) for group in texts
    ]
    overall: Counter[str] = Counter()
    for group in groups:
        overall.update(group)
    mean = sum(overall.values()) / max(len(groups), 1)
    names = []
    for group in groups:
        total = max(sum(group.values()), 1)
        weights = {word: found / total * math.log(1 + mean / overall[word]) for word, found in group.items()}
        names.append(tuple(sorted(weights, key=lambda word: (-weights[word], word))[:count]))
    return names
