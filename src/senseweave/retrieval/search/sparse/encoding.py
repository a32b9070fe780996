"""Vectors of texts and of general phrases by a sparse space."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from senseweave.concurrency import checkpoint
from senseweave.retrieval.calibration.probes import PROBES
from senseweave.retrieval.search.sparse.scoring import best_among
from senseweave.retrieval.search.sparse.vector_file import SparseVector
from senseweave.spaces.sparse_space import SparseSpace


def text_digest(text: str) -> bytes:
    """Return what changes with a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def embed_texts(space: SparseSpace, texts: Mapping[bytes, str]) -> list[SparseVector]:
    """Return the vectors of texts by their digests."""
    checkpoint()
    rows = space.encode([text.encode("utf-8", "replace").decode() for text in texts.values()])
    matrix = space.compared(rows.matrix)
    matrix.sort_indices()
    vectors = []
    for at, digest in enumerate(texts):
        inside = slice(matrix.indptr[at], matrix.indptr[at + 1])
        vectors.append(SparseVector(digest, matrix.indices[inside], matrix.data[inside], rows.errors.get(at)))
    return vectors


class GeneralPhrases:
    """The vectors of general phrases, which have nothing to do with most records; embedded when first needed."""

    def __init__(self, load: Callable[[], SparseSpace]) -> None:
        """Embed by the space that a function returns."""
        self._load = load
        self._embedded: tuple[Any, float] | None = None

    def vectors(self) -> tuple[Any, float]:
        """Return them as queries, sparse, shape (n, dimension), and what they find among themselves."""
        if self._embedded is None:
            space = self._load()
            queries, documents = (space.compared(space.encode(PROBES, role).matrix) for role in ("query", "document"))
            self._embedded = queries, best_among(queries, documents)
        return self._embedded
