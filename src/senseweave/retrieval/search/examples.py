"""Queries by example: by what an index holds, and by vectors."""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from senseweave.media import Media, Modality
from senseweave.media.forms.local_names import stored_name
from senseweave.retrieval.fusion import EmbeddedPart
from senseweave.retrieval.fusion.composition import unit
from senseweave.retrieval.hits import Hit
from senseweave.retrieval.listing import IndexRecord
from senseweave.retrieval.query import Query, as_query
from senseweave.retrieval.records.identity import content_key
from senseweave.retrieval.records.schema import read_metadata
from senseweave.retrieval.search.embedding import Embedded, embed_query, given_vector
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import Compare
from senseweave.spaces.space import Space


@dataclass(frozen=True)
class EmbeddedQuery:
    """A query that is known by its vectors alone.

    Attributes:
        embedded: By space, its parts as unit vectors.
    """

    embedded: Embedded


Example: TypeAlias = Hit | IndexRecord
"""What an index holds, as it gives it out."""
QueryInput: TypeAlias = str | Media | Query | Example | np.ndarray | Sequence[float] | EmbeddedQuery
"""What `Index.search` takes as a query."""


def read_query(
    query: Any, collections: Collections, spaces: Mapping[str, Space]
) -> tuple[Query, Embedded] | tuple[None, Embedded]:
    """Return a query with nothing embedded, or the stored or given vectors of a query that is known by them alone.

    Raises:
        TypeError: If it is none of what `Index.search` takes.
        ValueError: If it is a text without words, a hit whose record is gone, or a vector of no space.
    """
    if isinstance(query, EmbeddedQuery):
        return None, query.embedded
    if isinstance(query, Example) or is_vector(query):
        return None, embed_examples([(query, 1.0)], collections, spaces)
    if isinstance(query, np.ndarray):
        msg = (
            f"a vector as a query must have real numbers and the shape (dimension,), not {query.dtype} and "
            f"{query.shape}; pass a picture or a recording as sw.Image(...) or sw.Audio(...)"
        )
        raise TypeError(msg)
    return as_query(query), {}


def embed_examples(
    examples: Iterable[tuple[Any, float]], collections: Collections, spaces: Mapping[str, Space]
) -> Embedded:
    """Return, by space, weighted examples as unit vectors; a space without a positive part is left out.

    Args:
        examples: Hits, records, paths of sources, vectors, strings (always text) and media, each with its weight.
        collections: Of the index that holds the hits and records.
        spaces: Of the index, by name.

    Raises:
        TypeError: If an example is something else.
        ValueError: If the record of a hit is gone, a source is not in the index, or a vector is of no space.
    """
    embedded: Embedded = {}
    for example, weight in examples:
        if isinstance(example, Example):
            found = stored_vectors(example, collections)
        elif isinstance(example, Path):
            found = source_vectors(example, collections)
        elif is_vector(example):
            found = given_vector(example, {name: space.dimension for name, space in spaces.items()})
        else:
            found = embed_query(as_query(example), spaces)
        for space, parts in found.items():
            embedded.setdefault(space, []).extend(replace(part, weight=weight * part.weight) for part in parts)
    return {space: parts for space, parts in embedded.items() if any(part.weight > 0 for part in parts)}


def stored_vectors(example: Example, collections: Collections) -> Embedded:
    """Return the vectors of a content in every space that holds it, as they are stored.

    Raises:
        ValueError: If its record is gone.
    """
    provenance = example.provenance
    key = content_key(provenance, example.text)
    found: Embedded = {}
    for description in collections.descriptions.values():
        if description.modality != example.modality:
            continue
        if description.space == example.space:
            records = collections.get(description, ids=[example.id], vectors=True)
        elif provenance.sha256 is not None:
            same = Compare("sha256", "eq", provenance.sha256)
            stored = collections.get(description, condition=same, vectors=True)
            records = (record for record in stored if _key(record, example.modality) == key)
        else:
            continue
        record = next(iter(records), None)
        if record is not None and record.vector is not None:
            found[description.space] = [EmbeddedPart(unit(record.vector), example.modality, 1.0)]
    if example.space not in found:
        msg = f"{example.source}: the record {example.id} is not in the index (any more); search again"
        raise ValueError(msg)
    return found


def source_vectors(source: str | Path, collections: Collections) -> Embedded:
    """Return, by space, the mean of a source's vectors of each modality, weighted by their number.

    Raises:
        ValueError: If the index holds nothing of the source.
    """
    names = source_names(source)
    counted: dict[str, dict[Modality, list[np.ndarray]]] = {}
    for description in collections.descriptions.values():
        same = Compare("source", "in", tuple(names))
        for record in collections.get(description, condition=same, vectors=True):
            if record.vector is not None:
                by_modality = counted.setdefault(description.space, {})
                by_modality.setdefault(description.modality, []).append(unit(record.vector))
    if not counted:
        msg = f"{source}: is not in the index; `index.contents()` lists its sources"
        raise ValueError(msg)
    return {
        space: [
            EmbeddedPart(unit(np.mean(rows, axis=0)), modality, len(rows) / sum(map(len, by_modality.values())))
            for modality, rows in by_modality.items()
        ]
        for space, by_modality in counted.items()
    }


def source_names(source: str | Path) -> list[str]:
    """Return the names under which an index may file a source: as it is given, and as an absolute path."""
    given = os.fspath(source)
    path = os.path.abspath(given)
    return list(dict.fromkeys([given, path, stored_name(path)]))


def is_vector(query: Any) -> bool:
    """Return whether a query is a vector: an array of real numbers, or a list or tuple of them."""
    if isinstance(query, np.ndarray):
        return query.ndim == 1 and query.dtype.kind in "iuf"
    return isinstance(query, (list, tuple)) and bool(query) and all(isinstance(value, numbers.Real) for value in query)


def _key(record: StoredRecord, modality: Modality) -> object:
    return content_key(read_metadata({"modality": modality, **record.metadata}), record.text)
