# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Translates Documents and sources into senseweave's media: what a Document is, and which part of its file it means."""

import base64
from pathlib import Path
from typing import TypeAlias

from haystack.dataclasses import ByteStream, Document, FileContent, ImageContent

import senseweave as sw
from senseweave.media import MEDIA_OF, MODALITIES, Modality, collect

Source: TypeAlias = str | Path | ByteStream | ImageContent | FileContent
"""What a query or a converter may be given: a path or permitted URL, or one of Haystack's containers of bytes."""


def source_to_media(
    source: Source,
    *,
    policy: sw.MediaPolicy,
    modality: Modality | None = None,
    span: tuple[float, float] | None = None,
    page: int | None = None,
) -> sw.Media:
    """Take a source as media.

    :param source: A path, a URL that the policy permits, a `ByteStream`, an `ImageContent` or a `FileContent`.
    :param policy: What may be read.
    :param modality: What the source is; told from its content if None.
    :param span: `(start, end)` in seconds inside it.
    :param page: Page of a PDF, counted from 1.
    :returns: The media; nothing is decoded yet.
    :raises TypeError: If `source` is of another type.
    :raises senseweave.MediaError: If the modality cannot be told, because the source cannot be read or is of no kind
        that senseweave knows.
    """
    given = source_content(source, policy)
    if modality == "text":
        return sw.Text.open(given, page=page, policy=policy)
    if modality is not None:
        return MEDIA_OF[modality](given, span=span, page=page, policy=policy)
    if isinstance(given, str | Path) and Path(given).is_dir():
        raise sw.MediaError(str(given), "is a folder, not a file")
    first = next(collect([given], policy=policy), None)
    if first is None:
        raise sw.MediaError(source_label(source), "holds nothing to embed")
    if isinstance(first, sw.MediaError):
        raise first
    if first.mime_type == "application/pdf":
        return sw.Image(given, page=page or 1, policy=policy)
    return first.part(span=span, page=page)


def document_to_media(
    document: Document,
    *,
    policy: sw.MediaPolicy,
    file_path_meta_field: str = "file_path",
    meta_fields_to_embed: list[str] | None = None,
    embedding_separator: str = "\n",
) -> sw.Media:
    """Take a Document as media.

    `meta["modality"]` decides what it is where it is given. Otherwise a Document with a blob is what its blob holds,
    one with content is text, and one with neither is what the file that it names holds.

    :param document: The Document. `meta` may hold `start` and `end` in seconds, or `page` (Haystack's own
        converters call it `page_number`), counted from 1.
    :param policy: What may be read.
    :param file_path_meta_field: The meta field with the path or permitted URL of its file.
    :param meta_fields_to_embed: Meta fields that are put before the content of text.
    :param embedding_separator: What stands between those fields and the content.
    :returns: The media; nothing is decoded yet.
    :raises senseweave.MediaError: If there is nothing to embed, or it cannot be read.
    """
    meta = document.meta
    modality = meta.get("modality")
    if modality is not None and modality not in MODALITIES:
        raise sw.MediaError(_label(document), f"meta['modality'] is {modality!r}, not one of {', '.join(MODALITIES)}")
    if document.content and (modality == "text" or (modality is None and document.blob is None)):
        fields = [str(meta[name]) for name in meta_fields_to_embed or [] if meta.get(name) is not None]
        return sw.Text(embedding_separator.join([*fields, document.content]), source=_label(document), policy=policy)
    source = document.blob if document.blob is not None else meta.get(file_path_meta_field)
    if not isinstance(source, str | Path | ByteStream) or source == "":
        reason = f"has neither content, nor a blob, nor a path or URL in meta[{file_path_meta_field!r}]"
        raise sw.MediaError(_label(document), reason)
    span = document_span(document)
    page = meta.get("page", meta.get("page_number"))
    return source_to_media(source, policy=policy, modality=modality, span=span, page=page)


def document_span(document: Document) -> tuple[float, float] | None:
    """Return the span that a Document covers.

    :param document: The Document.
    :returns: `(start, end)` in seconds from `meta`, or None.
    """
    start, end = document.meta.get("start"), document.meta.get("end")
    return (float(start), float(end)) if start is not None and end is not None else None


def source_content(source: Source, policy: sw.MediaPolicy) -> str | Path | bytes:
    """Return what senseweave's media are made from.

    :param source: The source.
    :param policy: Relative paths are looked for under its root, where it has one.
    :returns: The path or URL, or the bytes.
    :raises TypeError: If `source` is of another type.
    """
    if isinstance(source, str | Path):
        is_path = isinstance(source, Path) or ("://" not in source and not source.startswith("data:"))
        return Path(policy.root, source) if is_path and policy.root is not None else source
    if isinstance(source, ByteStream):
        return source.data
    if isinstance(source, ImageContent):
        return base64.b64decode(source.base64_image)
    if isinstance(source, FileContent):
        return base64.b64decode(source.base64_data)
    msg = f"a source is a str, Path, ByteStream, ImageContent or FileContent, not {type(source).__name__}"
    raise TypeError(msg)


def source_label(source: Source) -> str:
    """Name a source for people.

    :param source: The source.
    :returns: Its path or URL, the file name in its meta, or its type.
    """
    if isinstance(source, str | Path):
        return str(source)
    if isinstance(source, FileContent) and source.filename:
        return source.filename
    meta = getattr(source, "meta", None) or {}
    return str(meta.get("file_path") or meta.get("file_name") or meta.get("url") or type(source).__name__)


def _label(document: Document) -> str:
    return f"Document {document.id[:12]}"
