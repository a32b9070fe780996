"""What an `add` did."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from senseweave.errors import MediaError


@dataclass
class Report:
    """Counts of records (a long recording or text has several), and what could not be indexed.

    Attributes:
        added: Records written.
        copies: Further sources of records that are there: content is kept once, with every source it stands at.
        skipped: Records that were there already, unchanged, at this very source.
        replaced: Records removed because their source has other content now.
        deleted: Records removed because their source is gone (`sync=True` alone). Of content that stands elsewhere too,
            the source is removed and the record stays.
        updated: Records whose own metadata changed, or whose file has moved.
        failed: One error per input that could not be indexed, each with its source and reason.
    """

    added: int = 0
    copies: int = 0
    skipped: int = 0
    replaced: int = 0
    deleted: int = 0
    updated: int = 0
    failed: list[MediaError] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """All that was done, by name; failures are not."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "failed"}

    def __str__(self) -> str:
        named = {("copy" if (name, count) == ("copies", 1) else name): count for name, count in self.counts.items()}
        parts = [f"{count} {name}" for name, count in named.items() if count or name == "added"]
        return ", ".join([*parts, f"{len(self.failed)} failed"])
