"""Scanned pages and pictures that an index knows: their words are taken from its records, not read again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from senseweave.media.kinds.picture_text import PictureText
from senseweave.media.kinds.text import FILE_HASH, Text, TextFile
from senseweave.retrieval.records.schema import PASSAGE, read_metadata
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import Compare, joined
from senseweave.retrieval.stores.description import Description


def remember_picture(
    words: PictureText, source: str, collections: Collections, descriptions: Iterable[Description], known: Iterable[Any]
) -> None:
    """Give a picture the words under which an index knows it, if all of them were written before.

    Args:
        words: Of the picture.
        source: What it is filed under.
        collections: Of the index.
        descriptions: The collections of texts.
        known: What the records of the picture say of having been read; empty if the index holds no pictures.
    """
    marks = set(known)
    if not (marks <= {True} if words.ocr == "on" else marks <= {True, False}):
        return
    passages = next(filter(None, (_passages(words, source, collections, at) for at in descriptions)), [])
    if marks or passages:
        words.remember_words(_joined(passages))
        words.was_read = True in marks


def remember_scan(media: TextFile, source: str, collections: Collections, descriptions: Iterable[Description]) -> None:
    """Give a scanned page the words under which an index knows it, if the same content was added before.

    Args:
        media: A page whose words OCR reads.
        source: What it is filed under.
        collections: Of the index.
        descriptions: The collections of texts, each of which holds all passages of the page or none.
    """
    for description in descriptions:
        if passages := _passages(media, source, collections, description):
            media.remember_words(_joined(passages))
            return


def _passages(media: Text, source: str, collections: Collections, description: Description) -> list[StoredRecord]:
    """Return the records of the words of a page or picture in a collection."""
    condition = joined([Compare("source", "eq", source), Compare(FILE_HASH, "eq", media.sha256)], any_of=False)
    place = media.page, media.part_name
    found = [(record, read_metadata(record.metadata)) for record in collections.get(description, condition=condition)]
    return [record for record, provenance in found if (provenance.page, provenance.part) == place]


def _joined(passages: Iterable[StoredRecord]) -> str:
    """Return the text of which the passages are parts; between them only space was left out."""
    text = ""
    for passage in sorted(passages, key=lambda record: record.metadata.get(PASSAGE[0], 0)):
        start = passage.metadata.get(PASSAGE[0], 0)
        text = text[:start].ljust(start, "\n") + (passage.text or "")
    return text
