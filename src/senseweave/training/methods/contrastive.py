"""Heads trained by a symmetric contrastive loss, which keep each side's neighborhoods.

Symmetric InfoNCE over all pairs (CLIP, arXiv 2103.00020, section 2.3), plus the divergence between the neighborhoods
that an encoder sees and those that its head leaves (STRUCTURE, arXiv 2506.16895, of one level). Training begins at the
canonical directions of `csa`, so that few steps are enough for a few hundred pairs. Pairs that share a source or a
target are no negatives of each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from senseweave.encoders.parts.heads import Head, Perceptron
from senseweave.extras import require
from senseweave.training.measures import distinct
from senseweave.training.methods import csa
from senseweave.training.methods.base import Features, Heads, Method, PairVectors, Settings, kernel_features, powers

START: Final = 0.5
"""Where training begins: the strength of `csa`."""
TEMPERATURE: Final = 0.05
"""Of both losses; arXiv 2104.08821, section 3."""
HIDDEN: Final = 256
STEPS: Final = 10
"""More steps lose what the canonical directions begin with: a few hundred pairs are soon learned by heart."""
MOST_DIMENSIONS: Final = 240
BATCH: Final = 1024
LEARNING_RATE: Final = 0.02
"""In mean absolute weights, so that a step changes small and large weights of both sides alike."""


def settings(pairs: PairVectors) -> list[Settings]:
    """Return the settings to choose from: kernels, or the vectors themselves with a hidden layer."""
    power = powers(pairs.source)[-1]
    return [
        {
            "power": power,
            "width": width,
            "target_width": other,
            "steps": STEPS,
            "structure": structure,
            "hidden": hidden,
        }
        for width, other, structure, hidden in ((2.0, 4.0, 10.0, 0), (2.0, 4.0, 0.0, 0), (0.0, 0.0, 10.0, HIDDEN))
    ]


def fit(pairs: PairVectors, chosen: Sequence[Settings], seed: int) -> Iterator[Heads]:
    """Yield the heads for each of several settings; a hidden layer goes with vectors, not with a kernel."""
    torch = require("torch", extra="training", feature="the method 'contrastive'")
    for entry in chosen:
        source = kernel_features(pairs.source, entry["power"], entry["width"], pairs.loose_source, seed)
        target = kernel_features(pairs.target, 1.0, entry["target_width"], pairs.loose_target, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield _train(torch, pairs, (source, target), entry, seed)


def _train(torch: Any, pairs: PairVectors, sides: tuple[Features, Features], entry: Settings, seed: int) -> Heads:
    """Train both heads from the canonical directions."""
    *directions, correlations = csa.correlate(csa.Side.of(sides[0]), csa.Side.of(sides[1]), START)
    weights = [found[:, :MOST_DIMENSIONS] * correlations[:MOST_DIMENSIONS] for found in directions]
    inputs = [torch.from_numpy(side.rows.astype(np.float32)) for side in sides]
    parameters = [_parameters(torch, weight, int(entry["hidden"])) for weight in weights]
    positive = torch.from_numpy(_share_a_side(pairs))
    optimizer = torch.optim.Adam(
        [
            {"params": [value], "lr": LEARNING_RATE * float(side["weight"].detach().abs().mean())}
            for side in parameters
            for value in side.values()
        ]
    )
    generator = np.random.default_rng(seed)
    for _ in range(int(entry["steps"])):
        rows = np.arange(len(pairs))
        if len(rows) > BATCH:
            rows = generator.choice(rows, BATCH, replace=False)
        given = [side[rows] for side in inputs]
        mapped = [_map(torch, values, side) for values, side in zip(given, parameters, strict=True)]
        loss = contrastive_loss(mapped[0], mapped[1], positive[rows][:, rows])
        if entry["structure"]:
            kept = sum(neighborhood_loss(before, after) for before, after in zip(given, mapped, strict=True))
            loss = loss + float(entry["structure"]) * kept
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    heads = [_head(side, values) for side, values in zip(sides, parameters, strict=True)]
    return Heads(heads[0], heads[1])


def contrastive_loss(source: Any, target: Any, positive: Any) -> Any:
    """Return the symmetric InfoNCE loss of unit vectors; row i of both belongs together.

    Args:
        source: Tensor of shape (n, dimension).
        target: Tensor of shape (n, dimension).
        positive: Which rows share a source or a target, shape (n, n), bool; the others of a row are no negatives.
    """
    torch = require("torch", extra="training")
    logits = source @ target.T / TEMPERATURE
    own = torch.eye(len(logits), dtype=torch.bool)
    logits = logits.masked_fill(positive & ~own, float("-inf"))
    answers = torch.arange(len(logits))
    entropy = torch.nn.functional.cross_entropy
    return (entropy(logits, answers) + entropy(logits.T, answers)) / 2


def neighborhood_loss(before: Any, after: Any) -> Any:
    """Return how far the neighborhoods of mapped vectors are from those before (Jensen-Shannon divergence).

    Args:
        before: Vectors of an encoder, shape (n, dimension).
        after: The same through the head, unit vectors of shape (n, other dimension).
    """
    torch = require("torch", extra="training")
    functional = torch.nn.functional
    units = functional.normalize(before, dim=1)
    own = torch.eye(len(before), dtype=torch.bool)
    logs = [
        functional.log_softmax((vectors @ vectors.T / TEMPERATURE).masked_fill(own, -1e4), dim=1)
        for vectors in (units, after)
    ]
    middle = torch.logsumexp(torch.stack(logs), dim=0) - np.log(2)
    return sum(functional.kl_div(middle, log, reduction="batchmean", log_target=True) for log in logs) / 2


def _share_a_side(pairs: PairVectors) -> np.ndarray:
    """Return which pairs have an equal source or an equal target, shape (n, n)."""
    keys = [distinct(pairs.source), distinct(pairs.target)]
    shared: np.ndarray = (keys[0][:, None] == keys[0]) | (keys[1][:, None] == keys[1])
    return shared


def _parameters(torch: Any, weight: np.ndarray, hidden: int) -> dict[str, Any]:
    """Return what is trained of a side: the weights, and those of a hidden layer that begins at nothing."""
    values = {"weight": torch.from_numpy(weight.astype(np.float32))}
    if hidden:
        inputs, outputs = weight.shape
        values["hidden"] = torch.randn(inputs, hidden)
        values["bias"] = torch.zeros(hidden)
        values["output"] = torch.zeros(hidden, outputs)
        values["offset"] = torch.zeros(outputs)
    return {name: value.requires_grad_() for name, value in values.items()}


def _map(torch: Any, vectors: Any, values: dict[str, Any]) -> Any:
    mapped = vectors @ values["weight"]
    if "hidden" in values:
        mapped = mapped + torch.tanh(vectors @ values["hidden"] + values["bias"]) @ values["output"] + values["offset"]
    return torch.nn.functional.normalize(mapped, dim=1)


def _head(side: Features, values: dict[str, Any]) -> Head:
    arrays = {name: value.detach().numpy() for name, value in values.items()}
    if "hidden" not in arrays:
        return side.head(arrays["weight"])
    return Head((Perceptron(mean=side.inputs.astype(np.float32), power=side.power, **arrays),))


def cost(pairs: PairVectors) -> float:
    """Estimate the floating-point operations of all settings: decompositions, and steps forward and backward."""
    rows, inputs = min(len(pairs), BATCH), pairs.source.shape[1] + pairs.target.shape[1]
    step = 6 * rows * inputs * (MOST_DIMENSIONS + HIDDEN) + 6 * rows**2 * (inputs + 3 * MOST_DIMENSIONS)
    return float(
        sum(entry["steps"] * step + 30 * len(pairs) ** 2 * min(len(pairs), inputs) for entry in settings(pairs))
    )


METHOD = Method("contrastive", "InfoNCE, arXiv 2103.00020; STRUCTURE, arXiv 2506.16895", settings, fit, cost)
