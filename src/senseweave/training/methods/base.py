"""What a method of alignment is: settings to choose from, and a function that fits both heads to vectors of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np

from senseweave.encoders.parts.heads import Head, Kernel, Linear, scale, unit

Settings: TypeAlias = Mapping[str, Any]
MOST_OF_BANK: Final = 2000
"""Vectors that a kernel compares with; it bounds what a head holds and costs."""
MOST_FEATURES: Final = 512
SMALLEST: Final = 1e-7
"""Share of the largest eigenvalue below which a component of a kernel is noise of rounding."""


@dataclass(frozen=True)
class PairVectors:
    """Vectors of pairs: row i of both sides belongs together.

    Attributes:
        source: Shape (n, source dimension).
        target: Shape (n, target dimension).
        loose_source: Vectors of media of the source's modality without a partner: how such vectors are spread.
        loose_target: The same of the target's modality.
        taught_source: The source's vectors of media that both models embed, which the target can teach it.
        taught_target: The target's vectors of the same media.
        groups: A number for the document of each pair, shape (n,).
    """

    source: np.ndarray
    target: np.ndarray
    loose_source: np.ndarray
    loose_target: np.ndarray
    taught_source: np.ndarray
    taught_target: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, source: np.ndarray, target: np.ndarray, groups: np.ndarray | None = None) -> PairVectors:
        """Return pairs without further media; each is a document of its own if there are no groups."""
        numbers = np.arange(len(source)) if groups is None else groups
        return cls(source, target, source[:0], target[:0], source[:0], target[:0], numbers)

    def __len__(self) -> int:
        return len(self.source)

    def rows(self, chosen: np.ndarray) -> PairVectors:
        """Return some of the pairs, by positions or a mask, with all further media."""
        return replace(self, source=self.source[chosen], target=self.target[chosen], groups=self.groups[chosen])


@dataclass(frozen=True)
class Heads:
    """The heads of both sides."""

    source: Head
    target: Head


@dataclass(frozen=True)
class Method:
    """A method of alignment, as its module describes it.

    Attributes:
        name: By which `senseweave.align` takes it.
        paper: Where it was published.
        settings: `settings(pairs)` returns the settings to choose from, the usual first.
        fit: `fit(pairs, settings, seed)` yields the heads for each of several settings, in their order; what they have
            in common is computed once.
        cost: `cost(pairs)` estimates the floating-point operations of all settings, for methods that train step by
            step, which `auto` tries only where time allows; None for closed forms.
    """

    name: str
    paper: str
    settings: Callable[[PairVectors], list[Settings]]
    fit: Callable[[PairVectors, Sequence[Settings], int], Iterator[Heads]]
    cost: Callable[[PairVectors], float] | None = None


@dataclass(frozen=True)
class Features:
    """Centered features of one side, in which a method is linear: the vectors themselves, or those of a kernel.

    Attributes:
        rows: Of the pairs, shape (n, features), float64.
        loose: Of media without a partner, as `rows`.
        mean: What was removed from the features.
        inputs: What was removed from the vectors, shape (dimension,).
        power: Of `scale`.
        width: Of the kernel; 0 for the vectors themselves.
        bank: Unit vectors of the kernel, shape (bank, dimension).
        basis: Maps similarities to the bank to features, shape (bank, features).
    """

    rows: np.ndarray
    loose: np.ndarray
    mean: np.ndarray
    inputs: np.ndarray
    power: float = 1.0
    width: float = 0.0
    bank: np.ndarray | None = None
    basis: np.ndarray | None = None

    def head(self, weight: np.ndarray) -> Head:
        """Return the head that maps centered features by `weight`, shape (features, output dimension)."""
        mean = self.inputs.astype(np.float32)
        if self.bank is None or self.basis is None:
            return Head((Linear(mean=mean, weight=weight.astype(np.float32), power=self.power),))
        return Head(
            (
                Kernel(
                    mean=mean,
                    bank=self.bank.astype(np.float32),
                    weight=(self.basis @ weight).astype(np.float32),
                    offset=(-self.mean @ weight).astype(np.float32),
                    width=self.width,
                    power=self.power,
                ),
            )
        )


def center(vectors: np.ndarray, power: float = 1.0, loose: np.ndarray | None = None) -> Features:
    """Scale vectors, and remove the mean of all of them, those without a partner included."""
    rows = scale(np.asarray(vectors, np.float64), power)
    others = rows[:0] if loose is None else scale(np.asarray(loose, np.float64), power)
    mean = np.concatenate([rows, others]).mean(axis=0)
    return Features(rows - mean, others - mean, mean, mean, power)


def kernel_features(
    vectors: np.ndarray, power: float, width: float, loose: np.ndarray | None = None, seed: int = 0
) -> Features:
    """Return features whose dot products are the similarities of `Kernel`, exactly or nearly.

    They are the principal components of the kernel (Schoelkopf, Smola and Mueller 1998, "Nonlinear component analysis
    as a kernel eigenvalue problem"); of many vectors, of a random part of them (Williams and Seeger 2001, "Using the
    Nystroem method to speed up kernel machines").

    Args:
        vectors: Vectors of one side of the pairs, shape (n, dimension).
        power: Of `scale`.
        width: How fast the similarity falls with the angle; 0 for the centered vectors themselves.
        loose: Vectors of media without a partner.
        seed: Of the random part.
    """
    centered = center(vectors, power, loose)
    if width == 0:
        return centered
    units, others = unit(centered.rows), unit(centered.loose)
    bank = units
    if len(units) > MOST_OF_BANK:
        bank = units[np.sort(np.random.default_rng(seed).choice(len(units), MOST_OF_BANK, replace=False))]
    values, directions = np.linalg.eigh(np.exp(width * (bank @ bank.T - 1)))
    kept = np.flatnonzero(values > SMALLEST * values[-1])[-MOST_FEATURES:]
    basis = directions[:, kept] / np.sqrt(values[kept])
    rows = np.exp(width * (units @ bank.T - 1)) @ basis
    more = np.exp(width * (others @ bank.T - 1)) @ basis
    mean = np.concatenate([rows, more]).mean(axis=0)
    return Features(rows - mean, more - mean, mean, centered.inputs, power, width, bank, basis)


def powers(vectors: np.ndarray) -> tuple[float, ...]:
    """Return the powers of `scale` that are worth trying: roots too where values are of one sign, as after a ReLU."""
    return (1.0, 0.5) if (vectors >= 0).all() else (1.0,)
