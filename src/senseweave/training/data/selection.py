"""Rows that were chosen from more, with a report on what was left out and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from senseweave.media import Media


@dataclass
class SelectionReport:
    """What became of the candidates for rows.

    Attributes:
        examined: What was looked at, by name, for example `{"passages": 20, "questions": 38}`.
        kept: How many rows there are.
        left_out: How many candidates were left out, by reason.
        errors: The messages of what failed, in order.
    """

    examined: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return {
            "examined": dict(self.examined),
            "kept": self.kept,
            "left_out": dict(self.left_out),
            "errors": list(self.errors),
        }

    def __str__(self) -> str:
        examined = ", ".join(f"{count} {name}" for name, count in self.examined.items())
        lines = [f"{self.kept} rows of {examined}"]
        lines += [f"  {count} left out: {reason}" for reason, count in self.left_out.most_common()]
        lines += [f"  error: {error}" for error in self.errors]
        return "\n".join(lines)


class SelectedRows(list[tuple[Any, ...]]):
    """Rows of media as `senseweave.finetune` takes them.

    Attributes:
        report: What was left out, and why.
    """

    def __init__(self, rows: list[tuple[Media, ...]] | list[tuple[Any, ...]], report: SelectionReport) -> None:
        """Hold the rows, whose number is noted in the report."""
        super().__init__(rows)
        self.report = report
        report.kept = len(self)
