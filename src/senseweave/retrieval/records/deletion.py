"""Deleting records: by id, by source or by a condition on metadata."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from senseweave.media.forms.local_names import stored_name
from senseweave.media.kinds.text import FILE_HASH
from senseweave.retrieval.records.identity import picture_provenance
from senseweave.retrieval.records.schema import read_metadata
from senseweave.retrieval.search.collection_source import equal_content
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import Condition, any_of
from senseweave.retrieval.stores.filter_size import shown
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
            TypeError: If `ids` are not strings, or `sources` neither strings nor paths.
            ValueError: If not exactly one is given, or the filter is empty.
        """
        if sum(argument is not None for argument in (ids, sources, filter)) != 1:
            msg = "delete needs exactly one of ids, sources and filter"
            raise ValueError(msg)
        self._ids = listed_ids(ids) if ids is not None else None
        self._conditions: list[Condition] = []
        if sources is not None:
            self._conditions = any_of("source", _source_names(sources))
        elif filter is not None:
            condition = parse_filter(filter)
            if condition is None:
                msg = "an empty filter would delete every record; pass at least one condition"
                raise ValueError(msg)
            self._conditions = [condition]

    def run(self, store: Collections) -> int:
        """Delete them and return their number; the caller holds the store's lock."""
        if self._ids is not None:
            return self._delete_ids(store, self._ids)
        return sum(
            store.delete_matching(description, condition)
            for description in store.descriptions.values()
            for condition in self._conditions
        )

    def _delete_ids(self, store: Collections, ids: Sequence[str]) -> int:
        """Delete records, those of equal content, and with a picture the words in it, which are one hit."""
        descriptions = list(store.descriptions.values())
        chosen = [set(equal_content(store, description, ids)) for description in descriptions]
        pictures = {
            place
            for description, listed in zip(descriptions, chosen, strict=True)
            for record in store.get(description, ids=list(listed))
            if (place := _picture_place(record)) is not None
        }
        hashes = sorted({place[0] for place in pictures})
        for description, listed in zip(descriptions, chosen, strict=True):
            field = {"image": "sha256", "text": FILE_HASH}.get(description.modality)
            for condition in any_of(field, hashes) if field is not None else ():
                found = store.get(description, condition=condition)
                listed |= {record.id for record in found if _picture_place(record) in pictures}
            store.delete(description, sorted(listed))
        return sum(map(len, chosen))


def _source_names(sources: Any) -> list[str]:
    """Return the names under which records may keep sources.

    Raises:
        TypeError: If they are neither strings nor paths.
    """
    given = [sources] if isinstance(sources, (str, os.PathLike)) else sources
    if not isinstance(given, Iterable) or isinstance(given, (bytes, bytearray, memoryview)):
        msg = f"sources must be a str, a path or a list of them, not {shown(sources)}"
        raise TypeError(msg)
    names = set()
    for source in given:
        name = os.fspath(source) if isinstance(source, os.PathLike) else source
        if not isinstance(name, str):
            msg = f"sources must be a str, a path or a list of them, not a list with {shown(source)}"
            raise TypeError(msg)
        names |= {name, stored_name(name)}
    return sorted(names)


def _picture_place(record: StoredRecord) -> tuple[str, str | None, int | None, str | None] | None:
    """Return content and place of the picture that a record holds, or whose words it holds; None for any other."""
    provenance = read_metadata(record.metadata)
    picture = provenance if provenance.modality == "image" else picture_provenance(provenance)
    if picture is None or picture.sha256 is None:
        return None
    return picture.sha256, picture.source, picture.page, picture.part
