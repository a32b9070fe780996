"""Scores of word matches that can be compared between queries and collections, and what chance offers of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from senseweave.retrieval.calibration.statistics import LEAST_CHANCE, Statistics, expected_best
from senseweave.retrieval.search.words.tokens import Term

PRIOR: Final = 32
"""Phrases that the assumed best score counts for: phrases of another language than the records find nothing."""
PRIOR_BEST: Final = 0.2
"""Best score of an unrelated phrase where nothing is known: what English phrases find among English passages."""
LEAST_BEST: Final = 0.1
"""Least that chance is assumed to offer: phrases find nothing among names of files, where any match is no answer."""

MOST_READ: Final = 2_500
"""Records that the terms of a query may match together: the rarest are taken first, and the rest says little."""
MOST_ALONE: Final = 5_000
"""Records that the rarest term may match by itself."""
NAMES_WEIGHT: Final = 0.5
"""What a match in the name of a file counts, which all chunks of the file share; one among the words counts 1."""
SATURATION: Final = 1.2
LENGTH_SHARE: Final = 0.75
"""k1 and b of BM25, as SQLite's FTS5 has them."""


def take_rarest(counted: Iterable[tuple[int, Term]]) -> list[tuple[int, Term]]:
    """Return the terms to search for, each with the number of records that match it, the rarest first."""
    taken: list[tuple[int, Term]] = []
    read = 0
    for count, term in sorted(counted, key=lambda pair: pair[0]):
        if read + count > (MOST_READ if read else MOST_ALONE):
            break
        taken.append((count, term))
        read += count
    return taken if read else []


def okapi(frequency: float, length: int, average: float) -> float:
    """Return what BM25 multiplies the weight of a phrase by: f (k1 + 1) / (f + k1 (1 - b + b length / average)).

    Args:
        frequency: f, how often the record holds the phrase, weighted by where.
        length: Number of words of the record.
        average: Mean number of words of the records.
    """
    norm = 1 - LENGTH_SHARE + LENGTH_SHARE * length / max(average, 1e-9)
    return frequency * (SATURATION + 1) / (frequency + SATURATION * norm)


def okapi_weight(count: int, records: int) -> float:
    """Return what a term weighs in SQLite's bm25: max(ln((N - n + 0.5) / (n + 0.5)), 1e-6)."""
    return max(math.log((records - count + 0.5) / (count + 0.5)), 1e-6)


def information(count: int, records: int) -> float:
    """Return what it says that a record holds a term of `count` among `records`: ln(1 + (N - n + 0.5) / (n + 0.5)).

    That of Lucene's BM25, which stays above 0 for terms that most records hold.
    """
    return math.log1p((records - count + 0.5) / (count + 0.5))


def scale(weights: Sequence[float], informations: Sequence[float], records: int) -> float:
    """Return the factor that makes BM25 the share of what a query says and of what it takes to single out a record.

    score = BM25 / sum(w) * I / (I + ln(1 + N)), with w the weights of the terms that BM25 sums, I the information in
    all terms, and ln(1 + N) the information that singles out one record among N. The first factor is the share of the
    query that a record of average length matches, so that one word of a long question counts little; the second keeps
    a question of a single common word from being answered by every record that holds the word.

    Args:
        weights: Of the terms, by `okapi_weight`; those that no record holds included.
        informations: Of the same terms, by `information`.
        records: N.
    """
    said = sum(informations)
    return said / (said + math.log1p(records)) / sum(weights)


def chance(scores: Sequence[Sequence[float]], records: int) -> Statistics:
    """Estimate what unrelated queries find among records.

    Args:
        scores: Of each query, those of the records that it matches at all; all others have 0.
        records: Number of records.

    Returns:
        `best` is how far above the mean unrelated queries find their best record, `spread` that of a normal
        distribution whose best of so many draws is there: most scores are 0, and their own deviation says nothing.
    """
    count = max(records, LEAST_CHANCE)
    means = [sum(found) / count for found in scores]
    tops = np.array([max(found, default=0.0) for found in scores])
    above = float(np.sum(tops) - np.sum(means) + PRIOR * PRIOR_BEST) / (len(scores) + PRIOR)
    best = max(above, LEAST_BEST)
    spread = best / expected_best(count)
    top1 = float(tops.mean()) if len(tops) else PRIOR_BEST
    mean = float(np.mean(means)) if means else 0.0
    return Statistics(
        mean=mean,
        std=spread,
        documents=records,
        queries=len(scores),
        spread=spread,
        best=best,
        top1_mean=max(top1, LEAST_BEST),
        top1_std=max(float(tops.std()) if len(tops) else 0.0, spread),
        origin="probes",
    )
