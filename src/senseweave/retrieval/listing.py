"""What an index holds, record by record."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from senseweave.media import Media, MediaPolicy
from senseweave.redaction import redact_repr
from senseweave.retrieval.records.schema import Provenance, read_metadata
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.filters import Filter, parse_filter
from senseweave.retrieval.stores.ids import listed_ids


@redact_repr
@dataclass(frozen=True)
class IndexRecord:
    """A record of an index.

    Attributes:
        id: Its id.
        space: Name of the space that embedded it.
        text: The text itself, the transcript, or the line of labels.
        provenance: Where it comes from, with the user's own metadata.
        vector: Shape (dimension,), float32; None unless vectors were asked for.
        policy: What may be read when `media` is used.
    """

    id: str
    space: str
    text: str
    provenance: Provenance
    vector: np.ndarray | None = field(default=None, repr=False, compare=False)
    policy: MediaPolicy | None = field(default=None, repr=False, compare=False)

    @property
    def source(self) -> str:
        """Absolute path, URL or label; the id of a record that another program wrote without a source."""
        return self.provenance.source or self.id

    @property
    def media(self) -> Media:
        """The media itself; nothing is read yet.

        Raises:
            MediaError: If the record does not say where its media are.
        """
        return self.provenance.media(self.text, policy=self.policy)


class Listed:
    """The part of an index that lists its records."""

    policy: MediaPolicy
    _store: Collections

    def records(
        self,
        *,
        filter: Filter | None = None,  # noqa: A002  (what every store calls it)
        ids: Collection[str] | str | None = None,
        vectors: bool = False,
    ) -> Iterator[IndexRecord]:
        """Yield the records of the index, a page of the store at a time.

        Args:
            filter: A condition on metadata, as in `search`; None for all records.
            ids: Only the records of these ids; ids that are not in the index are left out.
            vectors: Whether to read their vectors too.

        Raises:
            TypeError: If `ids` are not strings.
            ValueError: If the filter is not valid.
        """
        condition = parse_filter(filter)
        wanted = None if ids is None else listed_ids(ids)
        for description in list(self._store.descriptions.values()):
            for record in self._store.get(description, ids=wanted, condition=condition, vectors=vectors):
                provenance = read_metadata({"modality": description.modality, **record.metadata})
                yield IndexRecord(
                    record.id, description.space, record.text or "", provenance, record.vector, self.policy
                )
