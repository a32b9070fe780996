"""Maximal marginal relevance: good hits that do not repeat each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def marginal_relevance(
    scores: Sequence[float],
    vectors: Sequence[np.ndarray | None],
    spaces: Sequence[str],
    k: int,
    diversity: float,
    *,
    after: Sequence[int] = (),
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
        after: Positions of candidates that earlier pages chose; the others should differ from these as well.

    Returns:
        Positions of the chosen candidates, in the order of choice.

    Raises:
        ValueError: If `diversity` is not within [0, 1].
    """
    if not 0 <= diversity <= 1:
        msg = f"diversity must be between 0 and 1, not {diversity}"
        raise ValueError(msg)
    values = np.asarray(scores, dtype=np.float64)
    if not values.size:
        return []
    spread = values.max() - values.min()
    relevance = (values - values.min()) / spread if spread > 0 else np.ones_like(values)
    units = [_unit(vector) for vector in vectors]
    closest = np.zeros(len(values))
    for position in after:
        closest = np.maximum(closest, _cosines(position, units, spaces))
    left = sorted(set(range(len(values))).difference(after))
    chosen: list[int] = []
    while left and len(chosen) < k:
        marginal = (1 - diversity) * relevance[left] - diversity * closest[left]
        chosen.append(left.pop(int(np.argmax(marginal))))
        closest = np.maximum(closest, _cosines(chosen[-1], units, spaces))
    return chosen


def _cosines(position: int, units: Sequence[np.ndarray | None], spaces: Sequence[str]) -> np.ndarray:
    """Return the cosine of a candidate with every candidate, 0 where they cannot be compared; shape (n,)."""
    own = units[position]
    return np.array(
        [
            float(own @ unit) if own is not None and unit is not None and space == spaces[position] else 0.0
            for unit, space in zip(units, spaces, strict=True)
        ]
    )


def _unit(vector: np.ndarray | None) -> np.ndarray | None:
    norm = float(np.linalg.norm(vector)) if vector is not None else 0.0
    return vector / norm if vector is not None and norm > 0 else None
