"""What an index asks of a vector store: a small protocol, so that a further store is one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from senseweave.redaction import redact_repr
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.conditions import Condition


@redact_repr
@dataclass(frozen=True)
class StoredRecord:
    """A record as a store returns it.

    Attributes:
        id: Its id in the collection.
        metadata: Flat values.
        text: Its text, or None where it was stored without.
        similarity: Cosine similarity to the query; 0 outside a search.
        vector: Shape (dimension,), float32, if vectors were requested.
    """

    id: str
    metadata: dict[str, Any]
    text: str | None
    similarity: float = 0.0
    vector: np.ndarray | None = None


@redact_repr
@dataclass(frozen=True)
class SparseRow:
    """A sparse vector as a store keeps it.

    Attributes:
        id: Its id in the collection.
        terms: Positions of its weights, ascending, int32, shape (n,); with none of them the row is never found.
        weights: Its weights, float32, shape (n,).
        metadata: Flat values.
    """

    id: str
    terms: np.ndarray
    weights: np.ndarray
    metadata: Mapping[str, Any]


@runtime_checkable
class VectorStore(Protocol):
    """Named collections of records with cosine search. Safe to use from several threads.

    A collection has metadata of its own, flat and small, in which an index keeps what it has to know. Conditions are
    `Compare`, `AllOf` and `AnyOf` of `senseweave.retrieval.stores.conditions`; a store raises `ValueError` for a
    condition that it cannot translate.

    A store whose `writing` keeps every other writer out, those of other processes too, may say so by an attribute
    `is_exclusive`, True: an index then notes which contents have several records, and searches ask for less.

    A store that lists ids faster than records may have `list_ids(name, condition, limit)`, which returns the ids of at
    most `limit` records that match a condition: searches by words under a filter that lets few records pass use it.

    A store that can compare records by several vectors each may have the methods of `TokenVectors`, and one elsewhere
    that can compare sparse vectors those of `SparseVectors`: an index then keeps the vectors of sparse spaces in it.

    A store elsewhere that can search texts may have the method `find_words` of `TextSearch`: an index then keeps the
    words of its records in the store, for all who use it. Over a store without, each index keeps them in its own memory
    and compares them with the store when the number of records has changed, or an attribute `writes`, a number that
    grows with every change and begins at 0.
    """

    @property
    def folder(self) -> Path | None:
        """The folder that holds the store, or None where it is elsewhere."""

    @property
    def place(self) -> str:
        """What errors and `info` call the store."""

    @property
    def version(self) -> int:
        """A number that changes when collections or their metadata may have changed, whoever changed them."""

    def writing(self) -> AbstractContextManager[None]:
        """Keep other writers out where the store does not order writes itself; may be entered again."""

    def collections(self) -> dict[str, dict[str, Any]]:
        """Return the metadata of every collection by its name."""

    def make(self, name: str, metadata: Mapping[str, Any], dimension: int) -> dict[str, Any]:
        """Make a collection for vectors of a dimension unless it is there, and return its metadata."""

    def save_metadata(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Replace the metadata of a collection."""

    def drop(self, name: str) -> None:
        """Remove a collection with all its records; one that is not there is a `StoreError`."""

    def upsert(self, name: str, records: Sequence[Record]) -> None:
        """Write records; each replaces a record of the same id as a whole, and the last of one id stays.

        Raises:
            ValueError: If one holds what a store cannot keep, before any is written: `given.checked_records` says what.
        """

    def update_metadata(self, name: str, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change metadata of records by id; a value of None removes a name."""

    def get(
        self,
        name: str,
        *,
        ids: Sequence[str] | None = None,
        condition: Condition | None = None,
        limit: int | None = None,
        offset: int = 0,
        vectors: bool = False,
    ) -> list[StoredRecord]:
        """Return records by id or by condition, or all of them, each once, in an order that stays between calls."""

    def query(
        self,
        name: str,
        vectors: np.ndarray,
        k: int,
        *,
        condition: Condition | None = None,
        with_vectors: bool = False,
    ) -> list[list[StoredRecord]]:
        """Return the `k` records, at least 1, nearest to each row of `vectors`, shape (n, dimension), nearest first."""

    def count(self, name: str) -> int:
        """Return the number of records of a collection."""

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Remove records by id; ids that are not there are passed over."""

    def close(self) -> None:
        """Let go of files and connections that the store opened itself."""


@runtime_checkable
class TextSearch(Protocol):
    """What a store may be able to do besides, so that the words of records are kept in it."""

    def find_words(self, name: str, words: Sequence[str], limit: int, *, is_prefix: bool = False) -> list[str]:
        """Return the ids of at most `limit` records whose text holds words that follow each other.

        The texts of such a collection are words in lower case with one space before and after each, in lines: a word
        is never part of another, and words of two lines do not follow each other.

        Args:
            name: Of the collection.
            words: At least one, without spaces.
            limit: Most ids to return.
            is_prefix: Whether the last word may go on: it is then the beginning of a word.
        """


@runtime_checkable
class TokenVectors(Protocol):
    """What a store may be able to do besides, so that multi-vector rerankers embed a record once.

    Token vectors belong to a record of a collection and to one model. They go when the record is deleted or replaced,
    and with its collection, whether or not `keeps_tokens` is set then.

    Attributes:
        keeps_tokens: Whether searches shall keep token vectors in the store.
    """

    keeps_tokens: bool

    def save_tokens(self, name: str, fingerprint: str, records: Sequence[Record]) -> None:
        """Write token vectors of records, replacing those of the same model; those that the store refuses are left out.

        Args:
            name: Of the collection of the records; of records that it does not hold nothing is kept.
            fingerprint: Of the model, hexadecimal.
            records: With the id of a record, vectors of shape (n, dimension), and metadata that are kept with them.
        """

    def compare_tokens(self, name: str, fingerprint: str, query: np.ndarray, ids: Sequence[str]) -> list[StoredRecord]:
        """Return those of some records that have token vectors of a model, with the metadata that were saved with them.

        Their `similarity` is MaxSim, exact but for rounding to half precision: each vector of `query`, shape
        (m, dimension), takes its largest dot product with a vector of the record, and these are summed.
        """


@runtime_checkable
class SparseVectors(Protocol):
    """What a store may be able to do besides, so that the vectors of sparse spaces are kept in it.

    They are in collections of their own, of which `get` without vectors, `count`, `delete`, `drop`, `collections` and
    `save_metadata` are asked as of others.

    Attributes:
        keeps_sparse: Whether an index shall keep them in the store, rather than in its memory.
    """

    keeps_sparse: bool

    def make_sparse(self, name: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Make a collection for sparse vectors unless it is there, and return its metadata."""

    def save_sparse(self, name: str, rows: Sequence[SparseRow]) -> None:
        """Write sparse vectors; each replaces one of the same id as a whole."""

    def find_sparse(self, name: str, terms: np.ndarray, weights: np.ndarray, k: int) -> list[tuple[str, float]]:
        """Return the ids of the `k` rows with the greatest dot product with a query, each with it, greatest first.

        The dot products are those of all rows, compared exactly but for rounding to single precision; rows that share
        no term with the query are not returned.

        Args:
            name: Of the collection.
            terms: Positions of the query's weights, ascending, at least one.
            weights: Its weights, as many.
            k: How many.
        """

    def sample_sparse(self, name: str, limit: int) -> list[SparseRow]:
        """Return rows of which any is as likely as any other, at most `limit`; all of them if they are not more."""
