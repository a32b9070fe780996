"""The report of fine-tuning: whether the tuned model is better than its base, and how the run went."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from senseweave.evaluation.significance import Verdict
from senseweave.training.curves import TrainingCurve
from senseweave.training.finetuning.comparison import Comparison, Failure, Forgetting

SHOWN_LEAKS: Final = 5
"""Leaks that are printed; all are in the JSON."""


@dataclass
class Report:
    """Whether fine-tuning helped.

    Attributes:
        loss: Name of the loss.
        rows: How many rows were trained on, set aside for stopping, and held back.
        heldout: Base and tuned model on the rows held back.
        forgetting: On the base's own kind of data; None where there was none to measure on.
        failures: Held-out queries that the tuned model answers worst.
        steps: Steps of the run, and the step whose weights were kept.
        precision: Type of activations in training; both models are measured in fp32.
        curve: Losses, and the measure on rows set aside for stopping, by steps.
        leaks: Held-out rows that were not measured, because a row of training nearly equals them: both, and how nearly.
        notes: What a reader should know: rows left out, and why something was not measured.
    """

    loss: str
    rows: Mapping[str, int]
    heldout: Comparison
    forgetting: Forgetting | None
    failures: list[Failure] = field(default_factory=list)
    steps: tuple[int, int] = (0, 0)
    precision: str = "fp32"
    curve: TrainingCurve = field(default_factory=TrainingCurve)
    leaks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """`better`, `worse` or `cannot tell`, by a paired bootstrap over held-out queries."""
        return self.heldout.verdict

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {
            "verdict": self.verdict,
            "loss": self.loss,
            "rows": dict(self.rows),
            "heldout": _plain(self.heldout),
            "forgetting": None
            if self.forgetting is None
            else {
                **_plain(self.forgetting.comparison),
                "neighbors_kept": self.forgetting.neighbors_kept,
                "source": self.forgetting.source,
            },
            "failures": [vars(failure) for failure in self.failures],
            "steps": {"made": self.steps[0], "kept": self.steps[1]},
            "precision": self.precision,
            "curve": self.curve.to_json(),
            "leaks": list(self.leaks),
            "notes": list(self.notes),
        }

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the learning curve into a PNG, SVG or PDF file.

        Raises:
            ImportError: If matplotlib is missing; the message holds the install line.
        """
        return self.curve.plot(Path(path), f"{self.loss}: {self.verdict}")

    def plot_where_possible(self, path: Path) -> bool:
        """Draw the learning curve if matplotlib is installed; return whether it is."""
        try:
            self.plot(path)
        except ImportError:
            return False
        return True

    def __str__(self) -> str:
        trained = ", ".join(f"{count} {name}" for name, count in self.rows.items())
        loss = self.loss if self.precision == "fp32" else f"{self.loss} in {self.precision}"
        lines = [f"{self.verdict}: {loss} on {trained}; step {self.steps[1]} of {self.steps[0]} kept"]
        lines += ["", *_table(self.heldout)]
        if self.forgetting is not None:
            change = self.forgetting.comparison
            lines += [
                "",
                f"on {self.forgetting.source}: {change.verdict}; "
                f"{self.forgetting.neighbors_kept:.0%} of the ten nearest neighbors kept",
                *_table(change),
            ]
        if self.curve.losses:
            lines += ["", "learning curve", *self.curve.draw()]
        if self.failures:
            lines += ["", "answered worst:"]
            lines += [f"  rank {item.rank}: {item.query!r} -> {item.found!r}" for item in self.failures]
        if self.leaks:
            lines += ["", f"held-out rows left out, since they nearly equal rows of training: {len(self.leaks)}"]
            lines += [f"  {leak}" for leak in self.leaks[:SHOWN_LEAKS]]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


def _plain(comparison: Comparison) -> dict[str, Any]:
    return {
        "measure": comparison.measure,
        "queries": comparison.queries,
        "before": {name: vars(value) for name, value in comparison.before.items()},
        "after": {name: vars(value) for name, value in comparison.after.items()},
        "difference": vars(comparison.difference),
    }


def _table(comparison: Comparison) -> list[str]:
    lines = [f"{comparison.queries} held out" + " " * 8 + "before                after"]
    for name, old in comparison.before.items():
        new = comparison.after[name]
        lines.append(
            f"{name:<22}{old.mean:.3f} [{old.low:.3f}, {old.high:.3f}]  {new.mean:.3f} [{new.low:.3f}, {new.high:.3f}]"
        )
    change = comparison.difference
    lines.append(f"change of {comparison.measure}: {change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]")
    return lines
