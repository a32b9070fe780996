"""Embed a query: every part once, in every space that can embed it."""

from __future__ import annotations

from collections.abc import Mapping

from senseweave.errors import UnsupportedModalityError
from senseweave.media import MODALITIES
from senseweave.retrieval.fusion import EmbeddedPart
from senseweave.retrieval.fusion.composition import unit
from senseweave.retrieval.query import Query
from senseweave.spaces.space import Space


def embed_query(query: Query, spaces: Mapping[str, Space]) -> dict[str, list[EmbeddedPart]]:
    """Return, by space, the parts of a query that the space can embed, as unit vectors.

    Raises:
        UnsupportedModalityError: If no space can embed any part of the query.
        MediaError: If a media of the query cannot be read.
    """
    embedded: dict[str, list[EmbeddedPart]] = {}
    for name, space in spaces.items():
        parts = [(media, weight) for media, weight in query.parts if media.modality in space.modalities]
        if not any(weight > 0 for _, weight in parts):
            continue
        vectors = space.encode([media for media, _ in parts], role="query").vectors
        embedded[name] = [
            EmbeddedPart(unit(vector), media.modality, weight)
            for vector, (media, weight) in zip(vectors, parts, strict=True)
        ]
    if not embedded:
        modality = next(media.modality for media, weight in query.parts if weight > 0)
        known = [m for m in MODALITIES if any(m in space.modalities for space in spaces.values())]
        raise UnsupportedModalityError("the index", modality, known)
    return embedded
