"""Fits the probability that a hit is relevant to labeled examples."""

from __future__ import annotations

import numpy as np

PRIOR = 1e-2
"""Strength of the prior towards slope 1 and the base rate; keeps the fit finite for few or separable examples."""


def fit_logistic(scores: np.ndarray, relevant: np.ndarray, *, steps: int = 100) -> tuple[float, float]:
    """Fit P(relevant) = 1 / (1 + exp(-(slope * s + intercept))) by Newton's method, with Platt's targets.

    Targets are (n1 + 1) / (n1 + 2) for relevant and 1 / (n0 + 2) for other examples (Platt 1999).

    Args:
        scores: Scores of the examples, shape (n,).
        relevant: Whether each example is relevant, shape (n,), bool; at least one True and one False.
        steps: Largest number of iterations.

    Returns:
        Slope (at least 0: a higher score is never worse) and intercept.

    Raises:
        ValueError: If either class is missing.
    """
    s = np.asarray(scores, dtype=np.float64)
    y = np.asarray(relevant, dtype=bool)
    ones, zeros = int(y.sum()), int((~y).sum())
    if not ones or not zeros:
        msg = f"labels need relevant and other examples, but there are {ones} relevant and {zeros} other"
        raise ValueError(msg)
    target = np.where(y, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    center, spread = s.mean(), max(float(s.std()), 1e-12)
    x = (s - center) / spread
    a, b = 1.0, float(np.log(ones / zeros))
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(a * x + b, -500, 500)))
        error, curvature = p - target, p * (1 - p)
        gradient = np.array([error @ x + PRIOR * (a - 1), error.sum()])
        hessian = np.array([[curvature @ (x * x) + PRIOR, curvature @ x], [curvature @ x, curvature.sum() + 1e-9]])
        change = np.linalg.solve(hessian, gradient)
        a, b = a - change[0], b - change[1]
        if np.abs(change).max() < 1e-10:
            break
    a = max(a, 1e-6)
    return float(a / spread), float(b - a * center / spread)
