"""Find the reader of a document: one of senseweave, or one of another distribution."""

from __future__ import annotations

import functools
import importlib
from typing import cast

from senseweave.errors import MediaError
from senseweave.media.documents.base import DocumentReader
from senseweave.media.forms.content import Content
from senseweave.media.forms.recognition import BUILT_IN, plugins


def document_reader(content: Content, source: str) -> DocumentReader:
    """Return the reader of a document.

    Args:
        content: The type of the document.
        source: Name for messages.

    Raises:
        MediaError: If the content is not a document.
    """
    if content.reader in BUILT_IN:
        return _built_in(content.reader)
    for reader in plugins():
        if reader.name == content.reader:
            return cast(DocumentReader, reader)
    raise MediaError(source, f"is {content.mime_type}, which no document reader reads")


@functools.cache
def _built_in(name: str) -> DocumentReader:
    module, _, reader_class = BUILT_IN[name].partition(":")
    return cast(DocumentReader, getattr(importlib.import_module(module), reader_class)())
