"""Neighbors: what an index holds that is nearest to one of its records, to a source, or to several liked ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from senseweave.explore.explored_index import ExploredIndex
from senseweave.media import Media
from senseweave.redaction import quoted
from senseweave.retrieval.hits import Hits
from senseweave.retrieval.records.identity import content_key
from senseweave.retrieval.search.examples import (
    EmbeddedQuery,
    Example,
    embed_examples,
    source_names,
    source_vectors,
    stored_vectors,
)
from senseweave.retrieval.search.plan import whole_number

DISLIKED: Final = 0.5
"""Weight of all that is disliked beside all that is liked. Less says little about where not to look, more leads away
from what is liked (Rocchio's formula: Manning, Raghavan and Schütze, Introduction to Information Retrieval, 9.1.1)."""


def find_neighbors(index: ExploredIndex, given: Any, k: int, options: Mapping[str, Any]) -> Hits:
    """Return what is nearest to a hit, a record or a source of an index, without itself."""
    if isinstance(given, Example):
        embedded = stored_vectors(given, index._store)
    elif isinstance(given, str | Path):
        embedded = source_vectors(given, index._store)
    else:
        msg = f"neighbours takes a hit, a record, or the path, URL or label of a source, not {quoted(given)}"
        raise TypeError(msg)
    return _search_others(index, EmbeddedQuery(embedded), [given], k, options)


def find_recommended(index: ExploredIndex, liked: Any, disliked: Any, k: int, options: Mapping[str, Any]) -> Hits:
    """Return what is near liked examples and far from disliked ones, without these."""
    good, bad = as_list(liked), as_list(disliked)
    if not good:
        msg = "recommend needs at least one liked hit, record, source, text or media"
        raise ValueError(msg)
    weighted = [(example, 1 / len(good)) for example in good] + [(example, -DISLIKED / len(bad)) for example in bad]
    query = EmbeddedQuery(embed_examples(weighted, index._store, index.spaces))
    known = [example for example in (*good, *bad) if not isinstance(example, str)]
    return _search_others(index, query, known, k, options)


def as_list(examples: Any) -> list[Any]:
    """Return one example or several as a list."""
    return [examples] if isinstance(examples, str | Path | Media | Example) else list(examples)


def _search_others(
    index: ExploredIndex, query: EmbeddedQuery, excluded: Iterable[Any], k: int, options: Mapping[str, Any]
) -> Hits:
    """Return the `k` best hits that are none of some hits, records and sources of the index."""
    ids: set[str] = set()
    keys: set[object] = set()
    sources: set[str] = set()
    for example in excluded:
        if isinstance(example, Example):
            ids.add(example.id)
            keys.add(content_key(example.provenance, example.text))
        elif isinstance(example, str | Path):
            sources |= set(source_names(example))
    keys -= {None}
    depth = whole_number("k", k, 1) + len(ids) + len(sources)
    while True:
        found = index.search(query, depth, **options)
        kept = [
            hit
            for hit in found
            if hit.id not in ids
            and content_key(hit.provenance, hit.text) not in keys
            and not sources & set(hit.sources)
        ]
        if len(kept) >= k or len(found) < depth:
            return Hits(kept[:k])
        depth *= 2
