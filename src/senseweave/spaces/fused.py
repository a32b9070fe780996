"""Encode fused media: all parts at once, then the weighted mean of each item's vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from senseweave.errors import EncodingError, MediaError, VectorError
from senseweave.media import Media
from senseweave.media.fused import Fused
from senseweave.progress import Counter
from senseweave.spaces.batch import Batch
from senseweave.spaces.engine import OnError


def encode_fused(
    media: Sequence[Media],
    encode: Callable[[Sequence[Media]], Batch],
    finish: Callable[[np.ndarray], np.ndarray],
    *,
    on_error: OnError,
    progress: Counter | None,
) -> Batch:
    """Return the batch of media among which are fused media.

    Args:
        media: What to encode.
        encode: Encodes media that are not fused, of all modalities; collects errors.
        finish: Brings vectors, shape (n, dimension), to the length that the space gives them.
        on_error: What to do with what cannot be encoded.
        progress: Told once, at the end.

    Raises:
        MediaError: If something cannot be encoded and `on_error` is `raise`.
    """
    flat: list[Media] = []
    places: list[dict[str, int]] = []
    for item in media:
        parts = item.parts if isinstance(item, Fused) else {"": item}
        places.append({name: len(flat) + at for at, name in enumerate(parts)})
        flat += parts.values()
    encoded = encode(flat)
    rows = {position: row for row, position in enumerate(encoded.kept)}
    errors = {error.position: error for error in encoded.failed}
    vectors, descriptions, dropped, kept, failed = [], [], [], [], []
    for position, (item, at) in enumerate(zip(media, places, strict=True)):
        broken = next(((name, errors[place]) for name, place in at.items() if place in errors), None)
        try:
            if broken is not None:
                raise item.part_error(*broken) if isinstance(item, Fused) else broken[1]
            vectors.append(_mean(item, {name: encoded.vectors[rows[place]] for name, place in at.items()}, finish))
        except MediaError as error:
            if on_error == "raise":
                raise error.at(position, len(media)) from error
            failed.append(error.at(position, len(media)))
            continue
        kept.append(position)
        said = {name: encoded.descriptions[rows[place]] for name, place in at.items()}
        descriptions.append(_describe(item, said) if isinstance(item, Fused) else said[""])
        dropped.append(sum(encoded.dropped[rows[place]] for place in at.values()))
    if progress is not None:
        progress(len(media), len(media))
    shape = (0, encoded.vectors.shape[1])
    return Batch(np.stack(vectors) if vectors else np.zeros(shape, np.float32), kept, descriptions, dropped, failed)


def _mean(item: Media, vectors: dict[str, np.ndarray], finish: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    if not isinstance(item, Fused):
        return vectors[""]
    mean = sum(np.float32(item.weights[name]) * vector for name, vector in vectors.items())
    try:
        finished: np.ndarray = finish(np.asarray(mean, np.float32)[None])[0]
    except EncodingError as error:
        reason = f"the vectors of its parts ({', '.join(vectors)}) cancel each other out: their mean has no direction"
        raise VectorError(item.source, reason) from error
    return finished


def _describe(item: Fused, said: dict[str, str | None]) -> str:
    """Return the words of the texts among the parts, then what the space says of the others."""
    words = [media.decode() for media in item.parts.values() if media.modality == "text"]
    return "\n".join([*words, *(description for description in said.values() if description)])
