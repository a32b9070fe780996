"""Groups of duplicates, and what to keep of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from senseweave.media import Modality
from senseweave.notebook import report_html
from senseweave.redaction import redact_repr

Kind = Literal["equal", "near"]
"""`equal` if all copies are the same bytes (of texts: the same words), else `near`."""


@redact_repr
@dataclass(frozen=True)
class Copy:
    """A copy of a content: a source, or a picture inside a document.

    Attributes:
        source: Absolute path, URL or label.
        ids: Of its records.
        score: How surely it is a copy of the others, from 0 to 1: the best score with another copy of its group.
        part: Path inside the source, or None.
        page: Page of the source that it is on, or None.
        size: Pixels of a picture, seconds of audio and video, characters of a text; 0 where it was not read.
        bytes: Of the file; 0 where it was not read.
        added_at: Seconds since 1970, or 0.
    """

    source: str
    ids: tuple[str, ...]
    score: float
    part: str | None = None
    page: int | None = None
    size: float = 0.0
    bytes: int = 0
    added_at: float = 0.0

    @property
    def name(self) -> str:
        """Its source, with its part or page."""
        page = "" if self.page is None else f", page {self.page}"
        return f"{self.source}{self.part or ''}{page}"


@dataclass(frozen=True)
class DuplicateGroup:
    """Copies of one content.

    Attributes:
        modality: `text`, `image`, `audio` or `video`.
        kind: `equal` or `near`.
        best: The copy to keep: the largest picture, longest recording or longest text, and a page of a document, which
            is as large as it is drawn, only if there is nothing else, or a picture that fills it has more than twice
            the pixels of the others; of equally large ones a whole file before what is
            inside another, then the one with most bytes, that is the least compressed, then the one added first.
        others: The other copies, the surest first.
    """

    modality: Modality
    kind: Kind
    best: Copy
    others: tuple[Copy, ...]

    @property
    def copies(self) -> tuple[Copy, ...]:
        """All copies, the best first."""
        return (self.best, *self.others)

    @property
    def score(self) -> float:
        """How sure the least sure copy is."""
        return min(copy.score for copy in self.copies)

    def to_dict(self) -> dict[str, Any]:
        """Return the group as plain values."""
        copies = [
            {
                "source": copy.source,
                "part": copy.part,
                "page": copy.page,
                "score": round(copy.score, 4),
                "size": copy.size,
                "bytes": copy.bytes,
                "ids": list(copy.ids),
            }
            for copy in self.copies
        ]
        return {"modality": self.modality, "kind": self.kind, "best": copies[0], "others": copies[1:]}


@dataclass(frozen=True)
class Duplicates(Sequence[DuplicateGroup]):
    """The groups of duplicates of an index, the surest first: a sequence, which deletes only when it is told to.

    Attributes:
        groups: The groups.
        unread: By source, why a candidate could not be read, so that it was compared by its hash alone.
        remove: Removes copies, given as the ids of their records by source, and returns how many records went.
    """

    groups: tuple[DuplicateGroup, ...]
    unread: Mapping[str, str] = field(default_factory=dict)
    remove: Callable[[Mapping[str, Collection[str]]], int] = field(default=len, repr=False, compare=False)

    def delete(self) -> int:
        """Remove all copies but the best of each group from the index, and return the number of removed records.

        The files themselves stay. A source that holds something else too stays whole: a document with a picture of its
        own, or the archive around a file.
        """
        kept = {group.best.source for group in self.groups}
        copies: dict[str, set[str]] = {}
        for group in self.groups:
            for copy in group.others:
                if copy.source not in kept:
                    copies.setdefault(copy.source, set()).update(copy.ids)
        return self.remove(copies) if copies else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values."""
        return {"groups": [group.to_dict() for group in self.groups], "unread": dict(self.unread)}

    def __len__(self) -> int:
        return len(self.groups)

    def __iter__(self) -> Iterator[DuplicateGroup]:
        return iter(self.groups)

    def __getitem__(self, index: Any) -> Any:
        return self.groups[index]

    def __str__(self) -> str:
        copies = sum(len(group.others) for group in self.groups)
        groups = "1 group" if len(self.groups) == 1 else f"{len(self.groups)} groups"
        return f"{groups} of duplicates with {copies} {'copy' if copies == 1 else 'copies'} besides the best"

    def _repr_html_(self) -> str:
        lines = [
            f"{group.modality}, {group.kind}: {' = '.join(copy.name for copy in group.copies)}" for group in self.groups
        ]
        return report_html(str(self), lines)
