"""Before and after training, on rows that were held back: better, worse, or impossible to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from senseweave.evaluation.significance import Difference, Interval, Verdict, bootstrap, paired_bootstrap
from senseweave.media import Media
from senseweave.training.measures import CUTOFF, rank

Embed = Callable[[Sequence[Media], Literal["query", "document"]], np.ndarray]
"""Returns unit vectors of media in a role, shape (n, dimension)."""
NDCG: Final = "nDCG@10"
SPEARMAN: Final = "Spearman"
TO_TEACHER: Final = "cosine to the teacher"


@dataclass(frozen=True)
class Failure:
    """A held-out query whose answer the tuned model ranks low.

    Attributes:
        query: What was asked.
        expected: An answer that is right.
        found: What came first in its place.
        rank: Where the right answer stands, from 1.
    """

    query: str
    expected: str
    found: str
    rank: int


@dataclass(frozen=True)
class Retrieval:
    """Queries with their right answers in a collection.

    Attributes:
        queries: What is asked.
        corpus: What is searched.
        relevant: Positions in `corpus` that answer each query.
    """

    queries: Sequence[Media]
    corpus: Sequence[Media]
    relevant: Sequence[frozenset[int]]

    def measures(self, embed: Embed) -> dict[str, np.ndarray]:
        """Return each measure by name, a value per query; the first decides.

        recall@1 says whether a right answer comes first, and recall@10 counts of as many right answers as fit in ten.
        """
        cosines = embed(self.queries, "query") @ embed(self.corpus, "document").T
        right = np.zeros(cosines.shape, bool)
        for row, answers in zip(right, self.relevant, strict=True):
            row[list(answers)] = True
        ranking, count = rank(cosines, right), right.sum(axis=1)
        return {
            NDCG: ranking.ndcg,
            "recall@1": (ranking.ranks == 1).astype(float),
            "recall@10": ranking.recall[CUTOFF] * count / np.minimum(count, CUTOFF),
            "MRR": 1 / ranking.ranks,
        }

    def failures(self, embed: Embed, most: int = 5) -> list[Failure]:
        """Return the queries whose right answer stands lowest, worst first."""
        cosines = embed(self.queries, "query") @ embed(self.corpus, "document").T
        found = []
        for query, row, right in zip(self.queries, cosines, self.relevant, strict=True):
            best = max(right, key=lambda at: row[at])
            top = int(row.argmax())
            rank = 1 + int((row > row[best]).sum())
            if rank > 1:
                found.append(
                    Failure(show_media(query), show_media(self.corpus[best]), show_media(self.corpus[top]), rank)
                )
        return sorted(found, key=lambda failure: -failure.rank)[:most]


@dataclass(frozen=True)
class Comparison:
    """Two models on the same held-out queries.

    Attributes:
        before, after: The measures by name, with bootstrap intervals over queries.
        difference: `after - before` of the first measure, by paired bootstrap.
        queries: How many there are.
    """

    before: Mapping[str, Interval]
    after: Mapping[str, Interval]
    difference: Difference
    queries: int

    @property
    def measure(self) -> str:
        """The measure that decides."""
        return next(iter(self.before))

    @property
    def verdict(self) -> Verdict:
        """Whether the interval of the difference lies above 0, below it, or around it."""
        return self.difference.verdict


def compare_retrieval(task: Retrieval, before: Embed, after: Embed, *, seed: int = 0) -> Comparison:
    """Compare two models as retrievers."""
    old, new = task.measures(before), task.measures(after)
    first = next(iter(old))
    return Comparison(
        {name: bootstrap(values.tolist(), seed=seed) for name, values in old.items()},
        {name: bootstrap(values.tolist(), seed=seed) for name, values in new.items()},
        paired_bootstrap(new[first].tolist(), old[first].tolist(), seed=seed),
        len(task.queries),
    )


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs with the similarity that they should have.

    Attributes:
        first, second: The items of each pair.
        scores: What is wanted, in any unit: only the order counts.
    """

    first: Sequence[Media]
    second: Sequence[Media]
    scores: np.ndarray

    def cosines(self, embed: Embed) -> np.ndarray:
        """Return the cosine of each pair, shape (n,)."""
        cosines: np.ndarray = (embed(self.first, "query") * embed(self.second, "document")).sum(axis=1)
        return cosines


def compare_pairs(
    task: ScoredPairs, before: Embed, after: Embed, *, samples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Comparison:
    """Compare two models by Spearman's rank correlation of cosines and wanted scores, with a bootstrap over pairs."""
    old, new = task.cosines(before), task.cosines(after)
    draws = np.random.default_rng(seed).integers(0, len(old), (samples, len(old)))
    pairs = np.array([(spearman(old[at], task.scores[at]), spearman(new[at], task.scores[at])) for at in draws])
    steps = [(1 - confidence) / 2, (1 + confidence) / 2]
    was, now = spearman(old, task.scores), spearman(new, task.scores)
    differences = pairs[:, 1] - pairs[:, 0]
    far = np.abs(differences - differences.mean()) >= abs(now - was)
    ends = [[float(value) for value in np.quantile(column, steps)] for column in (*pairs.T, differences)]
    return Comparison(
        {SPEARMAN: Interval(was, ends[0][0], ends[0][1])},
        {SPEARMAN: Interval(now, ends[1][0], ends[1][1])},
        Difference(now - was, ends[2][0], ends[2][1], p_value=float(far.mean())),
        len(old),
    )


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's rank correlation, equal values sharing their mean rank; 0 where all values are equal."""
    ranks = [_ranks(values) for values in (first, second)]
    spread = [float(row.std()) for row in ranks]
    if not all(spread):
        return 0.0
    return float(((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())).mean() / (spread[0] * spread[1]))


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


@dataclass(frozen=True)
class TeacherVectors:
    """Items with the vectors that a teacher gives them, unit rows of shape (n, dimension)."""

    items: Sequence[Media]
    vectors: np.ndarray


def compare_to_teacher(task: TeacherVectors, before: Embed, after: Embed, *, seed: int = 0) -> Comparison:
    """Compare two models by how near they come to a teacher: the cosine of each item."""
    old, new = ((embed(task.items, "document") * task.vectors).sum(axis=1).tolist() for embed in (before, after))
    return Comparison(
        {TO_TEACHER: bootstrap(old, seed=seed)},
        {TO_TEACHER: bootstrap(new, seed=seed)},
        paired_bootstrap(new, old, seed=seed),
        len(old),
    )


@dataclass(frozen=True)
class Forgetting:
    """What training did to data of the kind that the base was made for.

    Attributes:
        comparison: Of base and tuned model as retrievers of that data.
        neighbors_kept: Mean share of the ten nearest neighbors of an item that are the same before and after.
        source: What the data are.
    """

    comparison: Comparison
    neighbors_kept: float
    source: str


def measure_forgetting(task: Retrieval, before: Embed, after: Embed, source: str, *, seed: int = 0) -> Forgetting:
    """Compare two models on data that neither was trained on for the task at hand."""
    kept = [_neighbors(embed(task.corpus, "document")) for embed in (before, after)]
    shares = [len(set(old) & set(new)) / len(old) for old, new in zip(*kept, strict=True)]
    return Forgetting(compare_retrieval(task, before, after, seed=seed), float(np.mean(shares)), source)


def _neighbors(vectors: np.ndarray) -> np.ndarray:
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")[:, : min(CUTOFF, len(vectors) - 1)]


def show_media(media: Media) -> str:
    """Return a text, or the source of other media, cut to what a line of a report holds."""
    from senseweave.display import shorten

    return shorten(str(media.decode()) if media.modality == "text" else media.source, 120)
