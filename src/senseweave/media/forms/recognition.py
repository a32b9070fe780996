"""Recognize content by its bytes, including documents for which other distributions bring a reader."""

from __future__ import annotations

import functools
import logging
from importlib import metadata
from typing import BinaryIO, Protocol, cast

from senseweave.media.forms.containers import identify_container
from senseweave.media.forms.content import HEAD_BYTES, PDF, UNKNOWN, Content, is_late_pdf, sniff, tag_length
from senseweave.media.forms.photos import identify_photo
from senseweave.media.forms.signatures import WRITTEN, rarer_type

ENTRY_POINTS = "senseweave.readers"
"""The entry-point group in which a distribution names the classes of its document readers."""
BUILT_IN = {
    "text": "senseweave.media.documents.plain:PlainTextReader",
    "html": "senseweave.media.documents.html:HTMLReader",
    "pdf": "senseweave.media.documents.pdf:PDFReader",
    "mail": "senseweave.media.documents.mail:MailReader",
    "mbox": "senseweave.media.documents.mail:MboxReader",
    "transcript": "senseweave.media.documents.transcripts:TranscriptReader",
    "notebook": "senseweave.media.documents.notebook:NotebookReader",
    "contacts": "senseweave.media.documents.contacts:ContactsReader",
    "zip": "senseweave.media.documents.archive:ZIPReader",
    "xlsx": "senseweave.media.documents.sheets:XLSXReader",
    "xls": "senseweave.media.documents.sheets:XLSReader",
    "msg": "senseweave.media.documents.outlook:OutlookReader",
    "rtf": "senseweave.media.documents.rtf:RTFReader",
    "fb2": "senseweave.media.documents.fictionbook:FB2Reader",
    "svg": "senseweave.media.documents.svg:SVGReader",
    "pptx": "senseweave.media.documents.pptx:PPTXReader",
    "odf": "senseweave.media.documents.odf:ODFReader",
    "epub": "senseweave.media.documents.epub:EPUBReader",
    "docx": "senseweave.media.documents.docx:DOCXReader",
}
"""The document readers of senseweave, by the name that `Content.reader` holds."""
_ZEROS = 16
"""So many zero bytes begin no type of content."""
_MOST_ZEROS = 1 << 20
_log = logging.getLogger(__name__)


class Recognizer(Protocol):
    """What recognition needs of a `senseweave.media.documents.DocumentReader`."""

    name: str
    draws_pages: bool

    def recognize(self, file: BinaryIO) -> str | None:
        """Return the MIME type of a document that the reader reads, or None for anything else."""


def identify(file: BinaryIO) -> Content | None:
    """Return what a file contains, or None for an empty file.

    Args:
        file: Seekable, at position 0.
    """
    head = file.read(HEAD_BYTES)
    if not head:
        return None
    content = sniff(head)
    if (photo := identify_photo(file, head, content)) is not None:
        return photo
    if tag := tag_length(head):  # FLAC and AAC may follow such a tag as well as MP3
        file.seek(tag)
        tagged = sniff(file.read(HEAD_BYTES))
        return tagged if tagged.reader in ("flac", "aac") else content
    if not content.modalities and not any(head[:_ZEROS]) and (packets := _after_zeros(file)) is not None:
        return packets
    if (content is UNKNOWN or head.startswith(WRITTEN)) and (rarer := rarer_type(head)) is not None:
        return rarer
    if (content.reader == "text" or not content.modalities) and is_late_pdf(head):
        return PDF
    if content.reader == "text" or not content.modalities:
        known = _recognize(file) or identify_container(file, head, content)
        return known or (_probe(file) if content is UNKNOWN else None) or content
    return content


def _probe(file: BinaryIO) -> Content | None:
    """Return what FFmpeg takes a file for."""
    from senseweave.media.reading.probe import probe

    return probe(file)


def _after_zeros(file: BinaryIO) -> Content | None:
    """Return the packets that follow zero bytes, which some recorders and streams begin with."""
    file.seek(0)
    zeros = 0
    while zeros < _MOST_ZEROS and not any(head := file.read(HEAD_BYTES)) and head:
        zeros += len(head)
    zeros += len(head) - len(head.lstrip(b"\0"))
    file.seek(zeros)
    content = sniff(file.read(HEAD_BYTES))
    return content if content.reader in ("mp3", "aac") else None


def _recognize(file: BinaryIO) -> Content | None:
    for reader in plugins():
        file.seek(0)
        try:
            mime_type = reader.recognize(file)
        except Exception:
            _log.warning("document reader %r failed to recognize content", reader.name, exc_info=True)
            continue
        if mime_type is not None:
            return Content(mime_type, ("text", "image") if reader.draws_pages else ("text",), reader.name)
    return None


@functools.cache
def plugins() -> tuple[Recognizer, ...]:
    """Return the document readers of other distributions, in the order of their names.

    A reader that cannot be imported is skipped, and so is a reader whose name is taken; each is logged once.
    """
    readers: dict[str, Recognizer] = {}
    for point in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        try:
            reader = cast(Recognizer, point.load()())
            name = reader.name
        except Exception:
            _log.warning("document reader %r (%s) cannot be loaded", point.name, point.value, exc_info=True)
            continue
        if name in BUILT_IN or name in readers:
            _log.warning("document reader %r is skipped: a reader named %r is registered", point.value, name)
            continue
        readers[name] = reader
    return tuple(readers.values())
