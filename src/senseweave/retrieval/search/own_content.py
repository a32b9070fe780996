"""The query's own content: what a query by media asks with, stored as it is or encoded again, is found first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from senseweave.errors import MediaError
from senseweave.media import Modality
from senseweave.retrieval.fusion import EmbeddedPart
from senseweave.retrieval.query import Query
from senseweave.retrieval.records.schema import Provenance

NEAR: Final[Mapping[Modality, float]] = {"text": 0.98, "image": 0.8, "audio": 0.8, "video": 0.8}
"""Share of the way from an unrelated to an equal record, above which a record of the query's modality is the same
content encoded again. With `starter`, JPEG of quality 85 gives 0.987 or more, half the size 0.926, MP3 of WAV 0.99, and
different pictures 0.50 at most (samples of this repository). Words do not change when they are encoded again."""
EXACT: Final = 2.0
"""Added to the evidence of equal bytes, so that it is above that of any similarity."""


@dataclass(frozen=True)
class OwnContent:
    """What is known of the content that a query asks with; only of a query of a single part.

    Attributes:
        modality: Its modality.
        sha256: Hash of its bytes, or None.
        span: The part of a recording or video that is asked with, or None for all of it.
        page: The page of a document that is asked with, or None.
    """

    modality: Modality
    sha256: str | None = None
    span: tuple[float, float] | None = None
    page: int | None = None

    def evidence(self, record: Provenance, similarity: float, unrelated: float | None) -> float:
        """Return how surely a record is the content of the query; 0 if nothing says so.

        Args:
            record: Where the record is from.
            similarity: Cosine similarity of query and record.
            unrelated: Mean similarity of queries of this modality and unrelated records, or None if it is not known.
        """
        if record.modality != self.modality:
            return 0.0
        if self.sha256 is not None and self.sha256 == record.sha256 and self._is_there(record):
            return EXACT + similarity
        floor = min(max(unrelated or 0.0, 0.0), similarity)
        share = (similarity - floor) / (1.0 - floor) if floor < 1.0 else 1.0
        return similarity if share >= NEAR[self.modality] else 0.0

    def _is_there(self, record: Provenance) -> bool:
        """Return whether a record of the same file is of the page or the span that is asked with."""
        if self.page is not None and record.page != self.page:
            return False
        if self.span is None or record.span is None:
            return True
        return self.span[0] < record.span[1] and record.span[0] < self.span[1]


def own_content(query: Query | None, embedded: Mapping[str, Sequence[EmbeddedPart]]) -> OwnContent | None:
    """Return what is known of the content of a query, or None if it has several parts or a negative weight.

    Args:
        query: The query; None if only its vectors are known.
        embedded: By space, the parts of the query that it can embed.
    """
    if query is not None:
        media, weight = query.parts[0]
        if len(query.parts) > 1 or weight < 0:
            return None
        try:
            return OwnContent(media.modality, media.sha256, media.span, media.page)
        except MediaError:  # its vectors were computed elsewhere
            return OwnContent(media.modality)
    parts = [part for found in embedded.values() for part in found]
    single = all(len(found) == 1 for found in embedded.values()) and len({part.modality for part in parts}) == 1
    return OwnContent(parts[0].modality) if single and parts[0].weight > 0 else None
