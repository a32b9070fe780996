"""A search of an index: checked, ready to be embedded and answered."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field

from senseweave.media import MediaPolicy, Modality
from senseweave.retrieval.query import Query
from senseweave.retrieval.search.embedding import Embedded
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.stores.conditions import Condition
from senseweave.spaces.space import Space


@dataclass(frozen=True)
class SearchRequest:
    """What `Index.search` was asked for.

    Attributes:
        query: What is searched for; None if only its vectors are known, which are in `embedded`.
        plan: How results are chosen and ordered.
        condition: That records must match; None for all.
        modalities: Of the records.
        group: Equal for searches of equal conditions and modalities, which the store can be asked for at once.
        spaces: Of the index, loaded.
        policy: What may be read when the media of hits are used.
        embedded: The vectors of a query that is known by them alone.
    """

    query: Query | None
    plan: Plan
    condition: Condition | None
    modalities: Collection[Modality]
    group: Hashable
    spaces: Mapping[str, Space]
    policy: MediaPolicy
    embedded: Embedded = field(default_factory=dict)
