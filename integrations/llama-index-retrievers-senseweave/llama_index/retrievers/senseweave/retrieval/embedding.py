"""A query as vectors: its parts, embedded through LlamaIndex's events and caches by every model that can."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.embeddings.senseweave.embeddings.batches import Embedding, aembed_mixed, embed_mixed, require_vectors

from senseweave.interop import MODALITIES, EmbeddedPart, Media, UnsupportedModalityError, unit

Embedded = dict[str, list[EmbeddedPart]]
"""By fingerprint of the model, the parts of the query that it embedded, as unit vectors."""


def embed_query(models: Sequence[SenseweaveEmbedding], media: Sequence[Media]) -> Embedded:
    """Return the parts of a query as unit vectors of every model.

    Raises:
        UnsupportedModalityError: If no model can embed any part.
        MediaError: If a part cannot be read.
    """
    return {
        model.fingerprint: _unit_parts(parts, require_vectors(embed_mixed(model, parts, "query")))
        for model, parts in _able_models(models, media)
    }


async def aembed_query(models: Sequence[SenseweaveEmbedding], media: Sequence[Media]) -> Embedded:
    """Embed like `embed_query`, off the event loop, with all models at a time."""
    able = await asyncio.to_thread(_able_models, models, media)
    outcomes = await asyncio.gather(*(aembed_mixed(model, parts, "query") for model, parts in able))
    return {
        model.fingerprint: _unit_parts(parts, require_vectors(outcome))
        for (model, parts), outcome in zip(able, outcomes, strict=True)
    }


def given_query(models: Sequence[SenseweaveEmbedding], embedding: Embedding) -> Embedded:
    """Return the vector of a bundle for every model that it can be from.

    Raises:
        ValueError: If the vector is zero or has the dimension of no model.
    """
    vector = np.asarray(embedding, np.float32)
    fitting = [model for model in models if model.dimension == vector.size]
    if not fitting or not vector.any():
        dimensions = ", ".join(sorted({str(model.dimension) for model in models}))
        msg = f"the bundle's embedding has dimension {vector.size}, the stores' vectors have {dimensions}"
        raise ValueError(msg)
    return {model.fingerprint: [EmbeddedPart(unit(vector), "text", 1.0)] for model in fitting}


def _able_models(
    models: Sequence[SenseweaveEmbedding], media: Sequence[Media]
) -> list[tuple[SenseweaveEmbedding, list[Media]]]:
    """Return the models that can embed parts of a query, each with those parts; loads the models."""
    distinct = {model.fingerprint: model for model in models}.values()
    able = [(model, [part for part in media if part.modality in model.modalities]) for model in distinct]
    able = [(model, parts) for model, parts in able if parts]
    if not able:
        supported = [name for name in MODALITIES if any(name in model.modalities for model in distinct)]
        raise UnsupportedModalityError("the retriever", media[0].modality, supported)
    return able


def _unit_parts(parts: Sequence[Media], vectors: Sequence[Embedding]) -> list[EmbeddedPart]:
    return [
        EmbeddedPart(unit(np.asarray(vector, np.float32)), part.modality, 1.0)
        for part, vector in zip(parts, vectors, strict=True)
    ]
