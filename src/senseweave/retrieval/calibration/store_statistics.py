"""What similarities mean in a plain vector store, estimated when first asked for and again when it has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Generic, TypeVar, cast

import numpy as np

from senseweave.media import Modality
from senseweave.retrieval.calibration.statistics import Statistics, background

REFIT_GROWTH: Final = 2.0
"""Statistics are estimated again once a store has grown or shrunk by this factor."""
SAMPLE: Final = 512
"""Most vectors of one modality that the statistics of a plain store are estimated from."""

Sample = tuple[np.ndarray, int]
"""Vectors of a collection, shape (n, dimension), and how many there are in all."""
Part = TypeVar("Part", bound=str)
"""What names a part of the store that is searched by itself: as a rule a modality."""
_Key = TypeVar("_Key")


class StoreStatistics(Generic[Part]):
    """The statistics of each part of a store for each modality of a query.

    Estimated from queries that have nothing to do with most documents: general phrases for text, and the store's own
    documents for other modalities. Threads may share it; what several ask for at once is estimated once.
    """

    def __init__(
        self,
        sample: Callable[[Part], Sample],
        probes: Callable[[Part], np.ndarray],
        *,
        count: Callable[[], int] | None = None,
        documents_like: Callable[[Part, Modality], np.ndarray] | None = None,
    ) -> None:
        """Estimate by these functions, none of which is called before it is needed.

        Args:
            sample: From a part of the store to vectors out of it, shape (n, dimension), n = 0 where there are none, and
                how many it holds in all.
            probes: From a part to the vectors of general phrases in its space, shape (q, dimension): embed
                `senseweave.retrieval.calibration.probes.PROBES` as queries. Called at every estimate, so keep what it
                returns.
            count: How many vectors the store holds. Without it statistics are never estimated again, and those that
                could not be estimated are tried at every call.
            documents_like: From a part and a modality to documents that stand in for queries of that modality, shape
                (q, dimension), q = 0 where there are none. By default the sample of the part named like the modality.
        """
        self._sample = sample
        self._probes = probes
        self._count = count
        self._documents_like = documents_like
        self._known: dict[tuple[Part, Modality], _Known] = {}
        self._sizes: dict[Part, int] = {}
        self._lock = Lock()

    def of(self, part: Part, query_modality: Modality) -> Statistics | None:
        """Return the statistics of queries of one modality against a part of the store.

        They are kept until the store has doubled or halved, and looked for again as soon as it changes where there are
        none: what was missing may have come.

        Returns:
            The statistics, or None while the part is empty or nothing can stand in for the queries.

        Raises:
            ValueError: If the store holds vectors of another dimension than the queries'.
        """
        with self._lock:
            count = self._count() if self._count is not None else None
            known = self._known.get((part, query_modality))
            if known is None or known.is_stale(count):
                known = _Known(count, self._estimate(part, query_modality))
                self._known[part, query_modality] = known
            return known.statistics

    def is_empty(self, part: Part) -> bool:
        """Whether a part held nothing when `of` last looked at it; False where it has not."""
        return self._sizes.get(part) == 0

    def clear(self) -> None:
        """Forget everything; what is asked for next is estimated anew."""
        with self._lock:
            self._known.clear()
            self._sizes.clear()

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles hold: everything but the lock."""
        with self._lock:
            own = {name: value for name, value in self.__dict__.items() if name != "_lock"}
            return own | {"_known": dict(self._known), "_sizes": dict(self._sizes)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()

    def _estimate(self, part: Part, query_modality: Modality) -> Statistics | None:
        documents, size = self._sample(part)
        self._sizes[part] = size if len(documents) else 0
        if not len(documents):
            return None
        if query_modality == "text":
            queries = self._probes(part)
        elif self._documents_like is not None:
            queries = self._documents_like(part, query_modality)
        else:
            queries, _ = self._sample(cast(Part, query_modality))
        if not len(queries):
            return None
        if queries.shape[1] != documents.shape[1]:
            msg = (
                f"the store holds vectors of dimension {documents.shape[1]}, but its model makes {queries.shape[1]}: "
                "ask a store by the model that its vectors were made with"
            )
            raise ValueError(msg)
        origin = "probes" if query_modality == "text" else "documents"
        return background(queries, documents, size=size, origin=origin)


def outgrown(known: int, count: int) -> bool:
    """Whether a store of `count` vectors has at least doubled or halved since it had `known`."""
    return not known / REFIT_GROWTH < count < known * REFIT_GROWTH


def evenly_spaced(keys: Sequence[_Key], most: int = SAMPLE) -> list[_Key]:
    """Return at most so many of some keys, from evenly spaced places, the first and the last among them."""
    return [keys[int(at)] for at in np.linspace(0, len(keys) - 1, min(len(keys), most))] if keys else []


def chroma_sample(collection: Any, where: Mapping[str, Any]) -> Sample:
    """Return a sample of the vectors of a Chroma collection for which a condition holds.

    Args:
        collection: A `chromadb.Collection`.
        where: Condition on the metadata, as Chroma takes it.

    Returns:
        Vectors, shape (n, dimension), float32, with n at most `SAMPLE`, and for how many the condition holds.
    """
    ids = collection.get(where=where, include=[])["ids"]
    if not ids:
        return np.zeros((0, 1), np.float32), 0
    found = collection.get(ids=evenly_spaced(ids), include=["embeddings"])["embeddings"]
    return np.asarray(found, dtype=np.float32), len(ids)


@dataclass(frozen=True)
class _Known:
    """What was estimated when the store held `count` vectors; None where that is not known."""

    count: int | None
    statistics: Statistics | None

    def is_stale(self, count: int | None) -> bool:
        if self.statistics is None:
            return count is None or count != self.count
        return count is not None and self.count is not None and outgrown(self.count, count)
