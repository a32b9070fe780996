"""Labelled queries: which records of each collection answer them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from senseweave.media import Media
from senseweave.retrieval.calibration import Label
from senseweave.retrieval.search import EmbeddedPart
from senseweave.retrieval.store import Description, Store

Answers = str | Collection[str]


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
    sources = {
        key: {row.id: str(row.metadata.get("source", "")) for row in store.get(description)}
        for key, description in store.descriptions.items()
    }
    matched = []
    for query, answers in labels:
        wanted = {answers} if isinstance(answers, str) else set(answers)
        parts = embed(query)
        for key, description in store.descriptions.items():
            if description.space in parts:
                part = parts[description.space]
                relevant = frozenset(one for one, source in sources[key].items() if _is_named(one, source, wanted))
                matched.append((description, Label(part.vector, part.modality, relevant)))
    return matched


def _is_named(identifier: str, source: str, wanted: Collection[str]) -> bool:
    return identifier in wanted or any(source == one or source.endswith("/" + one.lstrip("/")) for one in wanted)
