"""Methods that rest on statistics of the cell: the same score means the same in every list."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics

LIFT: Final = 0.8
"""How much of an unrelated query's best score is taken off; chosen on benchmarks/mixed_retrieval."""


def above_chance(scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
    """How far a score lies above what an unrelated document would get by chance for this very query.

    a = (s - e(q) - 0.8 b) / sd. e(q) is the query's own mean over the collection, told from the collection's centre
    (mean-centring per modality, as GR-CLIP does for one shared space, arXiv 2507.19054); b is how far above their own
    mean unrelated queries find their best document, which grows with the collection as the best of many draws does;
    sd is the spread of the background around each query's own mean.

    Returns:
        Shape (n,), float64; around 0 lies the best that chance offers, 3 and more are clear answers.

    Raises:
        ValueError: If the statistics hold no spread and best.
    """
    known = _required(statistics, "above_chance")
    if known.spread is None or known.best is None:
        msg = "above_chance needs spread and best: make the statistics with senseweave.retrieval.background"
        raise ValueError(msg)
    expected = known.expected if known.expected is not None else known.mean
    result: np.ndarray = (np.asarray(scores, dtype=np.float64) - expected - LIFT * known.best) / known.spread
    return result


def zscore(scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
    """Standard deviations above an unrelated document: z = (s - mean) / std of the background.

    Args:
        scores: Cosine similarities, shape (n,).
        statistics: Of the cell.

    Returns:
        Shape (n,), float64; 0 is what an unrelated document gets on average.
    """
    known = _required(statistics, "zscore")
    result: np.ndarray = (np.asarray(scores, dtype=np.float64) - known.mean) / known.std
    return result


def pseudo_positive(scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
    """Standardise by the best match of each unlabelled query: z = (s - top1_mean) / top1_std (arXiv 2511.22141).

    Returns:
        Shape (n,), float64; 0 is what the best match of a sample query gets on average.

    Raises:
        ValueError: If the statistics hold no best matches.
    """
    known = _required(statistics, "pseudo_positive")
    if known.top1_mean is None or known.top1_std is None:
        msg = "pseudo_positive needs top1_mean and top1_std: calibrate with sample queries first"
        raise ValueError(msg)
    result: np.ndarray = (np.asarray(scores, dtype=np.float64) - known.top1_mean) / known.top1_std
    return result


def tail(scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
    """How surprising it is to find a score by chance among all documents of the collection.

    -log10(N * P(Z > z)), z the background's z-score, Z standard normal and N the number of documents; N * P is the
    number of such hits that chance alone gives, as the E-value of sequence search (Karlin and Altschul 1990).

    Returns:
        Shape (n,), float64; above 0 where fewer than one unrelated document is expected to score so high.
    """
    known = _required(statistics, "tail")
    z = zscore(scores, known)
    expected = np.array([log10_normal_tail(float(value)) for value in z])
    return -(math.log10(max(known.documents, 1)) + expected)


def platt(scores: np.ndarray, statistics: Statistics | None) -> np.ndarray:
    """Probability of relevance, fitted to labelled examples: 1 / (1 + exp(-(slope * a + intercept))) (Platt 1999).

    a is the score of `above_chance`, so that slope and intercept hold for every query and as the index grows.

    Raises:
        ValueError: If no labels were given in calibration.
    """
    known = _required(statistics, "platt")
    if known.slope is None or known.intercept is None:
        msg = "platt needs labelled examples: calibrate with labels first"
        raise ValueError(msg)
    logits = known.slope * above_chance(scores, known) + known.intercept
    result: np.ndarray = 1.0 / (1.0 + np.exp(-np.clip(logits, -700, 700)))
    return result


def log10_normal_tail(z: float) -> float:
    """log10 P(Z > z) of a standard normal Z, without underflow.

    Beyond z = 30, where erfc is 0 in double precision, the leading terms of its asymptotic series
    phi(z) / z * (1 - 1/z^2) are used (Abramowitz and Stegun 26.2.12).
    """
    if z < 30:
        return math.log10(0.5 * math.erfc(z / math.sqrt(2)))
    log_density = -0.5 * z * z - 0.5 * math.log(2 * math.pi)
    return (log_density - math.log(z) + math.log1p(-1 / (z * z))) / math.log(10)


def _required(statistics: Statistics | None, method: str) -> Statistics:
    if statistics is None:
        msg = f"{method} needs the statistics of the cell (space, query modality, document modality)"
        raise ValueError(msg)
    return statistics
