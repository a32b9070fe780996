"""The contents of one space as points: a vector each, with modalities balanced so that they mix by meaning."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from senseweave.explore.explored_index import ExploredIndex
from senseweave.media import Modality
from senseweave.redaction import quoted
from senseweave.retrieval.listing import IndexRecord
from senseweave.retrieval.records.identity import content_key, picture_provenance
from senseweave.spaces.batch import unit_rows

FEW: Final = 4
"""Number of records of a modality whose mean and the mean of all count alike: a few are not their own mean."""
BLOCK: Final = 1024
"""Rows that are compared with all others at a time."""


@dataclass(frozen=True)
class Points:
    """Different contents of an index, in one space.

    Attributes:
        records: One for each content, without its vector.
        vectors: Unit vectors, shape (n, dimension), float32.
        space: Name of the space.
    """

    records: Sequence[IndexRecord]
    vectors: np.ndarray
    space: str

    @cached_property
    def modalities(self) -> np.ndarray:
        """The modality of each point, shape (n,); `image` for words that were read in a picture."""
        return np.array([shown_modality(record) for record in self.records], dtype="<U5")

    @cached_property
    def balanced(self) -> np.ndarray:
        """The vectors with modalities balanced; see `balance`."""
        return balance(self.vectors, self.modalities)


def gather_points(
    index: ExploredIndex,
    *,
    space: str | None = None,
    modalities: Collection[Modality] | None = None,
    filter: Any = None,  # noqa: A002  (what every store calls it)
) -> Points:
    """Return the contents of an index in one space, each once whatever the number of its sources.

    Args:
        index: The index.
        space: Name of the space; None for the one with most records.
        modalities: Only these modalities; None for all.
        filter: A condition on metadata; None for all records.

    Raises:
        ValueError: If the index has no space of this name.
    """
    counts: dict[str, int] = {}
    for description in index._store.descriptions.values():
        counts[description.space] = counts.get(description.space, 0) + index._store.count(description)
    if space is not None and space not in counts:
        msg = f"the index has no space {quoted(space)}; its spaces are {', '.join(counts)}"
        raise ValueError(msg)
    chosen = space if space is not None else max(counts, key=lambda name: counts[name], default="")
    records: list[IndexRecord] = []
    vectors: list[np.ndarray] = []
    known: set[object] = set()
    for record in index.records(filter=filter, modalities=modalities, vectors=True):
        key = content_key(record.provenance, record.text) or record.id
        if record.space == chosen and record.vector is not None and key not in known:
            known.add(key)
            vectors.append(record.vector)
            records.append(IndexRecord(record.id, record.space, record.text, record.provenance, policy=record.policy))
    rows = unit_rows(np.stack(vectors), allow_zero=True) if vectors else np.zeros((0, 1), np.float32)
    return Points(records, rows, chosen)


def shown_modality(record: IndexRecord) -> Modality:
    """Return the modality of what a user is shown: `image` for words that were read in a picture."""
    return record.modality if picture_provenance(record.provenance) is None else "image"


def balance(vectors: np.ndarray, modalities: np.ndarray) -> np.ndarray:
    """Return unit vectors from which what their modality has in common is taken.

    Vectors of one modality lie in a cone of their own (the modality gap: Liang et al. 2022, arXiv 2203.02053), so that
    neighbors are of the same modality whatever they mean. The mean of each modality is taken away, drawn towards the
    mean of all where there are few: w * mean + (1 - w) * mean of all, with w = n^2 / (n^2 + FEW^2).

    Args:
        vectors: Unit vectors, shape (n, dimension).
        modalities: The modality of each, shape (n,).

    Returns:
        Shape (n, dimension), float32, rows of length 1 (or 0 where nothing is left).
    """
    if not len(vectors):
        return vectors
    means = np.stack([vectors[modalities == modality].mean(axis=0) for modality in np.unique(modalities)])
    center = means.mean(axis=0)
    balanced = np.array(vectors, dtype=np.float32)
    for modality, mean in zip(np.unique(modalities), means, strict=True):
        chosen = modalities == modality
        weight = chosen.sum() ** 2 / (chosen.sum() ** 2 + FEW**2)
        balanced[chosen] -= weight * mean + (1 - weight) * center
    return unit_rows(balanced, allow_zero=True)


def nearest(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `k` nearest other rows of each row, exactly, and their cosine similarities, nearest first.

    Args:
        vectors: Unit vectors, shape (n, dimension).
        k: How many, less than n.

    Returns:
        Positions and similarities, each of shape (n, min(k, n - 1)).
    """
    k = min(k, len(vectors) - 1)
    if k < 1:
        return np.zeros((len(vectors), 0), np.int64), np.zeros((len(vectors), 0), np.float32)
    places, values = [], []
    for start, similarities in blocks(vectors):
        rows = np.arange(len(similarities))
        similarities[rows, start + rows] = -np.inf
        best = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(similarities, best, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        places.append(np.take_along_axis(best, order, axis=1))
        values.append(np.take_along_axis(found, order, axis=1))
    return np.concatenate(places), np.concatenate(values)


def blocks(vectors: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the similarities of some rows with all rows, and the position of the first of these rows."""
    for start in range(0, len(vectors), BLOCK):
        yield start, vectors[start : start + BLOCK] @ vectors.T


def mixing(vectors: np.ndarray, modalities: np.ndarray, k: int = 10) -> float:
    """Return how well modalities mix: the share of other modalities among neighbors, over what chance would give.

    1 is chance, 0 means that no modality has a neighbor of another. Every modality counts alike.

    Args:
        vectors: Unit vectors, or positions on a map, shape (n, dimension).
        modalities: The modality of each, shape (n,).
        k: Number of neighbors.

    Returns:
        The ratio; NaN if there is a single modality.
    """
    names = np.unique(modalities)
    if len(names) < 2:
        return float("nan")
    if vectors.shape[1] == 2:  # positions: nearest by distance, as cosines in three dimensions give it for a small map
        span = max(float(np.abs(vectors - vectors.mean(axis=0)).max()), 1e-12)
        near = (vectors - vectors.mean(axis=0)) / span * 0.01
        vectors = unit_rows(np.column_stack([near, np.ones(len(near))]).astype(np.float64))
    places, _ = nearest(vectors, k)
    others = modalities[places] != modalities[:, None]
    total = len(modalities)
    ratios = [
        others[modalities == name].mean() / ((total - (modalities == name).sum()) / (total - 1)) for name in names
    ]
    return float(np.mean(ratios))
