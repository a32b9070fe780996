"""What the functions of this room ask of an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from senseweave.media import MediaPolicy
from senseweave.retrieval.hits import Hits
from senseweave.retrieval.listing import IndexRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.spaces.space import Space


class ExploredIndex(Protocol):
    """An index, as `senseweave.Index` is."""

    policy: MediaPolicy
    _store: Collections

    @property
    def spaces(self) -> dict[str, Space]:
        """Its spaces by name."""

    def records(self, *args: Any, **options: Any) -> Iterator[IndexRecord]:
        """Yield its records."""

    def search(self, *args: Any, **options: Any) -> Hits:
        """Find the records that answer a query best."""

    def delete(self, *args: Any, **options: Any) -> int:
        """Remove records, and return their number."""
