"""Statistics of a plain vector store, estimated when they are first needed and again when the store has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

import numpy as np

from senseweave.forking import Lock
from senseweave.media import Modality
from senseweave.retrieval.calibration.statistics import Statistics, background

REFIT_GROWTH: Final = 2.0
"""Factor of growth or shrinkage after which the statistics of a store are estimated again."""
SAMPLE: Final = 512
"""Largest number of vectors of a modality that the statistics of a plain store are estimated from."""

Sample = tuple[np.ndarray, int]
"""Vectors of a collection, shape (n, dimension), and how many there are in all."""
Part = TypeVar("Part", bound=str)
"""The name of a part of the store that is searched by itself, usually a modality."""
_Key = TypeVar("_Key")


class StoreStatistics(Generic[Part]):
    """The statistics of each part of a store for each modality of a query.

    They are estimated from queries that have nothing to do with most documents: general phrases for text, and the
    store's own documents for other modalities. Threads may share an instance; concurrent requests for the same
    statistics cause one estimate.
    """

    def __init__(
        self,
        sample: Callable[[Part], Sample],
        probes: Callable[[Part], np.ndarray],
        *,
        count: Callable[[], int] | None = None,
        documents_like: Callable[[Part, Modality], np.ndarray] | None = None,
    ) -> None:
        """Take the functions that read the store; each is called when it is first needed.

        Args:
            sample: Returns for a part of the store a sample of its vectors, shape (n, dimension), n = 0 if it is empty
                or the store does not give them, and the number of vectors it holds in all.
            probes: Returns for a part the vectors of general phrases in its space, shape (q, dimension): embed
                `senseweave.retrieval.calibration.probes.PROBES` as queries. Called at every estimate, so cache the
                result.
            count: Returns the number of vectors in the store. Without it statistics are never estimated again, and
                estimates that were impossible are retried at every call.
            documents_like: Returns for a part and a modality the documents that stand in for queries of that modality,
                shape (q, dimension), q = 0 if there are none. By default the sample of the part named as the modality.
        """
        self._sample = sample
        self._probes = probes
        self._count = count
        self._documents_like = documents_like
        self._known: dict[tuple[Part, Modality], _Estimate] = {}
        self._sizes: dict[Part, int] = {}
        self._lock = Lock()

    def find(self, part: Part, query_modality: Modality) -> Statistics | None:
        """Return the statistics of queries of one modality against a part of the store.

        They are kept until the store has doubled or halved. Where there are none yet, they are estimated as soon as the
        store changes, since the missing documents may have been added.

        Returns:
            The statistics, or None while there is no sample of the part, or nothing can stand in for the queries.

        Raises:
            ValueError: If the vectors of the store and of the queries have different dimensions.
        """
        with self._lock:
            count = self._count() if self._count is not None else None
            known = self._known.get((part, query_modality))
            if known is None or known.is_stale(count):
                known = _Estimate(count, self._estimate(part, query_modality))
                self._known[part, query_modality] = known
            return known.statistics

    def is_empty(self, part: Part) -> bool:
        """Return whether a part was empty when `find` last read it; False if `find` has not read it."""
        return self._sizes.get(part) == 0

    def clear(self) -> None:
        """Forget all statistics; they are estimated again when they are next needed."""
        with self._lock:
            self._known.clear()
            self._sizes.clear()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for copies and pickles: everything but the lock."""
        with self._lock:
            own = {name: value for name, value in self.__dict__.items() if name != "_lock"}
            return own | {"_known": dict(self._known), "_sizes": dict(self._sizes)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()

    def _estimate(self, part: Part, query_modality: Modality) -> Statistics | None:
        documents, size = self._sample(part)
        self._sizes[part] = size
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
                f"the store holds vectors of {documents.shape[1]} dimensions, but its model makes vectors of "
                f"{queries.shape[1]}: search a store with the model that its vectors were made with"
            )
            raise ValueError(msg)
        origin = "probes" if query_modality == "text" else "documents"
        return background(queries, documents, size=size, origin=origin)


def outgrown(known: int, count: int) -> bool:
    """Return whether a store of `count` vectors has at least doubled or halved since it held `known` vectors."""
    return not known / REFIT_GROWTH < count < known * REFIT_GROWTH


def evenly_spaced(keys: Sequence[_Key], most: int = SAMPLE) -> list[_Key]:
    """Return at most `most` keys from evenly spaced positions, the first and the last included."""
    return [keys[int(position)] for position in np.linspace(0, len(keys) - 1, min(len(keys), most))] if keys else []


def chroma_sample(collection: Any, where: Mapping[str, Any]) -> Sample:
    """Return a sample of the vectors of a Chroma collection that match a condition.

    Args:
        collection: A `chromadb.Collection`.
        where: Condition on the metadata, in Chroma's syntax.

    Returns:
        Vectors, shape (n, dimension), float32, with n at most `SAMPLE`, and the number of vectors that match.
    """
    ids = collection.get(where=where, include=[])["ids"]
    if not ids:
        return np.zeros((0, 1), np.float32), 0
    found = collection.get(ids=evenly_spaced(ids), include=["embeddings"])["embeddings"]
    return np.asarray(found, dtype=np.float32), len(ids)


@dataclass(frozen=True)
class _Estimate:
    """The statistics that were estimated when the store held `count` vectors (None if that is not known)."""

    count: int | None
    statistics: Statistics | None

    def is_stale(self, count: int | None) -> bool:
        if self.statistics is None:
            return count is None or count != self.count
        return count is not None and self.count is not None and outgrown(self.count, count)
