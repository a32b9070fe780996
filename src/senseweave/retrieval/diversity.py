"""Maximal marginal relevance: good hits that do not repeat each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def marginal_relevance(
    scores: Sequence[float], vectors: Sequence[np.ndarray | None], spaces: Sequence[str], k: int, diversity: float
) -> list[int]:
    """Order candidates by relevance and by how much they differ from those before (Carbonell and Goldstein 1998).

    Each step takes the candidate with the largest (1 - diversity) * r - diversity * max_j c(i, j), with r the score
    stretched to [0, 1] over the candidates and c the cosine with a candidate j chosen before. Vectors of different
    spaces are not comparable and count as having nothing in common.

    Args:
        scores: Calibrated scores, larger is better.
        vectors: One vector per candidate, of any length above 0.
        spaces: The space of each vector.
        k: How many to choose.
        diversity: From 0 (by score alone) to 1.

    Returns:
        Positions of the chosen candidates, in the order of choice.

    Raises:
        ValueError: If `diversity` is not within [0, 1].
    """
    if not 0 <= diversity <= 1:
        msg = f"diversity lies between 0 and 1, not {diversity}"
        raise ValueError(msg)
    values = np.asarray(scores, dtype=np.float64)
    if not values.size:
        return []
    spread = values.max() - values.min()
    relevance = (values - values.min()) / spread if spread > 0 else np.ones_like(values)
    closest = np.zeros(len(values))
    left = list(range(len(values)))
    chosen: list[int] = []
    while left and len(chosen) < k:
        marginal = [(1 - diversity) * relevance[i] - diversity * closest[i] for i in left]
        pick = left.pop(int(np.argmax(marginal)))
        chosen.append(pick)
        for i in left:
            closest[i] = max(closest[i], _cosine(vectors[i], vectors[pick]) if spaces[i] == spaces[pick] else 0.0)
    return chosen


def _cosine(a: np.ndarray | None, b: np.ndarray | None) -> float:
    if a is None or b is None:
        return 0.0
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm > 0 else 0.0
