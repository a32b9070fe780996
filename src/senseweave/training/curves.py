"""Learning curves, as text and as a picture: a measure by the number of pairs, and a run of training by its steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from senseweave.evaluation.significance import Interval
from senseweave.extras import require

BAR: Final = 40
"""Characters of a bar of the value 1."""
MOST_LINES: Final = 24
"""Lines of a run of training; of more points, some are drawn as text, and all in the picture."""
CURVE_FILE: Final = "learning-curve.png"


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


@dataclass(frozen=True)
class TrainingCurve:
    """How a run of training went, by steps.

    Attributes:
        losses: Mean loss of the steps since the one before, by step.
        scores: The measure on rows that were set aside to decide when to stop, by step; at 0 that of the base. Empty if
            there were no such rows.
        measure: Name of that measure; None without it.
        kept: The step whose weights were kept.
    """

    losses: Mapping[int, float] = field(default_factory=dict)
    scores: Mapping[int, float] = field(default_factory=dict)
    measure: str | None = None
    kept: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        steps = sorted({*self.losses, *self.scores})
        points = [{"step": step, "loss": self.losses.get(step), "score": self.scores.get(step)} for step in steps]
        return {"measure": self.measure, "kept": self.kept, "points": points}

    def draw(self) -> list[str]:
        """Return a line for each of some steps, with a bar of the measure, or of the loss where there is none."""
        shown = self.scores or self.losses
        if not shown:
            return []
        steps = sorted(shown)
        every = math.ceil(len(steps) / MOST_LINES)
        drawn = sorted({*steps[::every], steps[-1], *({self.kept} & shown.keys())})
        largest = 1.0 if self.scores else max(*self.losses.values(), 1e-9)
        lines = [f"{'step':>7}  {'loss':>9}  {f'{self.measure} on rows for stopping' if self.scores else 'loss'}"]
        for step in drawn:
            loss = self.losses.get(step)
            bar = "#" * round(BAR * max(shown[step], 0.0) / largest)
            value = f"  {shown[step]:.3f}" if self.scores else ""
            kept = "  kept" if step == self.kept else ""
            lines.append(f"{step:>7}  {'' if loss is None else f'{loss:.4f}':>9}  {bar:{BAR}}{value}{kept}".rstrip())
        return lines

    def plot(self, path: Path, title: str) -> Path:
        """Draw losses and measure into a PNG, SVG or PDF file.

        Raises:
            ImportError: If matplotlib is missing; the message holds the install line.
        """
        figures = require("matplotlib.figure", extra="training", feature="drawing a learning curve")
        figure = figures.Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(list(self.losses), list(self.losses.values()), color="tab:gray", label="loss")
        axes.set(xlabel="steps", ylabel="training loss", title=title)
        axes.axvline(self.kept, color="tab:green", linestyle=":", label="kept")
        if self.scores:
            measured = axes.twinx()
            measured.plot(list(self.scores), list(self.scores.values()), marker="o", label=self.measure)
            measured.set(ylabel=f"{self.measure}, rows for stopping")
        figure.legend(loc="outside lower center", ncols=3)
        axes.grid(alpha=0.3)
        figure.savefig(path)
        return path
