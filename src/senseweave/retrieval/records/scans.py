"""Scanned pages that an index knows: their words are taken from its records, not read again."""

from __future__ import annotations

from collections.abc import Iterable

from senseweave.media.kinds.text import FILE_HASH, TextFile
from senseweave.retrieval.records.schema import PASSAGE, read_metadata
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import Compare, joined
from senseweave.retrieval.stores.description import Description


def remember_scan(media: TextFile, source: str, collections: Collections, descriptions: Iterable[Description]) -> None:
    """Give a scanned page the words under which an index knows it, if the same content was added before.

    Args:
        media: A page whose words OCR reads.
        source: What it is filed under.
        collections: Of the index.
        descriptions: The collections of texts, each of which holds all passages of the page or none.
    """
    condition = joined(
        [Compare("source", "eq", source), Compare(FILE_HASH, "eq", media.sha256), Compare("page", "eq", media.page)],
        any_of=False,
    )
    for description in descriptions:
        records = collections.get(description, condition=condition)
        passages = [record for record in records if read_metadata(record.metadata).part == media.part_name]
        if passages:
            media.remember_words(_joined(passages))
            return


def _joined(passages: Iterable[StoredRecord]) -> str:
    """Return the text of which the passages are parts; between them only space was left out."""
    text = ""
    for passage in sorted(passages, key=lambda record: record.metadata.get(PASSAGE[0], 0)):
        start = passage.metadata.get(PASSAGE[0], 0)
        text = text[:start].ljust(start, "\n") + (passage.text or "")
    return text
