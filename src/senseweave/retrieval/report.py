"""The report of `Index.add`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from senseweave.errors import AddError, MediaError
from senseweave.notebook import report_html


@dataclass
class Report:
    """Counts of records (a long recording or text has several), and the inputs that could not be indexed.

    Attributes:
        added: Records written.
        copies: Records of content that was there already under another source.
        skipped: Records that were there already, unchanged, under the same source.
        replaced: Records removed because their source has other content now.
        deleted: Records removed because their source is gone (only with `sync=True`); records of the same content
            under other sources stay.
        updated: Records whose own metadata changed, or whose file has moved.
        failed: An error for each input that could not be indexed, with its source and the reason.
        partial: By source, what a user should know of an input that could be read only in part, or not as it is.
    """

    added: int = 0
    copies: int = 0
    skipped: int = 0
    replaced: int = 0
    deleted: int = 0
    updated: int = 0
    failed: list[MediaError] = field(default_factory=list)
    partial: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """All counts by name, without failures."""
        return {count.name: getattr(self, count.name) for count in fields(self) if count.type == "int"}

    def _repr_html_(self) -> str:
        return report_html(self, self.failed)

    def __str__(self) -> str:
        named = {("copy" if (name, count) == ("copies", 1) else name): count for name, count in self.counts.items()}
        parts = [f"{count} {name}" for name, count in named.items() if count or name == "added"]
        if self.partial:
            parts.append(f"{len(self.partial)} partly read")
        return ", ".join([*parts, f"{len(self.failed)} failed"])


def raise_failed(failed: Sequence[MediaError], added: int) -> None:
    """Raise an `AddError` for the first of some failures of named inputs, if there are any.

    Args:
        failed: The failures.
        added: How many records were added beside them.

    Raises:
        AddError: If there is a failure; its report holds all.
    """
    if failed:
        report = Report(added, failed=list(failed))
        first = failed[0]
        place = {"position": first.position, "total": first.total}
        raise AddError(first.source, first.reason, report=report, **place) from first
