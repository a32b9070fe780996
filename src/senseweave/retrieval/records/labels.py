"""The short line that says what a chunk is and where it is from, and the text of a document of media made with it."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Final

from senseweave.media import Media
from senseweave.media.base import source_name
from senseweave.media.forms.local_names import source_path
from senseweave.redaction import without_credentials, without_secrets
from senseweave.retrieval.records.schema import Provenance

DESCRIPTION_LENGTH: Final = 1000
"""Characters of a transcript or label line that a document keeps; text is never cut."""


def source_label(source: str) -> str:
    """Return the name of a file without its folder, and of a URL without what it asks for."""
    if "://" in source:
        if source_path(source) is not None:
            return PurePosixPath(source).name
        host, _, path = re.split(r"[?#]", without_credentials(source), maxsplit=1)[0].partition("://")[2].partition("/")
        return PurePosixPath(path).name or host
    path = PureWindowsPath(source) if PureWindowsPath(source).drive else PurePath(source)
    return path.name or source


def place_label(provenance: Provenance, otherwise: str | None = None) -> str:
    """Return modality, source and place of a chunk, for example `audio talk.mp3 #5f3a9c0e 0:15.0-0:30.0`.

    The text of a document goes to models of others, so a local file is named without its folder, and a URL without
    its secrets; the digits, which are a hash of the path or URL, tell files of the same name apart.

    Args:
        provenance: What is known of the chunk.
        otherwise: What stands for a source that is not known.
    """
    source = provenance.source or otherwise or "without a source"
    is_url = "://" in source and source_path(source) is None
    if (name := without_secrets(source) if is_url else source_label(source)) != source:
        source = f"{name} #{hashlib.sha256(source.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return _place(provenance, source)


def text_without_place(text: str, provenance: Provenance, otherwise: str | None = None) -> str:
    """Return the text of a document of media without the label that says where it is from; empty if that is all.

    Args:
        text: As `labeled_description` made it; version 0.1 wrote whole paths.
        provenance: Of the document.
        otherwise: What stands for a source that is not known.
    """
    for label in (place_label(provenance, otherwise), _place(provenance, str(provenance.source or otherwise))):
        if text.strip() == label:
            return ""
        text = text.removesuffix(f"({label})")
    return text.strip()


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
    place = Provenance(media.modality, source or source_name(media), media.span, media.page, media.part_name)
    return labeled_description(description, place_label(place))


def _place(provenance: Provenance, source: str) -> str:
    label = f"{provenance.modality} {source}{provenance.part or ''}"
    if provenance.span is not None:
        start, end = (f"{int(seconds // 60)}:{seconds % 60:04.1f}" for seconds in provenance.span)
        return f"{label} {start}-{end}"
    return f"{label} page {provenance.page}" if provenance.page is not None else label
