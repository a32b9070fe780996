"""Rows that a store keeps beside the records of a collection, in a collection of their own, with the records' ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from senseweave.retrieval.stores.base import StoredRecord, VectorStore

SURPLUS: Final = 1.1
"""Rows of so many times the records are compared with them: those of records that are gone take places of others."""
PAGE: Final = 1000
"""Rows that are listed at a time."""


def are_enough(rows: int, records: int) -> bool:
    """Return whether as many rows may be those of so many records: none is missing, and few are left over."""
    return records <= rows <= records * SURPLUS + PAGE


def listed(store: VectorStore, name: str) -> Iterator[StoredRecord]:
    """Yield all rows of a collection, a page at a time."""
    offset = 0
    while True:
        page = store.get(name, limit=PAGE, offset=offset)
        yield from page
        offset += PAGE
        if len(page) < PAGE:
            return
