"""What makes two records the same: the id of a record, and the key of its content."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from senseweave.media.kinds.text import FILE_HASH, OCR
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
    """Return the picture whose words OCR read for a record, as its own record says it; None for any other record."""
    content = provenance.own.get(FILE_HASH)
    is_read = provenance.modality == "text" and provenance.own.get(OCR) is True and isinstance(content, str)
    if not is_read or not (provenance.mime_type or "").startswith("image/"):
        return None
    return replace(provenance, modality="image", sha256=content, span=None, own={})


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
