"""Deleting records: by id, by source or by a condition on metadata."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from senseweave.media.forms.local_names import stored_name
from senseweave.retrieval.search.collection_source import equal_content
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import Condition, any_of
from senseweave.retrieval.stores.filters import Filter, parse_filter
from senseweave.retrieval.stores.ids import listed_ids


class Deletion:
    """Which records to delete, checked before the store is locked."""

    def __init__(
        self,
        *,
        ids: Collection[str] | str | None = None,
        sources: Collection[str | Path] | str | Path | None = None,
        filter: Filter | None = None,  # noqa: A002  (what every store calls it)
    ) -> None:
        """Choose records by exactly one of the three.

        Raises:
            TypeError: If `ids` are not strings.
            ValueError: If not exactly one is given, or the filter is empty.
        """
        if sum(argument is not None for argument in (ids, sources, filter)) != 1:
            msg = "delete needs exactly one of ids, sources and filter"
            raise ValueError(msg)
        self._ids = listed_ids(ids) if ids is not None else None
        self._conditions: list[Condition] = []
        if sources is not None:
            listed = [sources] if isinstance(sources, (str, Path)) else list(sources)
            self._conditions = any_of(
                "source", sorted({n for s in listed for n in (str(s), stored_name(os.fspath(s)))})
            )
        elif filter is not None:
            condition = parse_filter(filter)
            if condition is None:
                msg = "an empty filter would delete every record; pass at least one condition"
                raise ValueError(msg)
            self._conditions = [condition]

    def run(self, store: Collections) -> int:
        """Delete them and return their number; the caller holds the store's lock."""
        removed = 0
        for description in store.descriptions.values():
            if self._ids is not None:
                chosen = equal_content(store, description, self._ids)
                store.delete(description, chosen)
                removed += len(chosen)
            else:
                removed += sum(store.delete_matching(description, condition) for condition in self._conditions)
        return removed
