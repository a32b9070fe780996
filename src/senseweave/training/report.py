"""The report of an alignment: what held-out pairs find, beside what they would find without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from senseweave.errors import MediaError
from senseweave.evaluation.significance import Difference, Interval, Verdict
from senseweave.training.curves import CurvePoint, draw_curve, plot_curve

Direction = Literal["source to target", "target to source"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("source to target", "target to source")
Scores = Mapping[Direction, Mapping[str, Interval]]
"""Mean and 95% interval of each measure (`recall@1`, `recall@5`, `recall@10`, `ndcg@10`) by direction."""


@dataclass(frozen=True)
class Failure:
    """A held-out query whose right answer is not the first.

    Attributes:
        direction: What was searched for what.
        query: The query: a text, or the source of a media.
        wanted: The right answer.
        found: What came first instead.
        rank: Rank of the right answer, from 1.
        margin: By how much the cosine of what came first is greater.
    """

    direction: Direction
    query: str
    wanted: str
    found: str
    rank: int
    margin: float


@dataclass(frozen=True)
class CandidateScore:
    """How a method did in cross-validation on the pairs that were not held out.

    Attributes:
        method: Its name.
        settings: The best of its settings.
        ndcg: nDCG@10, mean of both directions.
    """

    method: str
    settings: Mapping[str, Any]
    ndcg: Interval


@dataclass(frozen=True)
class AlignmentReport:
    """What an alignment does for pairs that it has not seen.

    Attributes:
        source: Name of the source's space.
        target: Name of the target's space.
        method: The method that was taken.
        settings: Its settings.
        pairs: Number of pairs.
        training: Number of pairs from which the measured heads were fitted; the returned heads are fitted to all.
        held_out: Number of pairs that were measured.
        leaks: Held-out pairs that were not measured, because a pair of training nearly equals them: both, and why.
        scores: What held-out pairs find.
        baselines: The same by `chance`, by `no alignment` (the models' own vectors, where the dimensions agree), and by
            the `bridge` (a model that embeds both sides itself, such as by labels).
        differences: nDCG@10 less that of each baseline that was measured, over the same queries of both directions.
        curve: What fewer pairs give.
        failures: The nearest failures, smallest margin first.
        candidates: The methods that were compared, best first.
        skipped: Methods that the time was too short for.
        failed: The pairs that could not be read or embedded.
    """

    source: str
    target: str
    method: str
    settings: Mapping[str, Any]
    pairs: int
    training: int
    held_out: int
    leaks: Sequence[str]
    scores: Scores
    baselines: Mapping[str, Scores]
    differences: Mapping[str, Difference]
    curve: Sequence[CurvePoint]
    failures: Sequence[Failure]
    candidates: Sequence[CandidateScore]
    skipped: Sequence[str] = ()
    failed: Sequence[MediaError] = field(default=())

    @property
    def verdict(self) -> Verdict:
        """Whether the alignment is better or worse than the best baseline, by the 95% interval of the difference."""
        return min((difference.verdict for difference in self.differences.values()), key=ORDER.index)

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat dict per system and direction, for a table."""
        systems: dict[str, Scores] = {self.method: self.scores, **self.baselines}
        return [
            {
                "system": name,
                "direction": direction,
                **{measure: round(interval.mean, 4) for measure, interval in scores[direction].items()},
            }
            for name, scores in systems.items()
            for direction in DIRECTIONS
        ]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        values = asdict(self)
        values["failed"] = [str(error) for error in self.failed]
        return {"verdict": self.verdict, **values}

    def plot(self, path: str | Path) -> Path:
        """Draw the learning curve into a PNG, SVG or PDF file.

        Raises:
            ImportError: If matplotlib is missing; the message holds the install line.
        """
        return plot_curve(self.curve, Path(path), f"{self.source} and {self.target}: {self.method}")

    def __str__(self) -> str:
        return "\n".join([self.summary(), *self._details()])

    def summary(self) -> str:
        """Return the figures as text, without a word of the data that they were measured on."""
        lines = [
            f"{self.source} and {self.target} by {self.method}, {self.pairs} pairs: {self.verdict}",
            f"{self.held_out} held-out pairs, measured with heads of {self.training} pairs",
        ]
        width = max(len(row["system"]) for row in self.rows())
        for direction in DIRECTIONS:
            measures = list(self.scores[direction])
            lines += ["", f"{direction:{max(width, len(direction))}}  " + "  ".join(f"{name:>17}" for name in measures)]
            for name, scores in {self.method: self.scores, **self.baselines}.items():
                cells = "  ".join(f"{_show(interval):>17}" for interval in scores[direction].values())
                lines.append(f"{name:{max(width, len(direction))}}  {cells}")
        lines += [""]
        for name, difference in self.differences.items():
            sign = f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
            lines.append(f"nDCG@10 against {name}: {sign}, {difference.verdict}")
        lines += ["", "recall@10 by number of pairs", *draw_curve(self.curve)]
        if self.candidates:
            compared = ", ".join(f"{entry.method} {entry.ndcg.mean:.3f}" for entry in self.candidates)
            lines += ["", f"cross-validated nDCG@10: {compared}"]
        if self.skipped:
            lines.append(f"not tried, for lack of time: {', '.join(self.skipped)}")
        return "\n".join(lines)

    def _details(self) -> list[str]:
        """Return what is said of single pairs."""
        lines: list[str] = []
        if self.failures:
            lines += ["", "nearest failures"]
            lines += [
                f"  {failure.query}: found {failure.found}, wanted {failure.wanted} (rank {failure.rank})"
                for failure in self.failures
            ]
        if self.leaks:
            lines += ["", f"{len(self.leaks)} held-out pairs are nearly in the training pairs and were not measured"]
        if self.failed:
            lines += ["", f"{len(self.failed)} pairs were left out:", *(f"  {error}" for error in self.failed[:5])]
        return lines


ORDER: Final[tuple[Verdict, ...]] = ("worse", "cannot tell", "better")


def _show(interval: Interval) -> str:
    if interval.low == interval.high:
        return f"{interval.mean:.3f}"
    return f"{interval.mean:.3f} [{interval.low:.2f}, {interval.high:.2f}]"
