"""What the search asks of an index of words: a small protocol, so that a further kind is one file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.search.words.tokens import Term


@dataclass(frozen=True)
class WordRow:
    """The words of a record.

    Attributes:
        id: Of the record.
        text: The passage, transcript, caption or line of labels; empty where the record says only its file's name.
        name: The end of the path or URL of its source.
    """

    id: str
    text: str
    name: str

    @cached_property
    def digest(self) -> bytes:
        """What changes with the words."""
        return hashlib.blake2b(f"{self.name}\n{self.text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


class WordIndex(Protocol):
    """The words of the records of some collections. It never decides what exists: that is the store's to say.

    Safe to use from several threads. Changes are made inside `changing`, all of them or none.
    """

    def changing(self, wait: float = 600.0) -> AbstractContextManager[None]:
        """Be the only one who changes it; what was changed is kept if no error is raised.

        Args:
            wait: Seconds to wait for another process that changes it.
        """

    @property
    def stamp(self) -> str:
        """What the store was like when the index was brought up to date; empty if it never was."""

    def set_stamp(self, stamp: str) -> None:
        """Note what the store is like now that the index is up to date."""

    def collections(self) -> list[str]:
        """Return the names of the collections of which it holds words."""

    def add(self, collection: str, rows: Iterable[WordRow]) -> None:
        """Put rows into a collection, which is made if need be; each replaces the row of the same id."""

    def delete(self, collection: str, ids: Iterable[str]) -> None:
        """Remove rows by id; ids that are not there are passed over."""

    def drop(self, collection: str) -> None:
        """Remove a collection with all its rows."""

    def digests(self, collection: str) -> Mapping[str, bytes]:
        """Return the digest of each row by its id."""

    def search(self, collection: str, terms: Sequence[Term], k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` rows that match best, each with its score, best first.

        A score is the share of the information in the query that a row matches, by BM25, as
        `senseweave.retrieval.search.words.scoring` says; rows without any of the terms are not returned.
        """

    def statistics(self, collection: str) -> Statistics | None:
        """Return the distribution of the scores of unrelated queries, or None for an empty collection."""

    def estimate(self, collection: str) -> None:
        """Estimate the statistics of a collection if it has doubled or halved since they were estimated."""

    def close(self) -> None:
        """Let go of files."""
