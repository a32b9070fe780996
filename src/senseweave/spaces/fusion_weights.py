"""Learn how much each part of fused media counts, from questions with known answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Final

import numpy as np

from senseweave.media import Media, Text
from senseweave.media.fused import Fused, fuse
from senseweave.spaces.space import Space

STEPS: Final = 20
"""Weights are multiples of 1/20: finer steps change the mean by less than pairs of this number can tell."""
TEMPERATURE: Final = 0.05
"""Of the softmax over items, that of many contrastive losses (Gao et al. 2021, arXiv 2104.08821, section 3)."""
MOST_PARTS: Final = 5


@dataclass(frozen=True)
class FusionWeights:
    """Weights for `senseweave.fuse`, and how well they answer the questions that they were learned from.

    Attributes:
        weights: By name of part, with the sum 1.
        mrr: Mean reciprocal rank of the first right item with these weights.
        equal_mrr: The same with equal weights.
        pairs: Number of pairs.
    """

    weights: dict[str, float]
    mrr: float
    equal_mrr: float
    pairs: int


def learn_weights(space: Space, pairs: Sequence[tuple[str | Media, Mapping[str, Any]]]) -> FusionWeights:
    """Learn the weights of `senseweave.fuse` for one kind of item.

    Every combination of weights in steps of 1/20 is tried; the best has the least mean of -log p, with p the softmax of
    the cosines over all items at temperature 0.05, summed over the right items of a question. Of equal combinations the
    one nearest to equal weights is taken, so that the result depends on nothing but the pairs.

        learned = sw.learn_weights(space, [("kettle", {"image": "1.jpg", "text": "1.7 l, red"}), ...])
        sw.fuse({"image": "2.jpg", "text": "a lamp"}, weights=learned.weights)

    Args:
        space: Embeds the parts.
        pairs: Questions, each with the parts of an item that answers it, as `senseweave.fuse` takes them. A question or
            the very same mapping of parts may be in several pairs.

    Raises:
        ValueError: If there are fewer than two items, or items have different parts.
        MediaError: If a question or a part cannot be read; the message names the part.
    """
    items = list({id(parts): parts for _, parts in pairs}.values())
    if len(items) < 2:
        msg = f"learn_weights needs pairs of at least two items, and was given {len(items)}"
        raise ValueError(msg)
    fused = [fuse(parts, policy=space.policy) for parts in items]
    names = tuple(fused[0].parts)
    for number, item in enumerate(fused, 1):
        if set(item.parts) != set(names):
            msg = f"item {number} has the parts {', '.join(item.parts)}, and the first {', '.join(names)}"
            raise ValueError(msg)
    if len(names) > MOST_PARTS:
        msg = f"learn_weights learns weights of at most {MOST_PARTS} parts, and was given {len(names)}"
        raise ValueError(msg)
    questions, right = _questions(pairs, items)
    asked = space.embed(questions, role="query")
    vectors = np.stack([_embed_part(space, fused, name) for name in names])
    equal = (1 / len(names),) * len(names)
    candidates = [equal, *_simplex(len(names))]
    losses = [round(_loss(_cosines(asked, vectors, weights), right), 9) for weights in candidates]
    distances = [sum((weight - 1 / len(names)) ** 2 for weight in weights) for weights in candidates]
    best = min(range(len(candidates)), key=lambda at: (losses[at], distances[at], candidates[at]))
    return FusionWeights(
        dict(zip(names, candidates[best], strict=True)),
        _mrr(_cosines(asked, vectors, candidates[best]), right),
        _mrr(_cosines(asked, vectors, equal), right),
        len(pairs),
    )


def _questions(
    pairs: Sequence[tuple[str | Media, Mapping[str, Any]]], items: Sequence[Mapping[str, Any]]
) -> tuple[list[Media], np.ndarray]:
    """Return the distinct questions, and which items are right for each, shape (questions, items), bool."""
    questions: dict[Media, int] = {}
    places = {id(parts): at for at, parts in enumerate(items)}
    found = []
    for question, parts in pairs:
        media = Text(question) if isinstance(question, str) else question
        found.append((questions.setdefault(media, len(questions)), places[id(parts)]))
    right = np.zeros((len(questions), len(items)), bool)
    for row, column in found:
        right[row, column] = True
    return list(questions), right


def _embed_part(space: Space, fused: Sequence[Fused], name: str) -> np.ndarray:
    """Return the vectors of one part of every item, shape (items, dimension)."""
    batch = space.encode([item.parts[name] for item in fused], on_error="skip")
    if batch.failed:
        error = batch.failed[0]
        position = error.position or 0
        raise fused[position].part_error(name, error).at(position, len(fused))
    return batch.vectors


def _simplex(parts: int) -> Iterator[tuple[float, ...]]:
    """Yield every combination of weights in steps, with the sum 1."""
    for bars in combinations(range(STEPS + parts - 1), parts - 1):
        edges = (-1, *bars, STEPS + parts - 1)
        yield tuple((high - low - 1) / STEPS for low, high in pairwise(edges))


def _cosines(asked: np.ndarray, vectors: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Return the cosines of questions and fused items, shape (questions, items)."""
    mean = np.tensordot(np.asarray(weights, np.float32), vectors, axes=1)
    lengths = np.linalg.norm(mean, axis=1)
    units = mean / np.where(lengths > 0, lengths, 1)[:, None]
    cosines: np.ndarray = asked / np.linalg.norm(asked, axis=1, keepdims=True) @ units.T
    return cosines


def _loss(cosines: np.ndarray, right: np.ndarray) -> float:
    scores = np.exp((cosines.astype(np.float64) - cosines.max(axis=1, keepdims=True)) / TEMPERATURE)
    return float(-np.log((scores * right).sum(axis=1) / scores.sum(axis=1) + 1e-300).mean())


def _mrr(cosines: np.ndarray, right: np.ndarray) -> float:
    best = np.where(right, cosines, -np.inf).max(axis=1, keepdims=True)
    return float((1 / ((~right & (cosines >= best)).sum(axis=1) + 1)).mean())
