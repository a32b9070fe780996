"""What the ranking asks of whatever can be searched by a vector, and what that answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from senseweave.concurrency import in_thread
from senseweave.media import Modality
from senseweave.redaction import redact_repr
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.records.schema import Provenance, read_metadata


@redact_repr
@dataclass(frozen=True)
class Candidate:
    """A record as a source answers with it.

    Attributes:
        id: Its id, unique within the source.
        metadata: Flat values, whoever wrote them; see `senseweave.retrieval.records.schema.read_metadata`.
        text: Its text.
        similarity: Cosine similarity of query and record; of a source that searches by words, its score there.
        cosine: Cosine similarity of query and record, of a source that searches by words and knows it.
        vector: Its vector, if vectors were requested.
        item: What it is in a framework, such as a document.
    """

    id: str
    metadata: Mapping[str, Any]
    text: str | None
    similarity: float
    vector: np.ndarray | None = None
    item: Any = None
    cosine: float | None = None

    @cached_property
    def provenance(self) -> Provenance:
        """Where it is from, as its metadata say."""
        return read_metadata(self.metadata)


class RankingSource:
    """Records of one modality that can be searched by vector: a collection, a store's share, a wrapped retriever.

    A source applies its own filters. What a user set on a wrapped store or retriever is kept: further conditions join
    it with AND.

    Attributes:
        name: Unique among the sources of a ranking.
        space: Name under which the query's vectors for it are found.
        modality: Of its records, for records that name none.
        store: Name of the store whose records it is a part of, if it has one.
        by_words: Whether it searches by the words of the query.
        pair: Name of the source that searches the same records by vectors, for a source that searches by words.
        weight: Of its part in a query of several, for a source that searches by words.
    """

    name: str
    space: str
    modality: Modality
    store: str | None = None
    by_words: bool = False
    pair: str | None = None
    weight: float = 1.0

    def query(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Return the `k` records nearest to a unit vector, shape (dimension,), nearest first; fewer if it has fewer."""
        raise NotImplementedError

    async def aquery(self, vector: np.ndarray, k: int, *, with_vectors: bool) -> Sequence[Candidate]:
        """Like `query`, off the event loop: in a thread unless the source knows a better way."""
        return await in_thread(self.query, vector, k, with_vectors=with_vectors)

    def statistics(self, query_modality: Modality) -> Statistics | None:
        """Return the statistics of queries of a modality against these records, or None if they are not known."""
        del query_modality
        return None

    def word_scores(self) -> Mapping[str, float]:
        """Return the scores of the records that the words of the query match best, by id; what is missing has 0."""
        raise NotImplementedError

    def is_empty(self) -> bool:
        """Return whether there are no records; False where only a search would tell."""
        return False
