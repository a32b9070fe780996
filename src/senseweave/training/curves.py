"""Learning curves: how a measure grows with the number of pairs, as text and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from senseweave.evaluation.significance import Interval
from senseweave.extras import require

BAR: Final = 40
"""Characters of a bar of the value 1."""


@dataclass(frozen=True)
class CurvePoint:
    """A point of a learning curve.

    Attributes:
        pairs: Number of pairs that were learned from.
        value: The measure on held-out data, with its interval.
    """

    pairs: int
    value: Interval


def draw_curve(curve: Sequence[CurvePoint]) -> list[str]:
    """Return a line with a bar for each point, for a terminal of any encoding."""
    return [
        f"{point.pairs:>7}  {'#' * round(BAR * point.value.mean):{BAR}}  {point.value.mean:.3f} "
        f"[{point.value.low:.2f}, {point.value.high:.2f}]"
        for point in curve
    ]


def plot_curve(curve: Sequence[CurvePoint], path: Path, title: str, *, measure: str = "recall@10") -> Path:
    """Draw a learning curve with its interval into a PNG, SVG or PDF file.

    Raises:
        ImportError: If matplotlib is missing; the message holds the install line.
    """
    figures = require("matplotlib.figure", extra="training", feature="drawing a learning curve")
    figure = figures.Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    counts = [point.pairs for point in curve]
    axes.plot(counts, [point.value.mean for point in curve], marker="o")
    axes.fill_between(counts, [point.value.low for point in curve], [point.value.high for point in curve], alpha=0.2)
    axes.set(xscale="log", xlabel="pairs", ylabel=f"{measure}, held out", ylim=(0, 1), title=title)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.savefig(path)
    return path
