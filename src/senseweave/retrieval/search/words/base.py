"""What the search asks of an index of words: small protocols, so that a further kind is one file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.records.schema import Record, default_text, read_metadata
from senseweave.retrieval.search.words.names import searched_name
from senseweave.retrieval.search.words.tokens import Term
from senseweave.retrieval.stores.base import StoredRecord


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


class WordSearch(Protocol):
    """What a search asks of the words of some collections. They never decide what exists: that is the store's to say.

    Safe to use from several threads.
    """

    def search(self, collection: str, terms: Sequence[Term], k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` rows that match best, each with its score, best first.

        A score is the share of the information in the query that a row matches, by BM25, as
        `senseweave.retrieval.search.words.scoring` says; rows without any of the terms are not returned.
        """

    def statistics(self, collection: str) -> Statistics | None:
        """Return the distribution of the scores of unrelated queries, or None for an empty collection."""


class IndexWords(Protocol):
    """The words of the records of an index, wherever they are kept: they follow every change that is made through it.

    Safe to use from several threads.
    """

    def current(self) -> WordSearch:
        """Return what is searched, brought up to date with the records.

        Raises:
            StoreError: If it cannot be made.
        """

    def search(self, collection: str, terms: Sequence[Term], k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` records whose words match best, with their scores; see `WordSearch.search`."""

    def writing(self, collection: str, records: Sequence[Record], ids: Sequence[str]) -> AbstractContextManager[None]:
        """Follow a change of a collection, which is made inside: records that are written, and ids that are removed."""

    def close(self) -> None:
        """Let go of files."""


class WordIndex(WordSearch, Protocol):
    """The words of the records of some collections in a file or in memory.

    Changes are made inside `changing`, all of them or none.
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

    def estimate(self, collection: str) -> None:
        """Estimate the statistics of a collection if it has doubled or halved since they were estimated."""

    def close(self) -> None:
        """Let go of files."""


def word_row(record: Record | StoredRecord) -> WordRow:
    """Return the words of a record: its text, unless that says only the name of its file, and the end of its source."""
    provenance = read_metadata(record.metadata)
    source = provenance.source or ""
    text = record.text or ""
    if source and text == default_text(provenance.modality, source):
        text = ""
    return WordRow(record.id, text, searched_name(source))
