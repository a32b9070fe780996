"""Ridge regression from source vectors to target vectors; the strength by leave-one-out in closed form.

Hoerl and Kennard 1970, "Ridge regression: biased estimation for nonorthogonal problems". Left-out residuals are
(I - H_gg)^-1 e_g, with H the hat matrix and g the rows of a document, all of which are left out together (Allen 1974,
"The relationship between variable selection and data augmentation and a method for prediction", the PRESS statistic).
With a width it is kernel ridge regression (Saunders, Gammerman and Vovk 1998), which bends the map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

import numpy as np

from senseweave.training.measures import distinct, mean_gain
from senseweave.training.methods.base import Heads, Method, PairVectors, Settings, center, kernel_features, powers

STRENGTHS: Final = tuple(float(value) for value in np.geomspace(0.003, 30, 9))
"""Tried strengths, for unit vectors: from nearly none to one that leaves nearly the covariance of both sides."""
WIDTHS: Final = (2.0, 4.0)
"""Widths of the kernel, beside the linear map, whose width is 0."""
MOST_LEFT_OUT: Final = 1500
"""Rows that leave-one-out ranks; of more, every second, third and so on."""


class Regression:
    """Ridge regression of centered rows, decomposed once for all strengths."""

    def __init__(self, inputs: np.ndarray, outputs: np.ndarray) -> None:
        """Decompose the inputs as U S V'.

        Args:
            inputs: Centered rows, shape (n, input dimension).
            outputs: Centered rows, shape (n, output dimension).
        """
        self.outputs = outputs
        self.left, self.singular, self.right = np.linalg.svd(inputs, full_matrices=False)
        self.turned = self.left.T @ outputs

    def weight(self, strength: float) -> np.ndarray:
        """Return (X'X + strength I)^-1 X'Y, shape (input dimension, output dimension)."""
        factors = self.singular / (self.singular**2 + strength)
        solved: np.ndarray = self.right.T @ (factors[:, None] * self.turned)
        return solved

    def left_out(self, strength: float, groups: np.ndarray) -> np.ndarray:
        """Return the prediction of each row by the regression without its document, shape (n, output dimension).

        The intercept is a regressor without penalty, whose leverage is 1 / n.

        Args:
            strength: Of the ridge.
            groups: The document of each row.
        """
        shrunk = self.singular**2 / (self.singular**2 + strength)
        residuals = self.outputs - self.left @ (shrunk[:, None] * self.turned)
        leverage = self.left**2 @ shrunk + 1 / len(self.outputs)
        predicted: np.ndarray = self.outputs - residuals / np.maximum(1 - leverage, 1e-9)[:, None]
        order = np.argsort(groups, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            if len(rows) > 1:
                hat = (self.left[rows] * shrunk) @ self.left[rows].T + 1 / len(self.outputs)
                solved = np.linalg.lstsq(np.eye(len(rows)) - hat, residuals[rows], rcond=None)[0]
                predicted[rows] = self.outputs[rows] - solved
        return predicted


def choose_strength(regression: Regression, groups: np.ndarray) -> float:
    """Return the strength whose left-out predictions find their targets best, both ways."""
    rows = slice(None, None, -(-len(regression.outputs) // MOST_LEFT_OUT))
    outputs = regression.outputs[rows]
    keys = distinct(outputs)
    gains = [mean_gain(regression.left_out(strength, groups)[rows], outputs, keys) for strength in STRENGTHS]
    return STRENGTHS[int(np.argmax(np.round(gains, 9)))]


def settings(pairs: PairVectors) -> list[Settings]:
    """Return the settings to choose from; `strength` None is chosen by leave-one-out."""
    tried = powers(pairs.source)
    choices = [*product(tried, (0.0,)), *product(tried[-1:], WIDTHS)]
    return [{"power": power, "width": width, "strength": None} for power, width in choices]


def fit(pairs: PairVectors, chosen: Sequence[Settings], seed: int) -> Iterator[Heads]:
    """Yield the heads for each of several settings: the regression, and the centered target as it is."""
    target = center(pairs.target, loose=pairs.loose_target)
    identity = target.head(np.eye(target.rows.shape[1]))
    for entry in chosen:
        source = kernel_features(pairs.source, entry["power"], entry["width"], pairs.loose_source, seed)
        regression = Regression(source.rows, target.rows)
        strength = entry["strength"]
        strength = choose_strength(regression, pairs.groups) if strength is None else float(strength)
        yield Heads(source.head(regression.weight(strength)), identity)


METHOD = Method("ridge", "Hoerl and Kennard 1970", settings, fit)
