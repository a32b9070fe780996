"""Heads: maps that carry the vectors of an encoder into a space that it shares with another encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np

from senseweave.errors import WeightsError


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return rows scaled to length 1; rows of length 0 stay as they are."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: np.ndarray = vectors / np.where(lengths > 0, lengths, 1)
    return scaled


def scale(vectors: np.ndarray, power: float) -> np.ndarray:
    """Return what every head begins with: values raised to a power with their sign kept, in rows of length 1.

    A power of 1/2 keeps a few large values from deciding the cosine (Hellinger kernel; Arandjelovic and Zisserman 2012,
    "Three things everyone should know to improve object retrieval").
    """
    values = vectors if power == 1.0 else np.sign(vectors) * np.abs(vectors) ** power
    return unit(np.asarray(values, vectors.dtype))


@dataclass(frozen=True, kw_only=True)
class Linear:
    """y = (s(x) - mean) W, with s as in `scale`.

    Attributes:
        mean: Shape (input dimension,), float32.
        weight: Shape (input dimension, output dimension), float32.
        power: Of `scale`.
    """

    kind: ClassVar[str] = "linear"
    mean: np.ndarray
    weight: np.ndarray
    power: float = 1.0

    @property
    def sizes(self) -> tuple[int, int]:
        """Dimensions of its input and its output."""
        return len(self.mean), self.weight.shape[1]

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Map vectors, shape (n, input dimension), to shape (n, output dimension)."""
        mapped: np.ndarray = (scale(vectors, self.power) - self.mean) @ self.weight
        return mapped


@dataclass(frozen=True, kw_only=True)
class Perceptron:
    """A linear map plus a hidden layer: y = z W + tanh(z H + b) O + c, with z = s(x) - mean.

    Attributes:
        mean: Shape (input dimension,), float32.
        weight: W, shape (input dimension, output dimension).
        hidden: H, shape (input dimension, hidden units).
        bias: b, shape (hidden units,).
        output: O, shape (hidden units, output dimension).
        offset: c, shape (output dimension,).
        power: Of `scale`.
    """

    kind: ClassVar[str] = "perceptron"
    mean: np.ndarray
    weight: np.ndarray
    hidden: np.ndarray
    bias: np.ndarray
    output: np.ndarray
    offset: np.ndarray
    power: float = 1.0

    @property
    def sizes(self) -> tuple[int, int]:
        """Dimensions of its input and its output."""
        return len(self.mean), self.weight.shape[1]

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Map vectors, shape (n, input dimension), to shape (n, output dimension)."""
        centered = scale(vectors, self.power) - self.mean
        inside = np.tanh(centered @ self.hidden + self.bias)
        mapped: np.ndarray = centered @ self.weight + inside @ self.output + self.offset
        return mapped


@dataclass(frozen=True, kw_only=True)
class Anchors:
    """Similarities to a bank of vectors as coordinates (arXiv 2209.15430), the largest alone (ASIF, arXiv 2210.01738).

    Attributes:
        mean: Shape (input dimension,), float32; removed before the cosine.
        bank: Unit vectors of the anchors, shape (anchors, input dimension).
        kept: How many of the largest cosines stay; the others become 0, and so do those below 0.
        exponent: Power to which they are raised, so that the nearest anchors count more.
        power: Of `scale`.
    """

    kind: ClassVar[str] = "anchors"
    mean: np.ndarray
    bank: np.ndarray
    kept: int
    exponent: float
    power: float = 1.0

    @property
    def sizes(self) -> tuple[int, int]:
        """Dimensions of its input and its output."""
        return len(self.mean), len(self.bank)

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Map vectors, shape (n, input dimension), to shape (n, anchors)."""
        cosines = unit(scale(vectors, self.power) - self.mean) @ self.bank.T
        least = np.partition(cosines, -self.kept, axis=1)[:, -self.kept, None]
        kept: np.ndarray = np.where(cosines >= least, np.maximum(cosines, 0), 0)
        # A vector that resembles no anchor keeps its raw cosines, so that it has a direction.
        empty = ~kept.any(axis=1)
        mapped: np.ndarray = kept ** np.float32(self.exponent)
        mapped[empty] = cosines[empty]
        return mapped


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A linear map of similarities to a bank: y = k(x) W + c, with k_i(x) = exp(width (cos(s(x) - mean, bank_i) - 1)).

    Attributes:
        mean: Shape (input dimension,), float32; removed before the cosine.
        bank: Unit vectors, shape (bank, input dimension).
        weight: W, shape (bank, output dimension).
        offset: c, shape (output dimension,).
        width: How fast the similarity falls with the angle.
        power: Of `scale`.
    """

    kind: ClassVar[str] = "kernel"
    mean: np.ndarray
    bank: np.ndarray
    weight: np.ndarray
    offset: np.ndarray
    width: float
    power: float = 1.0

    @property
    def sizes(self) -> tuple[int, int]:
        """Dimensions of its input and its output."""
        return len(self.mean), self.weight.shape[1]

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Map vectors, shape (n, input dimension), to shape (n, output dimension)."""
        cosines = unit(scale(vectors, self.power) - self.mean) @ self.bank.T
        mapped: np.ndarray = np.exp(np.float32(self.width) * (cosines - 1)) @ self.weight + self.offset
        return mapped


Branch: TypeAlias = Linear | Perceptron | Anchors | Kernel
KINDS: Final[dict[str, type[Branch]]] = {kind.kind: kind for kind in (Linear, Perceptron, Anchors, Kernel)}


@dataclass(frozen=True)
class Head:
    """The map of one side of an alignment.

    With several branches the cosine of two vectors is the weighted mean of the cosines of their branches: the unit
    vectors of the branches stand side by side, each times the root of its weight.

    Attributes:
        branches: The maps whose vectors stand side by side.
        weights: Their weights, with the sum 1.
    """

    branches: tuple[Branch, ...]
    weights: tuple[float, ...] = field(default=(1.0,))

    @property
    def sizes(self) -> tuple[int, int]:
        """Dimensions of its input and its output."""
        return self.branches[0].sizes[0], sum(branch.sizes[1] for branch in self.branches)

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Map vectors, shape (n, input dimension), to unit vectors of shape (n, output dimension), float32."""
        given = np.asarray(vectors, np.float32)
        parts = [
            np.float32(weight**0.5) * unit(branch.apply(given))
            for branch, weight in zip(self.branches, self.weights, strict=True)
        ]
        return unit(np.concatenate(parts, axis=1).astype(np.float32))

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Return the arrays of all branches by name, as `read_head` takes them."""
        return {
            f"{prefix}.{number}.{name}": np.ascontiguousarray(value, np.float32)
            for number, branch in enumerate(self.branches)
            for name, value in _values(branch)
            if isinstance(value, np.ndarray)
        }

    def settings(self) -> list[dict[str, Any]]:
        """Return what is no array of each branch: its kind, its weight and its numbers."""
        return [
            {
                "kind": branch.kind,
                "share": weight,
                **{name: value for name, value in _values(branch) if not isinstance(value, np.ndarray)},
            }
            for branch, weight in zip(self.branches, self.weights, strict=True)
        ]

    @property
    def sha256(self) -> str:
        """The hash of everything that decides its vectors."""
        digest = hashlib.sha256(repr([sorted(entry.items()) for entry in self.settings()]).encode())
        for name, array in sorted(self.arrays("head").items()):
            digest.update(f"{name} {array.shape}".encode())
            digest.update(array.astype("<f4").tobytes())
        return digest.hexdigest()


def join(heads: Sequence[Head], weights: Sequence[float]) -> Head:
    """Return the head whose cosines are the weighted means of those of others.

    Args:
        heads: Heads of equal input.
        weights: Their weights; scaled to the sum 1.
    """
    total = sum(weights)
    branches = tuple(branch for head in heads for branch in head.branches)
    shares = (share * weight / total for head, weight in zip(heads, weights, strict=True) for share in head.weights)
    return Head(branches, tuple(shares))


def read_head(name: str, prefix: str, settings: Any, arrays: Mapping[str, np.ndarray]) -> Head:
    """Return the head that `Head.arrays` and `Head.settings` describe.

    Args:
        name: What the folder is called, for errors.
        prefix: As for `Head.arrays`.
        settings: As `Head.settings` returned them.
        arrays: Arrays by name.

    Raises:
        WeightsError: If they describe no head, or arrays are missing or of other shapes.
    """
    try:
        branches = tuple(_read_branch(f"{prefix}.{number}.", entry, arrays) for number, entry in enumerate(settings))
        head = Head(branches, tuple(float(entry["share"]) for entry in settings))
        inputs = {branch.sizes[0] for branch in branches}
        if len(inputs) != 1 or not all(share > 0 for share in head.weights):
            msg = "its branches take vectors of different dimensions, or have no weight"
            raise ValueError(msg)
        head.apply(np.ones((1, *inputs), np.float32))  # shapes that do not fit show here
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        msg = f"{name}: the head of the {prefix} is incomplete or damaged ({type(error).__name__}: {error})"
        raise WeightsError(msg) from error
    return head


def _values(branch: Branch) -> list[tuple[str, Any]]:
    return [(entry.name, getattr(branch, entry.name)) for entry in fields(branch)]


def _read_branch(prefix: str, entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Branch:
    kind: Any = KINDS[entry["kind"]]
    values: dict[str, Any] = {}
    for known in fields(kind):
        if known.type == "np.ndarray":
            values[known.name] = np.asarray(arrays[prefix + known.name], np.float32)
        else:
            values[known.name] = (int if known.type == "int" else float)(entry[known.name])
    branch: Branch = kind(**values)
    return branch
