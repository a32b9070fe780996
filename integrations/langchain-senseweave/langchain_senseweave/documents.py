"""Between LangChain's `Document` and `Blob` and the core's media: what the flat metadata of a document means."""

from __future__ import annotations

import hashlib
from typing import Any, cast

from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from senseweave.errors import MediaError
from senseweave.media import MEDIA_OF, MODALITIES, Media, MediaPolicy, Modality, Text
from senseweave.media.base import source_name
from senseweave.retrieval import Hit

DESCRIPTION_LENGTH = 1000
"""Characters of a transcript or label line that a document keeps; text is never cut."""


def media_of(modality: Modality, item: Any, *, policy: MediaPolicy | None = None) -> Media:
    """Return media of `modality` made from anything that `senseweave` reads, or from a LangChain `Blob`.

    Args:
        modality: What the item is to be taken as.
        item: A path, `file://` URL, data URI, bytes, PIL image, array, `Blob` or media of that modality.
        policy: What may be read; the default of `senseweave` if None.

    Raises:
        TypeError: If `item` is media of another modality.
    """
    if isinstance(item, Media):
        if item.modality != modality:
            msg = f"expected {modality}, but was given {item!r}"
            raise TypeError(msg)
        return item
    if isinstance(item, Blob):
        item = item.path if item.data is None else item.as_bytes()
    return MEDIA_OF[modality](item, policy=policy)


def modality_of(metadata: dict[str, Any] | None) -> Modality:
    """Return the modality that a document's metadata names; text where it names none, or uses the name otherwise."""
    modality = (metadata or {}).get("modality")
    return cast(Modality, modality) if modality in MODALITIES else "text"


def media_from_document(document: Document, *, policy: MediaPolicy | None = None) -> Media:
    """Return the media that a document stands for.

    Args:
        document: As `MediaLoader` makes them: `metadata` holds `modality` and `source`, and where they apply `start_s`,
            `end_s`, `page` and `sha256`. Without a `modality` that exists it is text, which is its `page_content`.
        policy: What may be read.

    Raises:
        MediaError: If it has no source, or the source is no longer what it was when the document was made.
        ValueError: If its span or page makes no sense.
    """
    metadata = document.metadata
    modality = modality_of(metadata)
    if modality == "text":
        return Text(document.page_content)
    source = metadata.get("source")
    if not isinstance(source, str) or not source:
        reason = f"a document of modality {modality} needs metadata['source'], the path or URL of its file"
        raise MediaError(document.page_content[:60], reason)
    options: dict[str, Any] = {"page": metadata.get("page"), "policy": policy}
    if modality in ("audio", "video") and metadata.get("end_s") is not None:
        options["span"] = (float(metadata.get("start_s", 0.0)), float(metadata["end_s"]))
    media = MEDIA_OF[modality](source, **options)
    expected = metadata.get("sha256")
    if expected is not None and media.sha256 != expected:
        raise MediaError(source, "has changed since the document was made of it; load it again")
    return media


def document_from_media(
    media: Media, description: str | None = None, *, metadata: dict[str, Any] | None = None
) -> Document:
    """Return a document for one piece of media, with a short text and flat metadata.

    Args:
        media: A text, an image, or a piece of audio or video.
        description: A caption, transcript or label line; without one the text says what the media is and where from.
        metadata: Further values for the document, over those of the media.

    Returns:
        A document whose `page_content` is the text itself, or the description followed by the place it is from, and
        whose `id` depends on source, content and place alone.

    Raises:
        MediaError: If the media cannot be read.
    """
    record = {**media.metadata, **(metadata or {}), **_provenance(media)}
    if metadata and metadata.get("source"):
        record["source"] = metadata["source"]
    return Document(page_content=content_of(media, description, record["source"]), metadata=record, id=_id(record))


def document_from_hit(hit: Hit) -> Document:
    """Return a document for one result of a `senseweave.Index`.

    Args:
        hit: As `Index.search` gives it.

    Returns:
        A document like those of `MediaLoader`, whose metadata also holds `score`, `raw_score` and `space`.
    """
    record: dict[str, Any] = {**hit.metadata, "source": hit.source, "modality": hit.modality}
    optional = {"mime_type": hit.mime_type, "sha256": hit.sha256, "start_s": hit.start, "end_s": hit.end}
    record |= {name: value for name, value in {**optional, "page": hit.page}.items() if value is not None}
    record |= {"score": hit.score, "raw_score": hit.raw_score, "space": hit.space}
    label = f"{hit.modality} {hit.source}{place_of(hit.span, hit.page)}"
    text = hit.text if hit.modality == "text" else _described(hit.text, label)
    return Document(page_content=text, metadata=record, id=hit.id)


def content_of(media: Media, description: str | None = None, source: str | None = None) -> str:
    """Return what stands in a document for media: the text itself, or a short line that no other piece shares."""
    if isinstance(media, Text):
        return media.decode()
    label = f"{media.modality} {source or source_name(media)}{place_of(media.span, media.page)}"
    return _described(description, label)


def place_of(span: tuple[float, float] | None, page: int | None) -> str:
    """Return where inside a source a piece lies, for example ` 0:15.0-0:30.0` or ` page 3`; empty for all of it."""
    if span is not None:
        start, end = (f"{int(seconds // 60)}:{seconds % 60:04.1f}" for seconds in span)
        return f" {start}-{end}"
    return f" page {page}" if page is not None else ""


def _described(description: str | None, label: str) -> str:
    words = " ".join((description or "").split())
    if len(words) > DESCRIPTION_LENGTH:
        words = f"{words[: DESCRIPTION_LENGTH - 1].rstrip()}…"
    return f"{words} ({label})" if words else label


def _provenance(media: Media) -> dict[str, Any]:
    record: dict[str, Any] = {
        "source": source_name(media),
        "modality": media.modality,
        "mime_type": media.mime_type,
        "sha256": media.sha256,
    }
    if media.span is not None:
        record["start_s"], record["end_s"] = media.span
    if media.page is not None:
        record["page"] = media.page
    return record


def _id(record: dict[str, Any]) -> str:
    names = ("source", "modality", "sha256", "start_s", "end_s", "page", "character_start")
    return hashlib.sha256(repr([record.get(name) for name in names]).encode()).hexdigest()[:32]
