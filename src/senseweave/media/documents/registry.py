"""The document readers by name: those of senseweave and those that other distributions bring."""

from __future__ import annotations

import functools
import importlib
import logging
from importlib import metadata
from typing import BinaryIO, cast

from senseweave.errors import MediaError
from senseweave.media.documents.base import DocumentReader
from senseweave.media.forms.content import Content

ENTRY_POINTS = "senseweave.readers"
"""The entry-point group in which a distribution names the classes of its readers."""
BUILT_IN = {
    "text": "senseweave.media.documents.plain:PlainTextReader",
    "html": "senseweave.media.documents.html:HTMLReader",
    "pdf": "senseweave.media.documents.pdf:PDFReader",
}
_log = logging.getLogger(__name__)


def document_reader(content: Content, source: str) -> DocumentReader:
    """Return the reader of a document.

    Args:
        content: What `sniff` or `recognize` found.
        source: Name for messages.

    Raises:
        MediaError: If the content is not a document.
    """
    if content.reader in BUILT_IN:
        return _built_in(content.reader)
    for reader in plugins():
        if reader.name == content.reader:
            return reader
    raise MediaError(source, f"is {content.mime_type}, which no document reader reads")


def recognize(file: BinaryIO) -> Content | None:
    """Return what a document is for which another distribution brings a reader, or None for anything else.

    Args:
        file: Seekable; read from position 0.
    """
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
def plugins() -> tuple[DocumentReader, ...]:
    """Return the readers of other distributions, in the order of their names.

    A reader that cannot be imported is left out, and so is one under a name that is taken; each is logged once.
    """
    readers: dict[str, DocumentReader] = {}
    for point in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        try:
            reader = cast(DocumentReader, point.load()())
            name = reader.name
        except Exception:
            _log.warning("document reader %r (%s) cannot be loaded", point.name, point.value, exc_info=True)
            continue
        if name in BUILT_IN or name in readers:
            _log.warning("document reader %s is left out: a reader named %r is registered", point.value, name)
            continue
        readers[name] = reader
    return tuple(readers.values())


@functools.cache
def _built_in(name: str) -> DocumentReader:
    module, _, kind = BUILT_IN[name].partition(":")
    return cast(DocumentReader, getattr(importlib.import_module(module), kind)())
