"""What an index holds, source by source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from senseweave.media import Media, MediaPolicy, Modality
from senseweave.redaction import redact_repr
from senseweave.retrieval.records.identity import content_key
from senseweave.retrieval.records.schema import Provenance, default_text, read_metadata, record_source
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.conditions import Condition


@redact_repr
@dataclass
class SourceSummary:
    """The records of one source.

    Attributes:
        source: Absolute path, URL or label.
        records: Number of records by modality.
        fields: Names of their metadata.
    """

    source: str
    records: dict[Modality, int] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)


def summarize_sources(collections: Collections, condition: Condition | None) -> list[SourceSummary]:
    """Return a summary for each source with records that match a condition, in the order of their names."""
    found: dict[str, SourceSummary] = {}
    for description in collections.descriptions.values():
        for record in collections.get(description, condition=condition):
            source = record_source(record.id, record.metadata)
            summary = found.setdefault(source, SourceSummary(source))
            summary.records[description.modality] = summary.records.get(description.modality, 0) + 1
            summary.fields |= set(record.metadata)
    return [found[source] for source in sorted(found)]


@redact_repr
@dataclass(frozen=True)
class IndexedChunk:
    """A content of an index, whatever the number of its sources and spaces.

    Attributes:
        id: Of one of its records.
        text: The text itself, the transcript or the caption; empty where the encoder said nothing.
        provenance: Where it comes from.
        policy: What may be read of it.
    """

    id: str
    text: str
    provenance: Provenance
    policy: MediaPolicy | None = field(default=None, repr=False, compare=False)

    @property
    def media(self) -> Media:
        """The media itself; nothing is read yet.

        Raises:
            MediaError: If the record does not say where its media are.
        """
        return self.provenance.media(self.text, policy=self.policy)


def indexed_chunk(identifier: str, metadata: dict[str, object], text: str | None, policy: MediaPolicy) -> IndexedChunk:
    """Return the content of a stored record."""
    provenance = read_metadata(metadata)
    said = text or ""
    if provenance.modality != "text" and said == default_text(provenance.modality, provenance.source or identifier):
        said = ""  # the name of its file
    return IndexedChunk(identifier, said, provenance, policy)


def list_chunks(collections: Collections, policy: MediaPolicy) -> Iterator[IndexedChunk]:
    """Yield every content of an index once, with words where any of its spaces has some."""
    found: dict[object, IndexedChunk] = {}
    for description in collections.descriptions.values():
        for record in collections.get(description):
            chunk = indexed_chunk(record.id, record.metadata, record.text, policy)
            key = content_key(chunk.provenance, record.text) or record.id
            if key not in found or (chunk.text and not found[key].text):
                found[key] = chunk
    yield from found.values()
