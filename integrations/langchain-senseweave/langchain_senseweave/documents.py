"""Between LangChain's `Document` and `Blob` and the core's media: what a record of metadata means."""

from __future__ import annotations

from typing import Any

from langchain_core.documents.base import Blob

from senseweave.media import MEDIA_OF, Media, MediaPolicy, Modality


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
