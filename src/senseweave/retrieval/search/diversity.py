"""Maximal marginal relevance: good hits that do not repeat each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from senseweave.spaces.batch import unit_rows


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
    tables = _unit_tables(vectors, spaces)
    closest = np.zeros(len(values))
    for position in after:
        _come_closer(closest, position, tables)
    left = sorted(set(range(len(values))).difference(after))
    chosen: list[int] = []
    while left and len(chosen) < k:
        marginal = (1 - diversity) * relevance[left] - diversity * closest[left]
        chosen.append(left.pop(int(np.argmax(marginal))))
        _come_closer(closest, chosen[-1], tables)
    return chosen


_Tables = dict[int, tuple[np.ndarray, np.ndarray, int]]
"""By position, the unit vectors of the candidate's space, shape (n, dimension), their positions, and its own row."""


def _unit_tables(vectors: Sequence[np.ndarray | None], spaces: Sequence[str]) -> _Tables:
    """Return for each candidate that has a vector those that it can be compared with."""
    by_space: dict[str, dict[int, np.ndarray]] = {}
    for position, (vector, space) in enumerate(zip(vectors, spaces, strict=True)):
        if vector is not None:
            by_space.setdefault(space, {})[position] = vector
    tables: _Tables = {}
    for known in by_space.values():
        units, positions = unit_rows(np.stack(list(known.values())), allow_zero=True), np.array(list(known))
        tables.update({position: (units, positions, row) for row, position in enumerate(known)})
    return tables


def _come_closer(closest: np.ndarray, position: int, tables: _Tables) -> None:
    """Raise the largest cosine of each candidate, shape (n,), to that with one more, where they can be compared."""
    if position in tables:
        units, positions, row = tables[position]
        # Row by row, so that equal vectors have equal cosines; BLAS may round the last rows of a table differently.
        cosines = np.einsum("nd,d->n", units, units[row])
        closest[positions] = np.maximum(closest[positions], cosines)
