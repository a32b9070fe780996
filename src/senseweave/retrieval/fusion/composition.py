"""Queries of several weighted parts, made into one vector whose scores are exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from senseweave.media import Modality
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.base import FusionMethod
from senseweave.retrieval.fusion.registry import METHODS
from senseweave.spaces.batch import unit_rows


@dataclass(frozen=True)
class EmbeddedPart:
    """A part of a query, embedded in one space.

    Attributes:
        vector: Unit vector, shape (dimension,), float32.
        modality: The modality of the part.
        weight: The weight of the part in the query; negative to push its matches down.
        length: Length of the vector as the model made it, before it was scaled to 1.
    """

    vector: np.ndarray
    modality: Modality
    weight: float
    length: float = 1.0


def compose_query(
    parts: Sequence[EmbeddedPart], cells: Sequence[Statistics | None], method: FusionMethod, length: float
) -> tuple[np.ndarray, Statistics | None]:
    """Return one vector and one set of statistics for several parts, so that a single search gives the exact ranking.

    The score is sum_i w_i z_i / L with z_i = (q_i . d - m_i) / s_i, which is linear in d: it equals
    (c - M) / S for the cosine c of d with u = sum_i (w_i / s_i) q_i, with M = sum_i (w_i m_i / s_i) / |u| and
    S = L / |u|. Methods without statistics have s_i = 1 and m_i = 0: they score the list of sum_i w_i (q_i . d) / L.

    Args:
        parts: The parts that the space can embed, at least one.
        cells: The statistics of each part's cell; None where they are not known.
        method: The fusion method, which says what m and s are.
        length: L, the length of the query's weights, those of parts that the space cannot embed included.

    Returns:
        The query's vector, shape (dimension,), float32, of length 1 (or 0 if the parts cancel out), and the statistics
        to score its similarities with by `method.score`.

    Raises:
        ValueError: If the method's score is not linear in the similarity, or it lacks the statistics of a part.
    """
    if len(parts) == 1 and parts[0].weight > 0 and math.isclose(length, parts[0].weight):
        (part,), (cell,) = parts, cells
        return part.vector, cell.for_query(part.vector) if cell is not None else None
    vector, offset = np.zeros(len(parts[0].vector), np.float64), 0.0
    for part, cell in zip(parts, cells, strict=True):
        location, scale = _location_scale(method, part, cell)
        vector += part.weight / scale * part.vector
        offset += part.weight * location / scale
    norm = max(float(np.linalg.norm(vector)), 1e-12)
    composed = Statistics(mean=offset / norm, std=length / norm, origin="composed", composed_for=method.name)
    return (vector / norm).astype(np.float32), composed


def compose_words(cell: Statistics | None, method: FusionMethod, share: float) -> Statistics | None:
    """Return the statistics to score a list with that is searched by the words of a query, beside other parts of it.

    Args:
        cell: The statistics of the list; None where they are not known.
        method: The fusion method.
        share: The length of the query's weights over the weight of the words: 1 for a query of nothing else.

    Raises:
        ValueError: If there are other parts, and the method's score is not linear in the scores of the list.
    """
    if cell is None or not method.needs_statistics or math.isclose(share, 1.0):
        return cell
    location, deviation = _location_scale(method, EmbeddedPart(np.zeros(1, np.float32), "text", 1.0), cell)
    return Statistics(mean=location, std=deviation * share, origin="composed", composed_for=method.name)


def unit(vector: np.ndarray) -> np.ndarray:
    """Return the vector scaled to length 1, float32; a vector of length 0 stays as it is."""
    scaled: np.ndarray = unit_rows(vector, allow_zero=True)[0]
    return scaled


def _location_scale(method: FusionMethod, part: EmbeddedPart, cell: Statistics | None) -> tuple[float, float]:
    known = method.check(cell).for_query(part.vector) if method.composable and method.needs_statistics else None
    found = method.location_scale(known)
    if found is None:
        composable = ", ".join(name for name, other in METHODS.items() if other.composable)
        msg = (
            f"{method.name} cannot score a query of several weighted parts: its score is not linear in the similarity; "
            f"use one of {composable}"
        )
        raise ValueError(msg)
    return found
