"""What makes two records the same: the id of a record, and the key of its content."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from senseweave.media.kinds.text import FILE_HASH, OCR, PAGE_PICTURE
from senseweave.retrieval.records.schema import PAGED_IMAGES, Provenance


def record_id(provenance: Provenance) -> str:
    """Return 32 hexadecimal digits made from content, span, page, source, part and fingerprint."""
    start, end = provenance.span or (None, None)
    span = "" if start is None else f"{start:.3f}-{end:.3f}"
    page = "" if provenance.page is None else str(provenance.page)
    key: tuple[object, ...] = (
        provenance.modality,
        provenance.sha256,
        span,
        page,
        provenance.source,
        provenance.fingerprint,
    )
    if provenance.part is not None:
        key += (provenance.part,)
    return hashlib.sha256("\n".join(str(value or "") for value in key).encode()).hexdigest()[:32]


def picture_provenance(provenance: Provenance) -> Provenance | None:
    """Return the picture whose words a record holds, as its own record says it; None for any other record.

    Words of a picture are those that OCR read in it, and those of a page that is kept as a picture too.
    """
    content = provenance.own.get(FILE_HASH)
    if provenance.modality != "text" or not isinstance(content, str):
        return None
    is_page = provenance.own.get(PAGE_PICTURE) is True and provenance.page is not None
    if not (is_page or is_picture_text(provenance)):
        return None
    return replace(provenance, modality="image", sha256=content, span=None, own={})


def is_picture_text(provenance: Provenance) -> bool:
    """Return whether a record holds words that OCR read in a picture that is no page of a document."""
    is_read = provenance.own.get(OCR) is True and isinstance(provenance.own.get(FILE_HASH), str)
    return provenance.modality == "text" and is_read and (provenance.mime_type or "").startswith("image/")


def content_key(provenance: Provenance, text: str | None = None) -> tuple[Any, ...] | None:
    """Return what two records of the same content share whatever their source; None where the content is unknown.

    Args:
        provenance: Of the record.
        text: The record's text. A text is its words: a splitter gives all chunks of a file that file's hash.
    """
    if provenance.sha256 is None:
        return None
    if provenance.modality == "text":
        return "text", text, provenance.page, provenance.span
    kind = provenance.mime_type or ""
    is_picture = kind.startswith("image/") and kind not in PAGED_IMAGES  # its page is that of the document around it
    page = None if provenance.part and is_picture else provenance.page
    return provenance.modality, provenance.sha256, provenance.span, page
