"""The short line that says what a chunk is and where it is from, and the text of a document of media made with it."""

from __future__ import annotations

from typing import Final

from senseweave.media import Media
from senseweave.media.base import source_name
from senseweave.retrieval.records.schema import Provenance

DESCRIPTION_LENGTH: Final = 1000
"""Characters of a transcript or label line that a document keeps; text is never cut."""


def place_label(provenance: Provenance, otherwise: str | None = None) -> str:
    """Return modality, source and place of a chunk, for example `audio talk.mp3 0:15.0-0:30.0`.

    Args:
        provenance: What is known of the chunk.
        otherwise: What stands for a source that is not known.
    """
    label = f"{provenance.modality} {provenance.source or otherwise or 'without a source'}"
    if provenance.span is not None:
        start, end = (f"{int(seconds // 60)}:{seconds % 60:04.1f}" for seconds in provenance.span)
        return f"{label} {start}-{end}"
    return f"{label} page {provenance.page}" if provenance.page is not None else label


def labeled_description(description: str | None, label: str) -> str:
    """Return a description followed by where the chunk is from, unless it says so already."""
    words = " ".join((description or "").split())
    if words == label or words.endswith(f"({label})"):
        return words
    if len(words) > DESCRIPTION_LENGTH:
        words = f"{words[: DESCRIPTION_LENGTH - 1].rstrip()}…"
    return f"{words} ({label})" if words else label


def document_text(media: Media, description: str | None = None, source: str | None = None) -> str:
    """Return the text of a document of media: the text itself, or a short line that no other chunk shares.

    Args:
        media: The chunk.
        description: Its caption, transcript or label line.
        source: What it is filed under; the media's own source if None.
    """
    if media.modality == "text":
        text: str = media.decode()
        return text
    place = Provenance(media.modality, source or source_name(media), media.span, media.page)
    return labeled_description(description, place_label(place))
