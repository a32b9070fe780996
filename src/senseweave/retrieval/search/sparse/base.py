"""What the search asks of the vectors of a sparse space, wherever they are kept: two small protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.records.schema import Record
from senseweave.spaces.sparse_space import SparseSpace


class SparseSearch(Protocol):
    """A query of a sparse space. A score is its dot product with a text over that with itself."""

    def best(self, collection: str, k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` records of a collection with the highest scores, each with its score, best first.

        Records of score 0 share no term with the query and are left out.
        """

    def statistics(self, collection: str) -> Statistics | None:
        """Return what unrelated queries find, with the mean of this one; None if no record has a vector."""


class SparseVectorsOfSpace(Protocol):
    """The vectors of the texts of an index's records by one sparse space. Safe to use from several threads.

    Attributes:
        load: Returns the space.
    """

    load: Callable[[], SparseSpace]

    def begin(self) -> None:
        """Note for an index without records that nothing is to be embedded."""

    def writing(
        self, collection: str, records: Sequence[Record], ids: Sequence[str]
    ) -> AbstractContextManager[dict[str, str]]:
        """Follow a change of a collection, which is made inside: records that are written, and ids that are removed.

        What it gives says afterwards, by id, why texts have no vector.
        """

    def search(self, query: np.ndarray) -> SparseSearch:
        """Bring the vectors up to date with the records, and return a query of them.

        Args:
            query: Shape (dimension,).

        Raises:
            StoreError: If the store fails.
            ModelError: If texts have to be embedded, and the model cannot be loaded.
        """

    def close(self) -> None:
        """Let go of files and memory."""
