"""Ask a space's bridges and classifiers what they see and hear in media."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from senseweave.concurrency import checkpoint
from senseweave.encoders.base import Encoder
from senseweave.encoders.observation import MediaDescription, Observation, Word
from senseweave.encoders.runtime.failures import computing
from senseweave.errors import EncodingError, MediaError, UnsupportedModalityError, VectorError
from senseweave.media import Media, Modality
from senseweave.spaces.engine import OnError


def describe_all(
    name: str, encoders: Mapping[Modality, Encoder], media: Sequence[Media], tags: int, on_error: OnError
) -> list[MediaDescription]:
    """Return what the encoders of a space say of media; see `Space.describe`.

    Args:
        name: Of the space, for errors.
        encoders: Of the space; there is one for each modality of `media`.
        media: What to describe.
        tags: How many classes an image or a window gets at most.
        on_error: `raise`, or `skip` to leave out media that cannot be read.
    """
    if tags < 1:
        msg = f"tags must be at least 1, not {tags}"
        raise ValueError(msg)
    able = [modality for modality, encoder in encoders.items() if encoder.observes]
    for item in media:
        if item.modality not in able:
            raise UnsupportedModalityError(f"describe of {name}", item.modality, able)
    described = []
    for position, item in enumerate(media):
        try:
            described.append(describe_media(encoders[item.modality], item, tags))
        except MediaError as error:
            if on_error == "raise":
                raise error.at(position, len(media)) from error
        except EncodingError as error:
            if on_error == "raise":
                raise VectorError(item.source, str(error), position=position, total=len(media)) from error
    return described


def describe_media(encoder: Encoder, media: Media, tags: int) -> MediaDescription:
    """Return what an encoder says of a media, window by window; times count from the beginning of the source.

    Args:
        encoder: A bridge of the media's modality.
        media: What to describe.
        tags: How many tags a window gets at most.

    Raises:
        MediaError: If the media cannot be read.
        EncodingError: If the model cannot compute it.
        NotImplementedError: If the encoder says nothing of media.
    """
    parts = []
    for span, decoded in _windows(encoder, media):
        checkpoint()
        with computing(encoder):
            observation = encoder.observe(decoded, tags)
        parts.append(_place(observation, span))
    if not parts:
        raise MediaError(media.source, "holds nothing to describe")
    return MediaDescription(media.source, tuple(parts))


def _windows(encoder: Encoder, media: Media) -> Iterator[tuple[tuple[float, float] | None, Any]]:
    options: dict[str, Any] = dict(encoder.decode_options)
    if encoder.window_seconds is None or media.modality not in ("audio", "video"):
        yield media.span, media.decode(**options)
        return
    windows: Sequence[Any] | Iterator[Any] = media.windows(encoder.window_seconds, at_pauses=encoder.cut_at_pauses)
    for window in windows:
        yield window.span, window.decode(**options)


def _place(observation: Observation, span: tuple[float, float] | None) -> Observation:
    """Return an observation of a window with times that count from the beginning of the source."""
    if span is None:
        return observation
    start, end = span
    words = tuple(
        Word(word.text, min(word.start + start, end), min(word.end + start, end), word.score)
        for word in observation.words
    )
    return replace(observation, span=(float(start), float(end)), words=words)
