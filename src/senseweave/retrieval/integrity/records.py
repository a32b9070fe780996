"""Check records by themselves, whatever store they come from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Final

import numpy as np

from senseweave.errors import MediaError
from senseweave.media import Image, MediaPolicy
from senseweave.media.forms.local_names import source_path
from senseweave.media.headings import HEADING
from senseweave.media.kinds.text import TextFile
from senseweave.retrieval.integrity.report import Kind
from senseweave.retrieval.records.identity import record_id
from senseweave.retrieval.records.schema import PASSAGE, Provenance, read_metadata
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.description import FORMAT, Description

TOLERANCE: Final = 1e-3
"""Largest distance between two copies of a vector of length 1: stores round, and Chroma scales again."""


def record_problems(description: Description, record: StoredRecord) -> Iterator[tuple[Kind, str]]:
    """Yield what is wrong with a record; its vector is checked if there is one.

    Args:
        description: Of its collection.
        record: As the store returns it.
    """
    if record.vector is not None and (reason := vector_problem(record.vector, description.dimension)):
        yield "vector", reason
    provenance = read_metadata(record.metadata)
    if provenance.modality != description.modality:
        yield "fingerprint", f"is {provenance.modality}, in a collection of {description.modality}"
    if not record.text:
        yield "text", "has no text"
    elif provenance.modality == "text" and description.format == FORMAT and not _is_own_text(record.text, provenance):
        yield "text", "its text is not the text that was added (the hash differs)"
    if provenance.fingerprint != description.fingerprint:
        given = provenance.fingerprint or "no fingerprint"
        yield "fingerprint", f"has {given}, expected {description.fingerprint}"
    known = provenance.sha256 and provenance.source and provenance.fingerprint
    if known and description.format == FORMAT and record.id != record_id(provenance):
        yield "id", "its id is not the id of its content, span, page, source and part"


def vector_problem(vector: np.ndarray, dimension: int) -> str | None:
    """Return what is wrong with a vector, or None."""
    if vector.shape != (dimension,):
        return f"vector of shape {vector.shape}, expected ({dimension},)"
    if not np.isfinite(vector).all():
        return "vector is not finite"
    return None if vector.any() else "vector is zero"


def same_direction(vector: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two vectors are copies of each other, but for their length."""
    lengths = float(np.linalg.norm(vector)) * float(np.linalg.norm(other))
    return vector.shape == other.shape and lengths > 0 and float(vector @ other) / lengths > 1 - TOLERANCE


class Sources:
    """Compares records with the local files that they came from; the last file stays decoded for its next record."""

    def __init__(self, policy: MediaPolicy) -> None:
        """Read files as far as `policy` allows."""
        self._policy = policy
        self._file: TextFile | None = None
        self._at: tuple[str, str | None, int | None] | None = None
        self._text: str | None = None
        self._hashes: dict[tuple[str, str | None], str] = {}
        self.checked: set[str] = set()

    def problem(self, record: StoredRecord) -> tuple[Kind, str] | None:
        """Return what is wrong with the source of a record, or None, also where it is not a local file."""
        provenance = read_metadata(record.metadata)
        source = provenance.source
        path = source_path(source) if source is not None else None
        if source is None or path is None:
            return None
        self.checked.add(source)
        if not os.path.lexists(path):
            return "source missing", "the file is gone"
        try:
            same = (
                self._has_text(source, record, provenance)
                if provenance.modality == "text"
                else (self._hash(source, provenance.part) == provenance.sha256)
            )
        except MediaError as error:
            return "source unreadable", error.reason
        return None if same else ("source changed", "the file is not what was added")

    def _hash(self, source: str, part: str | None) -> str:
        if (source, part) not in self._hashes:
            self._hashes[source, part] = Image(source, part=part, policy=self._policy).sha256
        return self._hashes[source, part]

    def _has_text(self, source: str, record: StoredRecord, provenance: Provenance) -> bool:
        part = provenance.part
        if self._at != (source, part, provenance.page):
            if self._file is None or self._at is None or self._at[:2] != (source, part):
                self._file = TextFile(source, part=part, policy=self._policy)
            self._at, self._text = (source, part, provenance.page), None
            try:
                self._text = self._file.part(page=provenance.page).decode()
            except MediaError:
                _ = self._hash(source, part)  # a file that is not text: the record is a transcript, or a note
        if self._text is None:
            return True
        start, end = (provenance.own.get(name) for name in PASSAGE)
        if isinstance(start, int) and isinstance(end, int):
            passage = self._text[start:end]
            return record.text == passage or (HEADING in provenance.own and (record.text or "").endswith(passage))
        return (record.text or "") in self._text


def _is_own_text(text: str, provenance: Provenance) -> bool:
    """Return whether a text is what its hash says; a whole file has the hash of its bytes, which are not at hand."""
    if provenance.sha256 is None or not all(name in provenance.own for name in PASSAGE):
        return True
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() == provenance.sha256
