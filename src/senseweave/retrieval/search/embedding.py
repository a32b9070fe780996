"""Embed a query: every part once, in every space that can embed it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from senseweave.concurrency import in_thread
from senseweave.errors import UnsupportedModalityError
from senseweave.media import MODALITIES, Media, Modality
from senseweave.retrieval.fusion import EmbeddedPart
from senseweave.retrieval.fusion.composition import unit
from senseweave.retrieval.query import Part, Query
from senseweave.spaces.batch import row_lengths
from senseweave.spaces.space import Space

Embedded = dict[str, list[EmbeddedPart]]
"""By space, the parts of a query that it can embed."""


class QueryEmbedder(Protocol):
    """Whatever embeds the parts of a query, such as a framework's own embedding model."""

    @property
    def query_modalities(self) -> Collection[Modality]:
        """Modalities of queries that can be embedded."""

    def embed(self, media: Sequence[Media]) -> Any:
        """Return the vectors of parts of a query, shape (n, dimension), of any length."""

    async def aembed(self, media: Sequence[Media]) -> Any:
        """Run `embed` off the event loop."""


def embed_query(query: Query, spaces: Mapping[str, Space]) -> Embedded:
    """Return, by space, the parts of a query that the space can embed, as unit vectors.

    Raises:
        UnsupportedModalityError: If no space can embed any part of the query.
        MediaError: If a media of the query cannot be read.
    """
    able = _able_parts(query, {name: space.modalities for name, space in spaces.items()}, "the index")
    return {
        name: _unit_parts(parts, spaces[name].encode(_media(parts), role="query").vectors)
        for name, parts in able.items()
    }


async def aembed_query(query: Query, spaces: Mapping[str, Space]) -> Embedded:
    """Embed like `embed_query`, off the event loop; queries that wait together are embedded in one batch."""
    able = _able_parts(query, {name: space.modalities for name, space in spaces.items()}, "the index")
    vectors = await asyncio.gather(*(spaces[name].aembed(_media(parts), role="query") for name, parts in able.items()))
    return {name: _unit_parts(parts, rows) for (name, parts), rows in zip(able.items(), vectors, strict=True)}


def embed_parts(query: Query, embedders: Mapping[str, QueryEmbedder]) -> Embedded:
    """Return what `embed_query` returns, embedded by a framework's models."""
    able = _able_parts(query, _modalities(embedders), "the retriever")
    return {name: _unit_parts(parts, embedders[name].embed(_media(parts))) for name, parts in able.items()}


async def aembed_parts(query: Query, embedders: Mapping[str, QueryEmbedder]) -> Embedded:
    """Embed like `embed_parts`, off the event loop, with all models at a time."""
    # Asking models what they embed can load them.
    able = await in_thread(lambda: _able_parts(query, _modalities(embedders), "the retriever"))
    vectors = await asyncio.gather(*(embedders[name].aembed(_media(parts)) for name, parts in able.items()))
    return {name: _unit_parts(parts, rows) for (name, parts), rows in zip(able.items(), vectors, strict=True)}


def given_vector(vector: Sequence[float], dimensions: Mapping[str, int]) -> Embedded:
    """Return a vector of a question as the query of every space that it can be from.

    Args:
        vector: The vector, of any length.
        dimensions: Of the vectors of each space.

    Raises:
        ValueError: If the vector is zero or has the dimension of no space.
    """
    given = np.asarray(vector, np.float32)
    fitting = [space for space, dimension in dimensions.items() if dimension == given.size]
    if not fitting or not given.any():
        known = ", ".join(map(str, sorted(set(dimensions.values()))))
        problem = "is zero" if fitting else f"has dimension {given.size}, the stores' vectors have {known}"
        msg = f"the query embedding {problem}; embed queries with the model of a store"
        raise ValueError(msg)
    return {space: [EmbeddedPart(unit(given), "text", 1.0)] for space in fitting}


def _able_parts(query: Query, modalities: Mapping[str, Collection[Modality]], asked: str) -> dict[str, list[Part]]:
    """Return, by space, the parts of a query that are of its modalities; spaces without any are left out."""
    able = {
        name: parts
        for name, supported in modalities.items()
        if (parts := [part for part in query.parts if part[0].modalities <= set(supported)])
        and any(weight > 0 for _, weight in parts)
    }
    if not able:
        modality = next(media.modality for media, weight in query.parts if weight > 0)
        known = [name for name in MODALITIES if any(name in supported for supported in modalities.values())]
        raise UnsupportedModalityError(asked, modality, known)
    return able


def _modalities(embedders: Mapping[str, QueryEmbedder]) -> dict[str, Collection[Modality]]:
    return {name: embedder.query_modalities for name, embedder in embedders.items()}


def _media(parts: Sequence[Part]) -> list[Media]:
    return [media for media, _ in parts]


def _unit_parts(parts: Sequence[Part], vectors: Any) -> list[EmbeddedPart]:
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = row_lengths(rows)
    units = rows / np.where(lengths > 0, lengths, 1)
    return [
        EmbeddedPart(vector, media.modality, weight, length)
        for vector, length, (media, weight) in zip(units, lengths[:, 0].tolist(), parts, strict=True)
    ]
