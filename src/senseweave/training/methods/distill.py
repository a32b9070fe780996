"""A student that learns the teacher's vectors: the source's vectors become those of the target, which stay as they are.

Reimers and Gurevych 2020, "Making monolingual sentence embeddings multilingual using knowledge distillation",
arXiv 2004.09813: the mean squared error between the student's and the teacher's vectors. Media without a partner that
both models embed are learned from as well. An index of the target's vectors stays comparable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from senseweave.encoders.parts.heads import Head, Linear, Perceptron, unit
from senseweave.extras import require
from senseweave.training.methods.base import Heads, Method, PairVectors, Settings, center, powers
from senseweave.training.methods.ridge import Regression, choose_strength

HIDDEN: Final = 256
LEARNING_RATE: Final = 1e-3
DECAY: Final = 1e-2
BATCH: Final = 256


def settings(pairs: PairVectors) -> list[Settings]:
    """Return the settings to choose from: steps of training after the closed form, from none on."""
    return [{"power": powers(pairs.source)[-1], "steps": steps, "hidden": HIDDEN} for steps in (0, 100)]


def fit(pairs: PairVectors, chosen: Sequence[Settings], seed: int) -> Iterator[Heads]:
    """Yield the heads for each of several settings: the student, and the teacher unchanged."""
    inputs = np.concatenate([pairs.source, pairs.taught_source])
    wanted = unit(np.concatenate([pairs.target, pairs.taught_target]).astype(np.float64))
    groups = np.concatenate([pairs.groups, pairs.groups.max() + 1 + np.arange(len(pairs.taught_source))])
    size = wanted.shape[1]
    teacher = Head((Linear(mean=np.zeros(size, np.float32), weight=np.eye(size, dtype=np.float32)),))
    for entry in chosen:
        source = center(inputs, entry["power"], pairs.loose_source)
        mean = wanted.mean(axis=0)
        regression = Regression(source.rows, wanted - mean)
        weight = regression.weight(choose_strength(regression, groups))
        yield Heads(_student(source.rows, source.inputs, wanted, mean, weight, entry, seed), teacher)


def _student(
    rows: np.ndarray,
    center_: np.ndarray,
    wanted: np.ndarray,
    mean: np.ndarray,
    weight: np.ndarray,
    entry: Settings,
    seed: int,
) -> Head:
    """Train a hidden layer beside the closed form.

    Args:
        rows: Centered inputs, shape (n, input dimension).
        center_: The mean that was removed from them.
        wanted: Unit vectors of the teacher, shape (n, dimension).
        mean: Their mean.
        weight: The closed form, shape (input dimension, dimension).
        entry: The settings.
        seed: Of the initial weights and the order.
    """
    torch = require("torch", extra="training", feature="the method 'distill'")
    hidden = int(entry["hidden"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        values: dict[str, Any] = {
            "weight": torch.from_numpy(weight.astype(np.float32)),
            "hidden": torch.randn(rows.shape[1], hidden),
            "bias": torch.zeros(hidden),
            "output": torch.zeros(hidden, wanted.shape[1]),
            "offset": torch.from_numpy(mean.astype(np.float32)),
        }
        _descend(torch, rows.astype(np.float32), wanted.astype(np.float32), values, int(entry["steps"]))
    arrays = {name: value.detach().numpy() for name, value in values.items()}
    return Head((Perceptron(mean=center_.astype(np.float32), power=float(entry["power"]), **arrays),))


def _descend(torch: Any, rows: np.ndarray, wanted: np.ndarray, values: dict[str, Any], steps: int) -> None:
    inputs, targets = torch.from_numpy(rows), torch.from_numpy(wanted)
    trained = [value.requires_grad_() for value in values.values()]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, weight_decay=DECAY)
    for _ in range(steps):
        chosen = torch.randperm(len(inputs))[:BATCH]
        loss = distillation_loss(inputs[chosen], targets[chosen], **values)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def distillation_loss(
    inputs: Any, wanted: Any, *, weight: Any, hidden: Any, bias: Any, output: Any, offset: Any
) -> Any:
    """Return the mean squared error of the student's vectors, summed over dimensions."""
    torch = require("torch", extra="training")
    mapped = inputs @ weight + torch.tanh(inputs @ hidden + bias) @ output + offset
    return ((mapped - wanted) ** 2).sum(dim=1).mean()


def cost(pairs: PairVectors) -> float:
    """Estimate the floating-point operations of all settings: closed forms, and steps forward and backward."""
    rows, inputs, outputs = len(pairs) + len(pairs.taught_source), pairs.source.shape[1], pairs.target.shape[1]
    step = 6 * BATCH * (inputs * (outputs + HIDDEN) + HIDDEN * outputs)
    return float(sum(6 * rows * inputs * min(rows, inputs) + entry["steps"] * step for entry in settings(pairs)))


METHOD = Method("distill", "arXiv 2004.09813", settings, fit, cost)
