"""Multi-vector reranking over a store that keeps token vectors: a record is embedded once, not at every search."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from senseweave.encoders.rerankers.base import Scores, refuse
from senseweave.encoders.rerankers.multi_vector import MultiVectorModel
from senseweave.errors import StoreError
from senseweave.retrieval.hits import Hit
from senseweave.retrieval.query import Query
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.search.rerank import ModelReranker
from senseweave.retrieval.search.reranker import Reranker
from senseweave.retrieval.stores.base import TokenVectors
from senseweave.retrieval.stores.collections import Collections


class StoringReranker:
    """A reranker that keeps token vectors in the store of an index, if its model is one of several vectors."""

    def __init__(self, reranker: ModelReranker, tokens: StoredTokens) -> None:
        """Use a reranker with the token vectors of an index."""
        self.name = reranker.name
        self._reranker = reranker
        self._tokens = tokens

    def scores(self, query: Query, hits: Sequence[Hit]) -> np.ndarray:
        """Return the scores of the reranker."""
        return self._reranker.scores(query, hits, self._tokens.score)


class StoredTokens:
    """The token vectors of an index's records, for the rerankers that its searches name."""

    def __init__(self, collections: Collections, store: TokenVectors) -> None:
        """Use a store, which is that of the collections."""
        self._collections = collections
        self._store = store

    def attach(self, reranker: Reranker) -> Reranker:
        """Return a reranker that uses the vectors; one of the user's own, a subclass too, is returned as it is."""
        return StoringReranker(reranker, self) if type(reranker) is ModelReranker else reranker

    def score(self, model: MultiVectorModel, query: Any, documents: Sequence[Any], hits: Sequence[Hit]) -> Scores:
        """Score documents as the model does, by vectors of half precision, and embed only those that are not stored.

        Vectors that have just been embedded are rounded like stored ones, so that a score never depends on which they
        are.

        Args:
            model: The model.
            query: What it reads of the query.
            documents: What it reads of each hit.
            hits: The hits.

        Raises:
            ModelError: If the query cannot be computed.
        """
        (asked,), (query_dropped,) = model.embed_each([query], "query")
        if isinstance(asked, str):
            raise refuse(model.name, asked)
        asked = _rounded(asked)
        digests = [_digest(document) for document in documents]
        places = self._places(hits)
        values = np.full(len(documents), np.nan)
        dropped = [0] * len(documents)
        with contextlib.suppress(StoreError):
            for name, positions in places.items():
                stored = self._store.compare_tokens(name, model.fingerprint, asked, [hits[at].id for at in positions])
                found = {record.id: record for record in stored}
                for at in positions:
                    record = found.get(hits[at].id)
                    if record is not None and record.metadata.get("content") == digests[at]:
                        values[at] = record.similarity / (len(asked) if model.averages else 1)
                        dropped[at] = int(record.metadata.get("dropped", 0))
        missing = [int(at) for at in np.flatnonzero(np.isnan(values))]
        vectors, cut = model.embed_each([documents[at] for at in missing], "document") if missing else ([], ())
        errors: dict[int, str] = {}
        fresh: dict[int, Record] = {}
        for at, vector, left_out in zip(missing, vectors, cut, strict=True):
            dropped[at] = left_out
            if isinstance(vector, str):
                errors[at] = vector
                continue
            rounded = _rounded(vector)
            values[at] = model.similarity([asked], [rounded])[0, 0]
            if np.abs(rounded).max() <= np.finfo(np.float16).max:
                metadata = {"content": digests[at], "dropped": left_out}
                fresh[at] = Record(hits[at].id, rounded, "", metadata)
        with contextlib.suppress(StoreError):
            for name, positions in places.items():
                if records := [fresh[at] for at in positions if at in fresh]:
                    self._store.save_tokens(name, model.fingerprint, records)
        return Scores(values, errors, tuple(dropped), query_dropped)

    def _places(self, hits: Sequence[Hit]) -> dict[str, list[int]]:
        """Return the positions of hits by the names of their collections."""
        descriptions = self._collections.descriptions
        places: dict[str, list[int]] = {}
        for at, hit in enumerate(hits):
            description = descriptions.get((hit.space, hit.modality))
            if description is not None:
                places.setdefault(description.name, []).append(at)
        return places


def _rounded(vectors: np.ndarray) -> np.ndarray:
    """Return vectors rounded to half precision, as float32; as they are where that would not hold them."""
    with np.errstate(over="ignore"):
        rounded = vectors.astype(np.float16).astype(np.float32)
    return rounded if np.isfinite(rounded).all() else vectors


def _digest(document: Any) -> str:
    """Return a hash of what a model reads: a string, or a picture's size and pixels."""
    if isinstance(document, str):
        return hashlib.sha256(b"text\0" + document.encode("utf-8", "surrogatepass")).hexdigest()
    shape = f"{document.mode} {document.size}\0".encode()
    return hashlib.sha256(shape + document.tobytes()).hexdigest()
