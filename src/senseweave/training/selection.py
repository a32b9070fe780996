"""Choose a method and its settings by cross-validation on pairs, within a time budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Final

import numpy as np

from senseweave.concurrency import checkpoint
from senseweave.encoders.parts.heads import join
from senseweave.training.data.splits import folds
from senseweave.training.measures import both_ways
from senseweave.training.methods import METHODS, Heads, PairVectors, Settings

FOLDS: Final = 5
AUTO, BLEND = "auto", "blend"
OPERATIONS_PER_SECOND: Final = 2e10
"""Of a usual core. Time is estimated by it, not measured, so that equal pairs and seeds give an equal choice."""
BLENDED: Final = 3
"""So many of the best methods are tried together."""
STANDARD_ERRORS: Final = 2.0
"""By how many of them, of the paired difference, a blend may be worse than the best candidate and is still taken: what
cross-validation on a few hundred pairs tells apart is less than what an average of methods gains in stability (the
one-standard-error rule of Breiman et al. 1984, "Classification and regression trees", with the 95% interval)."""


def check_method(name: str) -> None:
    """Check that there is a method of that name.

    Raises:
        ValueError: If there is none; the message lists the methods.
    """
    known = (AUTO, BLEND, *METHODS)
    if name not in known:
        msg = f"method must be one of {', '.join(known)}, not {name!r}"
        raise ValueError(msg)


@dataclass(frozen=True)
class Part:
    """A method with settings."""

    method: str
    settings: Settings


@dataclass(frozen=True, eq=False)
class Candidate:
    """A method with settings, or several whose cosines are averaged, and how well it did in cross-validation.

    Attributes:
        parts: The methods, each with settings.
        gains: nDCG@10 of each held-out source and target, in the order of the folds: equal queries for all candidates.
    """

    parts: tuple[Part, ...]
    gains: np.ndarray

    @property
    def name(self) -> str:
        """The name of its method; `blend` for several."""
        return self.parts[0].method if len(self.parts) == 1 else BLEND

    @property
    def score(self) -> float:
        """The mean of its gains."""
        return float(self.gains.mean())

    def describe(self) -> dict[str, Any]:
        """Return its settings as plain values; of several methods by their names."""
        if len(self.parts) == 1:
            return dict(self.parts[0].settings)
        return {part.method: dict(part.settings) for part in self.parts}


@dataclass
class Selection:
    """What cross-validation chose.

    Attributes:
        best: The candidate that is taken.
        candidates: The best of every method, best first.
        skipped: Methods that the time was too short for.
    """

    best: Candidate
    candidates: list[Candidate]
    skipped: list[str] = field(default_factory=list)


def fit_parts(pairs: PairVectors, parts: Sequence[Part], seed: int) -> Heads:
    """Fit a candidate: each method by itself, then their heads joined with equal weights."""
    fitted = [next(METHODS[part.method].fit(pairs, [part.settings], seed)) for part in parts]
    if len(fitted) == 1:
        return fitted[0]
    weights = [1.0] * len(fitted)
    return Heads(join([heads.source for heads in fitted], weights), join([heads.target for heads in fitted], weights))


@dataclass(frozen=True)
class Validation:
    """Pairs with their folds, on which candidates are compared."""

    pairs: PairVectors
    source_keys: np.ndarray
    target_keys: np.ndarray
    fold: np.ndarray
    seed: int

    @classmethod
    def of(
        cls, pairs: PairVectors, source_keys: np.ndarray, target_keys: np.ndarray, groups: np.ndarray, seed: int
    ) -> Validation:
        """Split pairs into folds by document."""
        count = min(FOLDS, len(np.unique(groups)))
        return cls(pairs, source_keys, target_keys, folds(groups, count, seed), seed)

    def splits(self) -> Iterator[tuple[PairVectors, np.ndarray]]:
        """Yield the pairs to train on and the rows to rank, fold by fold."""
        for number in range(int(self.fold.max()) + 1):
            yield self.pairs.rows(self.fold != number), np.flatnonzero(self.fold == number)

    def gains(self, heads: Heads, rows: np.ndarray) -> np.ndarray:
        """Return nDCG@10 of each held-out source, then of each held-out target."""
        _, source_keys = np.unique(self.source_keys[rows], return_inverse=True)
        _, target_keys = np.unique(self.target_keys[rows], return_inverse=True)
        mapped = heads.source.apply(self.pairs.source[rows]), heads.target.apply(self.pairs.target[rows])
        there, back = both_ways(*mapped, source_keys, target_keys)
        return np.concatenate([there.ndcg, back.ndcg])

    def best_settings(self, name: str) -> Candidate:
        """Return a method with its best settings."""
        settings = METHODS[name].settings(next(self.splits())[0])
        gains: list[list[np.ndarray]] = [[] for _ in settings]
        for training, rows in self.splits():
            for number, heads in enumerate(METHODS[name].fit(training, settings, self.seed)):
                checkpoint()
                gains[number].append(self.gains(heads, rows))
        joined = [np.concatenate(parts) for parts in gains]
        best = int(np.argmax([round(float(values.mean()), 9) for values in joined]))
        return Candidate((Part(name, settings[best]),), joined[best])

    def blend(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return every two of some candidates, and all of them, averaged."""
        fitted = [
            [
                (next(METHODS[part.method].fit(training, [part.settings], self.seed)), rows)
                for training, rows in self.splits()
            ]
            for part in (candidate.parts[0] for candidate in candidates)
        ]
        numbers = range(len(candidates))
        groups = [group for size in range(2, len(candidates) + 1) for group in combinations(numbers, size)]
        blends = []
        for group in groups:
            gains = []
            for number, (_, rows) in enumerate(fitted[0]):
                heads = [fitted[member][number][0] for member in group]
                weights = [1.0] * len(group)
                joined = Heads(join([h.source for h in heads], weights), join([h.target for h in heads], weights))
                gains.append(self.gains(joined, rows))
            parts = tuple(candidates[member].parts[0] for member in group)
            blends.append(Candidate(parts, np.concatenate(gains)))
        return blends


def select(
    validation: Validation, method: str, *, seconds: float, step: Callable[[str], None] | None = None
) -> Selection:
    """Choose settings, and with `auto` the method.

    Args:
        validation: The pairs.
        method: Name of a method, `auto` for the best of all and of blends of the best, or `blend` for the best blend.
        seconds: The time for `auto`, see `OPERATIONS_PER_SECOND`; closed forms are tried in any case.
        step: Called with what is tried next.

    Raises:
        ValueError: If there is no such method.
    """
    check_method(method)
    names, skipped = ([method], []) if method in METHODS else _affordable(validation, seconds)
    found = []
    for name in names:
        if step is not None:
            step(name)
        found.append(validation.best_settings(name))
    found.sort(key=lambda candidate: -candidate.score)
    if method in (AUTO, BLEND) and len(found) > 1:
        if step is not None:
            step(BLEND)
        blends = validation.blend(found[:BLENDED])
        best = most_stable(blends if method == BLEND else [*blends, *found])
        shown = best if best in blends else max(blends, key=lambda candidate: candidate.score)
        found = sorted([*found, shown], key=lambda candidate: -candidate.score)
        return Selection(best, found, skipped)
    return Selection(found[0], found, skipped)


def most_stable(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate of the most methods that is not clearly worse than the best; of equally many the best."""
    best = max(candidates, key=lambda candidate: candidate.score)
    for candidate in sorted(candidates, key=lambda candidate: (-len(candidate.parts), -candidate.score)):
        lost = best.gains - candidate.gains
        if float(lost.mean()) <= STANDARD_ERRORS * float(lost.std()) / len(lost) ** 0.5:
            return candidate
    return best


def _affordable(validation: Validation, seconds: float) -> tuple[list[str], list[str]]:
    """Return the methods that the time is enough for, and the others; cheap methods that train come first."""
    training = next(validation.splits())[0]
    count = int(validation.fold.max()) + 1
    costs = {name: count * method.cost(training) for name, method in METHODS.items() if method.cost is not None}
    left = seconds * OPERATIONS_PER_SECOND
    names = [name for name in METHODS if name not in costs]
    for name, cost in sorted(costs.items(), key=lambda entry: entry[1]):
        if cost <= left:
            names.append(name)
            left -= cost
    return names, [name for name in METHODS if name not in names]
