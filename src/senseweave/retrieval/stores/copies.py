"""Which contents of a collection have several records: noted in its description, so that searches ask for less."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain
from typing import Final

from senseweave.retrieval.records.identity import content_key
from senseweave.retrieval.records.schema import Record, read_metadata
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.conditions import Condition, any_of
from senseweave.retrieval.stores.description import Description, content_mark

MOST_COPIES: Final = 2000
"""Contents with several records that a description keeps: some 20 KB; with more, every search asks for all sources."""


def holds_copies(description: Description) -> bool:
    """Return whether any content may have several records in a collection."""
    return description.copies is None or bool(description.copies)


def may_have_copies(description: Description, sha256: str) -> bool:
    """Return whether a content may have several records in a collection."""
    return description.copies is None or content_mark(sha256) in description.copies


def note_copies(description: Description, copied: Collection[str] | None) -> bool:
    """Note contents that have several records, and return whether the description has changed.

    Args:
        description: Of a collection of which these contents are known.
        copied: Hashes of the contents; None where others may write any, so that they are unknown from now on.
    """
    known = description.copies or frozenset()
    found = known.union(map(content_mark, copied)) if copied is not None else None
    if found == description.copies:
        return False
    description.copies = found if found is not None and len(found) <= MOST_COPIES else None
    return True


def copied_contents(records: Sequence[Record], read: Callable[[Condition], Iterable[StoredRecord]]) -> set[str]:
    """Return the hashes of records that have the content of another, among them or in their collection.

    Args:
        records: The records.
        read: Returns the records of the collection that match a condition.
    """
    ids: dict[object, set[str]] = {}
    written = [(record.id, record.text, record.metadata) for record in records]
    hashes = {sha256 for _, _, values in written if isinstance(sha256 := values.get("sha256"), str)}
    stored = (
        (record.id, record.text, record.metadata)
        for condition in any_of("sha256", sorted(hashes))
        for record in read(condition)
    )
    copied = set()
    for identifier, text, values in chain(written, stored):
        provenance = read_metadata(values)
        content = content_key(provenance, text)
        if content is not None and provenance.sha256 is not None:
            found = ids.setdefault(content, set())
            found.add(identifier)
            if len(found) > 1:
                copied.add(provenance.sha256)
    return copied
