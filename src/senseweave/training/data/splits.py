"""Splits of pairs by document, folds for cross-validation, and the check that nothing leaks between parts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Final

import numpy as np

from senseweave.encoders.parts.heads import unit
from senseweave.media import Media
from senseweave.media.base import source_name

NEAR_DUPLICATE: Final = 0.98
"""Cosine of centered vectors from which on two media count as the same: a crop, another scale or format, another case.
Different pictures of one thing stay far below it."""
LARGEST_SEED: Final = 2**32 - 1
"""Of NumPy's legacy generator, which trainers seed."""
CELLS_AT_ONCE: Final = 1 << 24
"""Cosines that are in memory at once."""


def check_split(validation: float, seed: int) -> None:
    """Check the share of rows that is held out, and the seed.

    Raises:
        ValueError: If the share is not between 0 and 1, or the seed no whole number from 0 to `LARGEST_SEED`.
    """
    if isinstance(validation, bool) or not isinstance(validation, Real) or not 0 < validation < 1:
        msg = f"validation must be a share between 0 and 1, such as 0.2, not {validation!r}"
        raise ValueError(msg)
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed <= LARGEST_SEED:
        msg = f"seed must be a whole number from 0 to {LARGEST_SEED}, not {seed!r}"
        raise ValueError(msg)


def media_keys(media: Media) -> list[Hashable]:
    """Return what identifies the document of a media: its content, its source, and of a text its words.

    Windows of one recording and pages of one document share their source; texts that differ by case, punctuation or
    spaces alone share their words.

    Raises:
        MediaError: If it cannot be read.
    """
    keys: list[Hashable] = [("content", media.sha256)]
    if media.span is not None or media.page is not None:
        keys.append(("source", source_name(media)))
    if media.modality == "text":
        words = unicodedata.normalize("NFKC", media.decode()).casefold()
        keys.append(("words", " ".join(re.findall(r"\w+", words)) or words))
    return keys


def group_rows(keys: Sequence[Iterable[Hashable]]) -> np.ndarray:
    """Return a number for each row, equal for rows that share a key, directly or through others (union-find).

    Args:
        keys: The keys of each row.

    Returns:
        Shape (rows,), counted from 0 in the order of the rows.
    """
    parent = list(range(len(keys)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[Hashable, int] = {}
    for row, found in enumerate(keys):
        for key in found:
            parent[root(row)] = root(first.setdefault(key, row))
    _, numbers = np.unique([root(row) for row in range(len(keys))], return_inverse=True)
    return numbers.astype(int)


def folds(groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return a fold for each row, from 0; rows of a group share it, and folds are about equal in rows.

    Args:
        groups: The group of each row, as `group_rows` returns them.
        count: Number of folds.
        seed: Of the shuffled order in which groups go to the fold with the fewest rows.
    """
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    filled = np.zeros(count, int)
    place = np.empty(len(sizes), int)
    for group in order:
        place[group] = int(filled.argmin())
        filled[place[group]] += sizes[group]
    chosen: np.ndarray = place[groups]
    return chosen


def hold_out(groups: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return which rows are held out: whole groups in shuffled order, until they are a share of the rows.

    Args:
        groups: The group of each row.
        share: Share of the rows, between 0 and 1; at least one group is held out.
        seed: Of the order.
    """
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    wanted = share * len(groups)
    before = np.concatenate([[0], np.cumsum(sizes[order])[:-1]])
    # A group that would take the part further from its share than leaving it out does stays in training.
    taken = order[(before + sizes[order] / 2 <= wanted) & (before < wanted)]
    return np.isin(groups, taken if len(taken) else order[:1])


@dataclass(frozen=True)
class Leak:
    """A held-out row that resembles a row of training too much to tell anything.

    Attributes:
        held_out: The held-out row.
        training: The row of training that it resembles most.
        similarity: Their cosine.
        side: `source` or `target`.
    """

    held_out: int
    training: int
    similarity: float
    side: str


def find_leaks(side: str, vectors: np.ndarray, held_out: np.ndarray, threshold: float = NEAR_DUPLICATE) -> list[Leak]:
    """Return the held-out rows that are near-duplicates of rows of training.

    Args:
        side: Of the vectors, for the result.
        vectors: Vectors of all rows, shape (n, dimension).
        held_out: Which rows are held out.
        threshold: Cosine of centered vectors from which on they are near-duplicates.
    """
    centered = unit(vectors - vectors[~held_out].mean(axis=0))
    kept, others = np.flatnonzero(held_out), np.flatnonzero(~held_out)
    leaks = []
    step = max(1, CELLS_AT_ONCE // len(others))
    for start in range(0, len(kept), step):
        rows = kept[start : start + step]
        cosines = centered[rows] @ centered[others].T
        nearest = cosines.argmax(axis=1)
        for row, at, cosine in zip(rows, nearest, cosines.max(axis=1), strict=True):
            if cosine >= threshold:
                leaks.append(Leak(int(row), int(others[at]), float(cosine), side))
    return leaks
