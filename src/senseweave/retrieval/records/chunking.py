"""How media are cut for a space: into what its encoders hear, see and read at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from senseweave.media import Media, split
from senseweave.media.splitting import DEFAULT_CHARACTERS, DEFAULT_SECONDS
from senseweave.spaces.space import Space

CHARACTERS_PER_TOKEN: Final = 4
"""English text has 4 to 5; passages are cut so that they are read to their end."""


def pieces_of(
    media: Media,
    space: Space | None = None,
    *,
    seconds: float | None = None,
    overlap: float = 0.0,
    characters: int | None = None,
    character_overlap: int = 0,
) -> Iterator[Media]:
    """Yield the pieces of a media that an index of `space` stores, in order; see `senseweave.media.split`.

    Args:
        media: What to cut.
        space: Whose encoders say how much they take at a time, and whether sound is cut at pauses; None for pieces of
            common lengths, which suit no encoder in particular.
        seconds: Length of a window of audio or video; None for the encoder's own, or 30 where it has none.
        overlap: Seconds that neighbouring windows share.
        characters: Most characters of a passage; None for what the text encoder reads, at most 1000.
        character_overlap: Characters that neighbouring passages share, at most.

    Raises:
        UnsupportedModalityError: If the space cannot embed the media.
        MediaError: If the media cannot be read.
    """
    encoder = space.encoder(media.modality) if space is not None else None
    if characters is None:
        characters = DEFAULT_CHARACTERS
        if media.modality == "text" and encoder is not None and encoder.max_length:
            characters = min(characters, CHARACTERS_PER_TOKEN * encoder.max_length)
    return split(
        media,
        seconds=seconds or (encoder.window_seconds if encoder is not None else None) or DEFAULT_SECONDS,
        overlap=overlap,
        at_pauses=encoder is not None and encoder.cut_at_pauses,
        characters=characters,
        character_overlap=character_overlap,
    )
