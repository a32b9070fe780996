"""Between LangChain's `Document` and `Blob` and the core's media: what the flat metadata of a document means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from langchain_core.documents import Document
from langchain_core.documents.base import Blob

import senseweave as sw
from senseweave.interop import (
    Modality,
    as_media,
    block_content,
    describe_chunk,
    is_block,
    labeled_description,
    place_label,
    read_metadata,
    text_without_place,
    with_result,
    write_metadata,
)

_DEPENDENT = ("score", "raw_score", "sources", "spans")
"""Metadata of a result that depend on the question."""


class ResultMetadata(dict[str, Any]):
    """Metadata of a search result, equal to others that say the same of the record.

    Scores depend on the question, so they are not compared: components of LangChain that drop equal documents, such as
    `MultiQueryRetriever`, recognize a document that several questions found.
    """

    def __eq__(self, other: object) -> bool:
        return _stored(self) == _stored(other) if isinstance(other, dict) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None


def unwrap_blob(item: Any) -> Any:
    """Return the path or bytes of a LangChain `Blob`, and what a content block holds; else the item as it is."""
    if isinstance(item, Blob):
        return item.path if item.data is None else item.as_bytes()
    return block_content(item) if is_block(item) else item


def media_from(modality: Modality, item: Any, *, policy: sw.MediaPolicy | None = None) -> sw.Media:
    """Return media of a modality made from anything that `senseweave` reads, or a `Blob`; see `interop.as_media`."""
    return as_media(modality, unwrap_blob(item), policy)


def media_from_document(document: Document, *, policy: sw.MediaPolicy | None = None) -> sw.Media:
    """Return the media that a document stands for.

    Args:
        document: Made by `MediaLoader`, by a store or by another framework's integration: `metadata` holds `modality`
            and `source`, and where they apply `start`, `end`, `page` and `sha256`. Without a `modality` that exists it
            is text, which is its `page_content`.
        policy: What may be read.

    Raises:
        MediaError: If it has no source, its span or page makes no sense (also a `ValueError`), or the source has
            changed since the document was made.
    """
    provenance = read_metadata(document.metadata)
    return provenance.check_unchanged(provenance.media(document.page_content, policy=policy))


def document_from_media(
    media: sw.Media, description: str | None = None, *, metadata: dict[str, Any] | None = None
) -> Document:
    """Return a document for a chunk of media, with a short text and flat metadata.

    Args:
        media: A text, an image, or a chunk of audio or video.
        description: A caption, transcript or label line; without it the text says what the media is and where from.
        metadata: Further values for the document, over those of the media. Its `source` replaces the media's.

    Returns:
        A document whose `page_content` is the text itself, or the description followed by where it is from, and
        whose `id` depends on content, span, page and source alone.

    Raises:
        MediaError: If the media cannot be read.
    """
    identifier, text, values = describe_chunk(media, description, metadata)
    return Document(text, id=identifier, metadata=values)


def document_from_hit(hit: sw.Hit) -> Document:
    """Return a result of `Index.search` as a document like those of `MediaLoader`.

    Its metadata also hold `score`, `raw_score` and `space`.
    """
    provenance = hit.provenance
    text = hit.text
    if hit.modality != "text":
        text = labeled_description(text_without_place(text, provenance), place_label(provenance))
    return result_document(Document(text, metadata=write_metadata(provenance), id=hit.id), hit, hit.space)


def result_document(document: Document, hit: sw.Hit, space: str) -> Document:
    """Return a stored document as a search result, whose metadata also hold the scores and `space`.

    Where there are several, they hold all `sources` of the same content, and all `spans` of a grouped source. The
    user's own value under one of these names is kept under `user_` and the name.
    """
    result = {"score": hit.score, "space": space, **hit.result_metadata}
    return document.model_copy(update={"metadata": ResultMetadata(with_result(document.metadata, result))})


def _stored(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name not in _DEPENDENT}
