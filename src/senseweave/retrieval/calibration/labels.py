"""Labeled queries: which records of each collection answer them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from senseweave.media import Media
from senseweave.retrieval.calibration.cells import Label
from senseweave.retrieval.fusion import EmbeddedPart
from senseweave.retrieval.records.identity import content_key
from senseweave.retrieval.records.schema import read_metadata, record_source
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.description import Description

Answers = str | Collection[str]


def check_queries(queries: Any, labels: Any) -> None:
    """Check the types of sample queries and labels.

    Raises:
        TypeError: If queries are not a list of strings or media, or labels not a list of pairs of a query and answers.
    """
    for name, given in (("queries", queries), ("labels", labels)):
        if isinstance(given, (str, bytes, Media, Mapping)) or not isinstance(given, Collection):
            msg = f"{name} must be a list, not {given!r}"
            raise TypeError(msg)
    for label in labels:
        if not isinstance(label, (tuple, list)) or len(label) != 2:
            msg = f"a label must be a pair of a query and its answers, not {label!r}"
            raise TypeError(msg)
    for query in (*queries, *(label[0] for label in labels)):
        if not isinstance(query, (str, Media)):
            msg = f"a query to calibrate with must be a str or media, not {query!r}"
            raise TypeError(msg)


def match_labels(
    store: Collections,
    embed: Callable[[str | Media], dict[str, EmbeddedPart]],
    labels: Sequence[tuple[str | Media, Answers]],
) -> list[tuple[Description, Label]]:
    """Pair every labeled query with every collection whose space embeds it, and with the records there that answer it.

    Args:
        store: The collections that hold the records.
        embed: Returns a query's vector in each space, by the space's name.
        labels: Pairs of a query and its answers: sources, ends of sources, or record ids.
    """
    contents = {key: _contents(store, description) for key, description in store.descriptions.items()}
    matched = []
    for query, answers in labels:
        names = {answers} if isinstance(answers, str) else set(answers)
        parts = embed(query)
        for key, description in store.descriptions.items():
            if description.space in parts:
                part = parts[description.space]
                # A named file answers with its content, and so do all records of equal content.
                named = (
                    records
                    for records in contents[key]
                    if any(_is_named(identifier, source, names) for identifier, source in records.items())
                )
                relevant = frozenset(identifier for records in named for identifier in records)
                matched.append((description, Label(part.vector, part.modality, relevant)))
    return matched


def _contents(store: Collections, description: Description) -> list[dict[str, str]]:
    """Return for each content of a collection its records, as a dict from record id to source."""
    found: dict[object, dict[str, str]] = {}
    for record in store.get(description):
        content = content_key(read_metadata(record.metadata), record.text)
        records = found.setdefault(record.id if content is None else content, {})
        records[record.id] = record_source(record.id, record.metadata)
    return list(found.values())


def _is_named(identifier: str, source: str, names: Collection[str]) -> bool:
    return identifier in names or any(is_called(source, name) for name in names)


def is_called(source: str, name: str) -> bool:
    """Return whether a name is a source or the end of its path, such as `photos/dog.jpg`."""
    return source == name or source.endswith("/" + name.lstrip("/"))
