"""The reports of `Index.verify` and `Index.repair`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from senseweave.notebook import report_html
from senseweave.redaction import redact_repr

Kind = Literal[
    "files", "words", "vector", "text", "id", "fingerprint", "source missing", "source changed", "source unreadable"
]
SHOWN: Final = 3
"""Ids or sources that the line of a problem names."""


@redact_repr
@dataclass
class Problem:
    """What is wrong with some records of a collection, or with its files.

    Attributes:
        kind: `files` of the store; `words`, its file of words; `vector`, `text`, `id` or `fingerprint` of records; or a
            source that is missing, changed or unreadable.
        reason: What was found, and what was expected.
        collection: Its name in the store, or None for the store as a whole.
        ids: Of the records concerned.
        sources: Of these records, each once.
    """

    kind: Kind
    reason: str
    collection: str | None = None
    ids: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        where = f"{self.collection}: " if self.collection else ""
        names = self.sources or self.ids
        listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        count = f"{len(self.ids)} records: " if len(self.ids) > 1 else ""
        return f"{self.kind}: {where}{count}{self.reason}" + (f" ({listed})" if names else "")


class Problems:
    """Collects problems; records with the same problem stand together."""

    def __init__(self) -> None:
        """Begin without a problem."""
        self._found: dict[tuple[str, str, str | None], Problem] = {}

    def add(
        self, kind: Kind, reason: str, collection: str | None = None, identifier: str | None = None, source: str = ""
    ) -> None:
        """Note a problem of a record, or of the files where there is no `identifier`."""
        problem = self._found.setdefault((kind, reason, collection), Problem(kind, reason, collection))
        if identifier is not None:
            problem.ids.append(identifier)
        if source and source not in problem.sources:
            problem.sources.append(source)

    def listed(self) -> list[Problem]:
        """Return the problems in the order in which they were found."""
        return list(self._found.values())


@dataclass
class VerifyReport:
    """What `verify` found.

    Attributes:
        place: The store.
        records: Number of records.
        vectors: Number of records whose vector was looked at.
        sources: Number of local sources whose content was compared; 0 unless asked for.
        problems: What is wrong, records with the same problem together.
    """

    place: str
    records: int = 0
    vectors: int = 0
    sources: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def counts(self) -> dict[str, int]:
        """Number of records, or of files, that are concerned, by kind."""
        return _counts(self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return {"ok": self.ok, **asdict(self), "counts": self.counts}

    def _repr_html_(self) -> str:
        return report_html(self, self.problems)

    def __str__(self) -> str:
        looked = f"{self.records} records" + (f" and {self.sources} sources" if self.sources else "")
        found = ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        return f"{self.place}: {looked} checked, " + (f"problems: {found}" if found else "no problems")


@dataclass
class RepairReport:
    """What `repair` did.

    Attributes:
        place: The folder.
        changed: Whether the folder was replaced, or only its file of words removed; a folder without problems stays as
            it is.
        records: Number of records in the repaired folder.
        kept: Records whose vectors were taken over from the files or the queue.
        embedded: Records whose vectors were computed again, from their text or their source.
        lost: What could not be rebuilt, with the reason; these records are no longer in the index.
        found: What was wrong before.
    """

    place: str
    changed: bool = False
    records: int = 0
    kept: int = 0
    embedded: int = 0
    lost: list[Problem] = field(default_factory=list)
    found: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing was lost."""
        return not self.lost

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return {"ok": self.ok, **asdict(self), "counts": _counts(self.lost)}

    def _repr_html_(self) -> str:
        return report_html(self, self.lost)

    def __str__(self) -> str:
        if not self.changed:
            return f"{self.place}: {self.records} records, nothing to repair"
        lost = sum(_counts(self.lost).values())
        return f"{self.place}: {self.records} records, {self.kept} kept, {self.embedded} embedded again, {lost} lost"


def _counts(problems: Sequence[Problem]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for problem in problems:
        counts[problem.kind] += max(len(problem.ids), 1)
    return dict(counts)
