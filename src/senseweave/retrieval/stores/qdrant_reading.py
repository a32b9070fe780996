"""Records of Qdrant by their ids, and page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.conditions import Condition
from senseweave.retrieval.stores.qdrant_cursors import Cursors
from senseweave.retrieval.stores.qdrant_filters import QdrantFilters
from senseweave.retrieval.stores.qdrant_points import point_id, read_point

PAGE: Final = 1000
"""Records of one request."""


class QdrantReader:
    """Reads the records of collections. Safe to use from several threads."""

    def __init__(self, ask: Callable[..., Any], filters: QdrantFilters) -> None:
        """Read by means of a store.

        Args:
            ask: Calls a method of the client.
            filters: Translates conditions.
        """
        self._ask = ask
        self._filters = filters
        self._cursors = Cursors()

    def forget(self, name: str) -> None:
        """Forget where the pages of a collection begin, which has changed."""
        self._cursors.forget(name)

    def by_id(self, name: str, ids: Sequence[str], *, vectors: bool = False) -> list[StoredRecord]:
        """Return those of some records that are there, in the order of their ids."""
        found: dict[str, StoredRecord] = {}
        for start in range(0, len(ids), PAGE):
            points = self._ask(
                "retrieve",
                collection_name=name,
                ids=list(map(point_id, ids[start : start + PAGE])),
                with_payload=True,
                with_vectors=vectors,
            )
            found.update((record.id, record) for record in map(read_point, points))
        if not ids:
            self._ask("count", collection_name=name, exact=True)  # a collection that is gone is told all the same
        return [found[identifier] for identifier in ids if identifier in found]

    def page(
        self, name: str, condition: Condition | None, limit: int | None, offset: int, *, vectors: bool
    ) -> list[StoredRecord]:
        """Return records that match a condition, in the order of Qdrant's own ids.

        Args:
            name: Of the collection.
            condition: What they match.
            limit: How many at most; None for all.
            offset: How many to leave out before them.
            vectors: Whether to return their vectors.
        """
        key = name, repr(condition)
        where = self._filters.translate(condition)
        found: list[StoredRecord] = []

        def read(start: Any, size: int, *, whole: bool = True) -> tuple[list[Any], Any]:
            points, following = self._ask(
                "scroll",
                collection_name=name,
                scroll_filter=where,
                limit=size,
                offset=start,
                with_payload=whole,
                with_vectors=whole and vectors,
            )
            return points, following

        start, is_end = self._cursors.find(key, offset, lambda start, size: read(start, size, whole=False))
        while not is_end and (limit is None or len(found) < limit):
            points, start = read(start, PAGE if limit is None else min(PAGE, limit - len(found)))
            found += map(read_point, points)
            is_end = start is None
        if not is_end:
            self._cursors.keep(key, offset + len(found), start)
        return found
