"""Divide media into chunks that the encoders of a space hear, see or read at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from numbers import Integral, Real
from typing import Final, TypedDict

from senseweave.encoders.base import Encoder
from senseweave.media import Media, split
from senseweave.media.headings import Measure
from senseweave.media.reading.windows import check_window
from senseweave.media.splitting import DEFAULT_CHARACTERS, DEFAULT_SECONDS
from senseweave.redaction import quoted
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
        ValueError: If a length is impossible.
    """
    check_chunking(seconds, overlap, characters, character_overlap)
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


def check_chunking(
    seconds: float | None = None,
    overlap: float = 0.0,
    characters: int | None = None,
    character_overlap: int = 0,
    spaces: Iterable[Space] = (),
) -> None:
    """Check the options of `chunk_media` before any media is divided.

    Args:
        seconds: See `chunk_media`, like the others.
        overlap: Also less than the windows of `spaces`.
        characters: At least 1.
        character_overlap: At least 0.
        spaces: Which embed the chunks.

    Raises:
        ValueError: If one is impossible; the message names it.
    """
    counts = {"characters": (characters, 1), "character_overlap": (character_overlap, 0)}
    for name, (count, least) in counts.items():
        if count is not None and (isinstance(count, bool) or not isinstance(count, Integral) or count < least):
            msg = f"{name} must be a whole number of at least {least}, not {quoted(count)}"
            raise ValueError(msg)
    lengths = {"seconds": seconds, "overlap": overlap}
    for name, length in lengths.items():
        if length is not None and (isinstance(length, bool) or not isinstance(length, Real) or not 0 <= length < inf):
            msg = f"{name} must be a number of at least 0, not {quoted(length)}"
            raise ValueError(msg)
    if not overlap:
        return
    encoders = [space.encoders[kind] for space in spaces for kind in ("audio", "video") if kind in space.encoders]
    for encoder in encoders:
        check_window(seconds or encoder.window_seconds or DEFAULT_SECONDS, overlap)


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
