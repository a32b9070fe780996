"""What an index stores of a piece of media: its id, its flat metadata and its line of text."""

from __future__ import annotations

import hashlib
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


def record_metadata(
    media: Media, source: str, fingerprint: str, added_at: float, own: Mapping[str, Any]
) -> dict[str, Any]:
    """Flat metadata of one record; what is None is left out.

    Raises:
        ValueError: If the user's own metadata use a reserved name or are not flat.
    """
    check_own(own)
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


def check_own(own: Mapping[str, Any]) -> None:
    """Raise ValueError where a user's metadata cannot be stored."""
    for name, value in own.items():
        if name in RESERVED:
            msg = f"metadata name {name!r} is the index's own; reserved are {', '.join(RESERVED)}"
            raise ValueError(msg)
        if value is not None and not isinstance(value, (str, int, float, bool)):
            msg = f"metadata {name!r} must be a str, int, float, bool or None, not {type(value).__name__}"
            raise ValueError(msg)


def record_text(media: Media, source: str, description: str | None) -> str:
    """The line of a record: the text itself, what the encoder said of it, or the name of its source."""
    if media.modality == "text":
        text: str = media.decode()
        return text
    return description or f"{media.modality}: {PurePath(source).name or source}"


def own_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The user's part of a record's metadata."""
    return {name: value for name, value in metadata.items() if name not in RESERVED}
