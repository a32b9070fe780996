# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Translates between Haystack's Documents and senseweave's media and records, whoever wrote the Document's meta."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from haystack.dataclasses import ByteStream, Document
from haystack_integrations.common.senseweave.loading import is_missing, source_to_media

import senseweave as sw
from senseweave.interop import (
    FILE_PATH,
    MODALITIES,
    Modality,
    Provenance,
    SpanError,
    read_metadata,
    with_result,
    write_metadata,
)

PAGE_NUMBER = "page_number"
"""The meta field in which Haystack's own converters and splitters keep the page."""


def document_to_media(
    document: Document,
    *,
    policy: sw.MediaPolicy,
    file_path_meta_field: str = FILE_PATH,
    meta_fields_to_embed: list[str] | None = None,
    embedding_separator: str = "\n",
) -> sw.Media:
    """Return the media that a Document stands for; nothing is decoded yet.

    `meta["modality"]` decides what it is where it names a modality. Otherwise a Document with a blob is what its blob
    holds, one with content is text, and one with neither is what the file that it names holds.

    :param document: The Document, whose meta senseweave, one of its integrations or Haystack's converters wrote.
        `start` and `end` are seconds, `page` (Haystack's `page_number`) counts from 1.
    :param policy: What may be read.
    :param file_path_meta_field: The meta field with the path or permitted URL of its file; where it is missing,
        `source` is read.
    :param meta_fields_to_embed: Meta fields that are put before the content of text.
    :param embedding_separator: What stands between those fields and the content.
    :returns: The media.
    :raises senseweave.MediaError: If there is nothing to embed, it cannot be read, or it has changed since the Document
        was made.
    """
    given = document.meta.get("modality")
    modality: Modality | None = given if given in MODALITIES else None
    provenance = document_provenance(document, file_path_meta_field=file_path_meta_field)
    if document.content and (modality == "text" or (modality is None and document.blob is None)):
        fields = [document.meta.get(name) for name in meta_fields_to_embed or []]
        text = embedding_separator.join([*(str(value) for value in fields if value is not None), document.content])
        return replace(provenance, source=provenance.source or _label(document)).media(text, policy=policy)
    if (fused := provenance.fused_media(policy)) is not None:
        return provenance.check_unchanged(fused)
    source = document.blob if document.blob is not None else provenance.source
    if not isinstance(source, str | ByteStream):
        fields_read = " or ".join(f"meta[{name!r}]" for name in dict.fromkeys([file_path_meta_field, "source"]))
        raise sw.MediaError(_label(document), f"has neither content, nor a blob, nor a path or URL in {fields_read}")
    if isinstance(source, str) and is_missing(source, policy):
        reason = (
            f"no such file here, and relative paths are looked for in {Path.cwd()}; give root_path, or Documents with "
            "absolute paths (ImageFileToDocument has store_full_path=True)"
        )
        raise sw.MediaError(source, reason)
    media = source_to_media(source, policy=policy, modality=modality, part=provenance.part)
    provenance = document_provenance(document, media.modality)
    _check_place(document, provenance)
    found = media.part(span=provenance.span, page=provenance.page, metadata=dict(provenance.own))
    return found if document.blob is not None else provenance.check_unchanged(found)


def document_provenance(
    document: Document, modality: Modality | None = None, *, file_path_meta_field: str = FILE_PATH
) -> Provenance:
    """Return what the meta of a Document say of the chunk that it holds.

    :param document: The Document.
    :param modality: What it is where its meta do not say it.
    :param file_path_meta_field: The meta field with the path or URL of its file, which counts before `source`.
    :returns: The provenance.
    """
    meta = dict(document.meta)
    if modality is not None and meta.get("modality") not in MODALITIES:
        meta["modality"] = modality
    provenance = read_metadata(meta)
    place = meta.get(file_path_meta_field)
    if isinstance(place, str | os.PathLike) and str(place):
        provenance = replace(provenance, source=os.fspath(place))
    if provenance.page is None and "page" not in provenance.own and provenance.modality in ("text", "image"):
        own = dict(provenance.own)
        page = read_metadata({"page": own.pop(PAGE_NUMBER, None)}).page
        if page is not None:
            provenance = replace(provenance, page=page, own=own)
    return provenance


def fingerprints(documents: list[Document]) -> list[str | None]:
    """Return the fingerprints of the spaces that embedded Documents; None where the meta of a Document name none."""
    return [read_metadata(document.meta).fingerprint for document in documents]


def hit_to_document(hit: sw.Hit) -> Document:
    """Return a hit as a Document with the meta that `MediaToDocument` writes.

    :param hit: The hit.
    :returns: The Document; `score` is comparable within one search, `meta["raw_score"]` is the similarity.
    """
    meta = with_result(write_metadata(hit.provenance, file_path=True), {"space": hit.space, **result_meta(hit)})
    return Document(id=hit.id, content=hit.text, meta=meta, score=hit.score)


def result_meta(hit: sw.Hit) -> dict[str, Any]:
    """Return what the meta of a result say besides its record: its scores, and all that it stands for.

    :param hit: The result.
    :returns: `raw_score` and `fusion`; `sources` where its content has several, and `spans` where results are grouped.
    """
    return {"fusion": hit.calibration, **hit.result_metadata}


def _check_place(document: Document, provenance: Provenance) -> None:
    """Check that no span or page which the modality can have was left to the user's own values."""
    own = {"page": provenance.own.get(PAGE_NUMBER), **provenance.own}
    reason = provenance.misplaced_span or replace(provenance, own=own).misplaced_page
    if reason is not None:
        raise SpanError(_label(document), reason)


def _label(document: Document) -> str:
    return f"Document {document.id[:12]}"
