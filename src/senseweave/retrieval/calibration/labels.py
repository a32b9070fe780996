"""Labelled queries: which records of each collection answer them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from senseweave.media import Media
from senseweave.retrieval.calibration.cells import Label
from senseweave.retrieval.fusion import EmbeddedPart
from senseweave.retrieval.records.copies import Copies
from senseweave.retrieval.records.first_schema import source_of
from senseweave.retrieval.stores.chroma import Store
from senseweave.retrieval.stores.description import Description, Key

Answers = str | Collection[str]


def check_asked(queries: Any, labels: Any) -> None:
    """Check what an index is told of the queries that it is asked.

    Raises:
        TypeError: If queries are not a list of strings or media, or labels not one of pairs of such and answers.
    """
    for name, given in (("queries", queries), ("labels", labels)):
        if isinstance(given, (str, bytes, Media, Mapping)) or not isinstance(given, Collection):
            msg = f"{name} is a list, not {given!r}"
            raise TypeError(msg)
    for one in labels:
        if not isinstance(one, (tuple, list)) or len(one) != 2:
            msg = f"a label is a pair of a query and what answers it, not {one!r}"
            raise TypeError(msg)
    for asked in (*queries, *(one[0] for one in labels)):
        if not isinstance(asked, (str, Media)):
            msg = f"the index learns from queries that are a str or media, not from {asked!r}"
            raise TypeError(msg)


def match_labels(
    store: Store,
    embed: Callable[[str | Media], dict[str, EmbeddedPart]],
    labels: Sequence[tuple[str | Media, Answers]],
) -> list[tuple[Description, Label]]:
    """Pair every labelled query with every collection that it can be asked of, and the records there that answer it.

    Args:
        store: Where the records are.
        embed: Gives a query's vector in each space, by the space's name.
        labels: Pairs of a query and its answers: sources, ends of sources, or record ids.
    """
    sources: dict[Key, dict[str, set[str]]] = {key: {} for key in store.descriptions}
    for key, description in store.descriptions.items():
        for row in Copies(store, description).standing():
            sources[key].setdefault(row.id, set()).add(source_of(row.id, row.metadata))
    matched = []
    for query, answers in labels:
        wanted = {answers} if isinstance(answers, str) else set(answers)
        parts = embed(query)
        for key, description in store.descriptions.items():
            if description.space in parts:
                part = parts[description.space]
                relevant = frozenset(one for one, places in sources[key].items() if _is_named(one, places, wanted))
                matched.append((description, Label(part.vector, part.modality, relevant)))
    return matched


def _is_named(identifier: str, sources: Collection[str], wanted: Collection[str]) -> bool:
    return identifier in wanted or any(is_called(source, one) for source in sources for one in wanted)


def is_called(source: str, name: str) -> bool:
    """Whether a name is that of a source or its end, such as `photos/dog.jpg`."""
    return source == name or source.endswith("/" + name.lstrip("/"))
