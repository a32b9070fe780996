"""Divide media into chunks that the encoders of a space hear, see or read at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypedDict

from senseweave.encoders.base import Encoder
from senseweave.media import Media, split
from senseweave.media.headings import Measure
from senseweave.media.splitting import DEFAULT_CHARACTERS, DEFAULT_SECONDS
from senseweave.spaces.space import Space

CHARACTERS_PER_TOKEN: Final = 4
"""English text has 4 to 5; the lower number keeps a passage within what the encoder reads."""


class ChunkOptions(TypedDict, total=False):
    """How media are divided into chunks: options of `chunk_media`, which the components of the integrations take too.

    Attributes:
        seconds: Length of the windows of audio and video; None for what suits the model.
        overlap: Seconds that neighboring windows share.
        characters: Most characters of a passage of text; None for what suits the model.
        character_overlap: Characters that neighboring passages share, at most.
    """

    seconds: float | None
    overlap: float
    characters: int | None
    character_overlap: int


CHUNK_OPTIONS: Final = tuple(ChunkOptions.__annotations__)
"""Names of the options."""


def chunk_media(
    media: Media,
    space: Space | None = None,
    *,
    seconds: float | None = None,
    overlap: float = 0.0,
    characters: int | None = None,
    character_overlap: int = 0,
) -> Iterator[Media]:
    """Yield the chunks into which an index of `space` divides a media, in order; see `senseweave.media.split`.

    A scanned page has its picture too, so that a space without texts leaves out the words that OCR may read on it.

    Args:
        media: The media to divide.
        space: The space whose encoders determine the length of chunks, and whether sound is cut at pauses; None for
            default lengths.
        seconds: Length of a window of audio or video; None for the encoder's own length, or 30 if it has none.
        overlap: Seconds that neighbouring windows share.
        characters: Most characters per passage; None for what the text encoder reads, at most 1000: passages with
            more tokens than it reads, as in code and in many languages, are then divided again.
        character_overlap: Characters that neighbouring passages share, at most.

    Raises:
        UnsupportedModalityError: If the space cannot embed the media.
        MediaError: If the media cannot be read.
    """
    if media.is_scan and space is not None and "text" not in space.modalities:
        return iter(())
    encoder = space.encoder(media.modality) if space is not None else None
    measure = None
    if characters is None:
        characters = DEFAULT_CHARACTERS
        if media.modality == "text" and encoder is not None and encoder.max_length:
            characters = min(characters, CHARACTERS_PER_TOKEN * encoder.max_length)
            measure = _measure(encoder, encoder.max_length)
    return split(
        media,
        seconds=seconds or (encoder.window_seconds if encoder is not None else None) or DEFAULT_SECONDS,
        overlap=overlap,
        at_pauses=encoder is not None and encoder.cut_at_pauses,
        characters=characters,
        character_overlap=character_overlap,
        measure=measure,
    )


def _measure(encoder: Encoder, limit: int) -> Measure:
    """Return what tells how long texts are for an encoder that reads `limit` tokens."""

    def measure(texts: Sequence[str]) -> list[float]:
        # A text of few bytes has no more tokens, whatever the vocabulary; prompts and special tokens come to them.
        doubtful = [at for at, text in enumerate(texts) if len(text.encode("utf-8", "replace")) > limit // 2]
        shares = [1.0] * len(texts)
        prepared = encoder.prepare([texts[at] for at in doubtful], "document") if doubtful else ()
        for at, item in zip(doubtful, prepared, strict=True):
            shares[at] += item.dropped / limit
        return shares

    return measure
