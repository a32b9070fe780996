# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Translates Documents and sources into senseweave's media: what a Document is, and which part of its file it means."""

import base64
import math
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
    page: int | None = None,
) -> sw.Media:
    """Take a source as media.

    :param source: A path, a URL that the policy permits, a `ByteStream`, an `ImageContent` or a `FileContent`.
    :param policy: What may be read.
    :param modality: What the source is; told from its content if None.
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
        return MEDIA_OF[modality](given, page=page, policy=policy)
    if isinstance(given, str | Path) and Path(given).is_dir():
        raise sw.MediaError(str(given), "is a folder, not a file")
    first = next(collect([given], policy=policy), None)
    if first is None:
        raise sw.MediaError(source_label(source), "holds nothing to embed")
    if isinstance(first, sw.MediaError):
        raise first
    if first.mime_type == "application/pdf":
        return sw.Image(given, page=page or 1, policy=policy)
    return first.part(page=page)


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
    if isinstance(source, str | Path) and _is_lost(source, policy):
        reason = (
            f"no such file here, and {Path.cwd()} is where relative paths start; give root_path, or Documents with "
            "absolute paths (ImageFileToDocument has store_full_path=True)"
        )
        raise sw.MediaError(str(source), reason)
    media = source_to_media(source, policy=policy, modality=modality, page=document_page(document))
    # What has no seconds may use these words for something else.
    return media.part(span=document_span(document)) if media.modality in ("audio", "video") else media


def document_span(document: Document) -> tuple[float, float] | None:
    """Return the span that a Document covers.

    :param document: The Document.
    :returns: `(start, end)` in seconds from `meta`, or None where it has neither.
    :raises senseweave.MediaError: If they are no span.
    """
    given = [document.meta.get(name) for name in ("start", "end")]
    if given == [None, None]:
        return None
    try:
        start, end = (float(value) for value in given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        start, end = math.nan, math.nan
    if not 0 <= start < end < math.inf:
        reason = f"meta['start'] and meta['end'] are seconds with 0 <= start < end, not {given[0]!r} and {given[1]!r}"
        raise sw.MediaError(_label(document), reason)
    return start, end


def document_page(document: Document) -> int | None:
    """Return the page that a Document is.

    :param document: The Document.
    :returns: `meta["page"]`, or what Haystack's own converters call `meta["page_number"]`; None where it has neither.
    :raises senseweave.MediaError: If it is no page.
    """
    page = document.meta.get("page", document.meta.get("page_number"))
    if page is None:
        return None
    if isinstance(page, bool) or not isinstance(page, int | float) or page != int(page) or page < 1:
        raise sw.MediaError(_label(document), f"meta['page'] counts from 1, not {page!r}")
    return int(page)


def source_content(source: Source, policy: sw.MediaPolicy) -> str | Path | bytes:
    """Return what senseweave's media are made from.

    :param source: The source.
    :param policy: Relative paths are looked for under its root, where it has one.
    :returns: The path or URL, or the bytes.
    :raises TypeError: If `source` is of another type.
    """
    if isinstance(source, str | Path):
        return Path(policy.root, source) if _is_path(source) and policy.root is not None else source
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


def _is_path(source: str | Path) -> bool:
    return isinstance(source, Path) or not ("://" in source or source.startswith("data:"))


def _is_lost(source: str | Path, policy: sw.MediaPolicy) -> bool:
    """Tell whether a source is a relative path that leads nowhere, as converters leave that keep names alone."""
    return _is_path(source) and policy.root is None and not Path(source).is_absolute() and not Path(source).exists()
