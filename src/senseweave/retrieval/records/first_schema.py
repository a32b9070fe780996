"""What an index stores of a piece of media: its id, its flat metadata and its line of text."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from senseweave.media import Media

COPY_OF = "senseweave_copy_of"
"""In a row of the index's copies: the id of the record whose content stands at one more source."""
RESERVED = ("modality", "source", "mime_type", "sha256", "start", "end", "page", "fingerprint", "added_at", COPY_OF)
"""Metadata that the index writes; users' own metadata cannot use these names."""

PASSAGE = ("character_start", "character_end")
"""Metadata of a passage of a text, told by where it stands and not by the user."""


@dataclass(frozen=True)
class Record:
    """One row of a collection."""

    id: str
    vector: np.ndarray
    text: str
    metadata: dict[str, Any]


def record_id(media: Media, fingerprint: str) -> str:
    """32 hexadecimal digits from content hash, span, page and fingerprint: equal for equal content."""
    span = "" if media.span is None else f"{media.span[0]:.3f}-{media.span[1]:.3f}"
    page = "" if media.page is None else str(media.page)
    key = "\n".join((media.modality, media.sha256, span, page, fingerprint))
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def source_of(identifier: str, metadata: Mapping[str, Any]) -> str:
    """Where a stored record stands; one that another program wrote without a source goes by its id."""
    return str(metadata.get("source", identifier))


def is_gone(source: str) -> bool:
    """Whether a source is a local file that is no longer there."""
    return os.path.isabs(source) and not os.path.lexists(source)


def record_metadata(
    media: Media, source: str, fingerprint: str, added_at: float, own: Mapping[str, Any]
) -> dict[str, Any]:
    """Flat metadata of one record, with the user's own, which `checked_own` gave; what is None is left out."""
    start, end = media.span if media.span is not None else (None, None)
    written = {
        "modality": media.modality,
        "source": source,
        "mime_type": media.mime_type,
        "sha256": media.sha256,
        "start": start,
        "end": end,
        "page": media.page,
        "fingerprint": fingerprint,
        "added_at": added_at,
    }
    return {name: value for name, value in {**written, **own}.items() if value is not None}


def checked_own(own: Mapping[Any, Any]) -> dict[str, Any]:
    """A user's metadata as they are stored, NumPy's numbers as Python's.

    Raises:
        ValueError: If something cannot be stored.
    """
    return {_checked_name(name): _checked_value(name, value) for name, value in own.items()}


def _checked_name(name: Any) -> str:
    if name in RESERVED:
        msg = f"metadata name {name!r} is the index's own; reserved are {', '.join(RESERVED)}"
        raise ValueError(msg)
    if not isinstance(name, str) or not name or name.startswith(("$", "#", "chroma:")) or not is_unicode(name):
        msg = f"a metadata name is a str that is not empty and does not begin with $, # or chroma:, not {name!r}"
        raise ValueError(msg)
    return name


def _checked_value(name: str, given: Any) -> Any:
    value = plain(given)
    if value is not None and not isinstance(value, (str, int, float, bool)):
        msg = f"metadata {name!r} must be a str, int, float, bool or None, not {type(given).__name__}"
        raise ValueError(msg)
    if isinstance(value, float) and not math.isfinite(value):
        msg = f"metadata {name!r} must be a finite number, or None where it is not known, not {given!r}"
        raise ValueError(msg)
    if isinstance(value, int) and value.bit_length() >= 64:
        msg = f"metadata {name!r} must be a number of at most 64 bits, not {given!r}: keep it as a float or a str"
        raise ValueError(msg)
    if isinstance(value, str) and not is_unicode(value):
        msg = f"metadata {name!r} holds a lone surrogate, which is no character: {given!r}"
        raise ValueError(msg)
    return value


def plain(value: Any) -> Any:
    """A number of NumPy as one of Python, and anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def is_unicode(text: str) -> bool:
    """Whether a string can be stored: file names and JSON can hold lone surrogates, which UTF-8 lacks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def record_text(media: Media, source: str, description: str | None) -> str:
    """The line of a record: the text itself, what the encoder said of it, or the name of its source."""
    if media.modality == "text":
        text: str = media.decode()
        return text
    return description or f"{media.modality}: {PurePath(source).name or source}"


def own_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The user's part of a record's metadata."""
    return {name: value for name, value in metadata.items() if name not in RESERVED}
