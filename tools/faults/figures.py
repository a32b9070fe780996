"""The figures of one step of the campaign."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from processes import Outcome

COUNTS: Final = ("lost", "doubled", "hangs", "crashes", "wrong")
"""What must be 0 in every step."""


@dataclass
class Figures:
    """What a step did, and what went wrong.

    Attributes:
        step: Its name.
        tries: Kills, damages, values or requests.
        lost: Records that a finished call had reported, and that are not there or not found.
        doubled: Records that are there twice, or should not be there.
        hangs: Processes that did not end in their time.
        crashes: Processes that a signal ended, or an unexpected error.
        wrong: Errors of several lines or of foreign types, and answers that are not the promised ones.
        notes: What else is worth knowing.
        faults: What each count above stands for, in words.
    """

    step: str
    tries: int = 0
    lost: int = 0
    doubled: int = 0
    hangs: int = 0
    crashes: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not any(getattr(self, name) for name in COUNTS)

    def count(self, kind: str, fault: str, number: int = 1) -> None:
        """Count something that went wrong, and keep what it was."""
        if number:
            setattr(self, kind, getattr(self, kind) + number)
            self.faults.append(f"{self.step}: {kind}: {fault}")

    def take(self, outcome: Outcome, what: str) -> Any:
        """Return the value of a child that ended well; count and return None for another."""
        if outcome.ending == "done":
            return outcome.value
        self.count("hangs" if outcome.ending == "hung" else "crashes", f"{what}: {outcome}")
        return None
