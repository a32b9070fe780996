# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""The label of a Document in a prompt: its number, modality and source, and the page or the seconds that it covers."""

from pathlib import PurePath

from haystack import Document
from haystack_integrations.common.senseweave.items import document_provenance

from senseweave.interop import FILE_PATH, Modality


def document_label(
    number: int, document: Document, modality: Modality, *, file_path_meta_field: str = FILE_PATH
) -> str:
    """Return the line that stands before the content of a Document, for example `[1] audio, talk.mp3, 0:15 to 0:30:`.

    :param number: Its number among the sources, from 1.
    :param document: The Document.
    :param modality: What it holds.
    :param file_path_meta_field: The meta field with the path or URL of its file.
    :returns: The label.
    """
    provenance = document_provenance(document, modality, file_path_meta_field=file_path_meta_field)
    source = provenance.source or document.meta.get("url") or document.meta.get("file_name")
    place = PurePath(str(source)).name if source else f"Document {document.id[:12]}"
    if provenance.page is not None:
        place += f", page {provenance.page}"
    if provenance.span is not None:
        place += f", {_clock(provenance.span[0])} to {_clock(provenance.span[1])}"
    return f"[{number}] {modality}, {place}:"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
