"""What an index holds, source by source."""

from __future__ import annotations

from dataclasses import dataclass, field

from senseweave.media import Modality
from senseweave.redaction import redact_repr
from senseweave.retrieval.records.schema import record_source
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
