"""A Chroma collection that a framework's store wrote, as a ranking reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np

from senseweave.media import Modality
from senseweave.retrieval.calibration.store_statistics import Sample, chroma_sample
from senseweave.retrieval.search.source import Candidate
from senseweave.retrieval.search.words.documents import DocumentWords
from senseweave.retrieval.store_ranking import SampledView
from senseweave.retrieval.stores.chroma_bindings import is_parents
from senseweave.retrieval.stores.conditions import NAMES
from senseweave.retrieval.stores.filters import compile_filter, modality_filter
from senseweave.retrieval.stores.local_client import client_in_child, close_client, fresh_client

T = TypeVar("T")


class ChromaView(SampledView):
    """A view of a framework's Chroma store; the framework says where the store keeps its collection."""

    @property
    def collection(self) -> Any:
        """The store's `chromadb.Collection`."""
        raise NotImplementedError

    def replace_collection(self, collection: Any, client: Any) -> None:
        """Give the store the same collection, opened anew by a client that has read the folder again."""
        raise NotImplementedError

    @cached_property
    def words(self) -> Mapping[bool, DocumentWords]:
        """The words of its documents, by whether each modality is a list of its own."""
        return chroma_words(lambda question: self.read(lambda: question(self.collection)))

    def count(self) -> int:
        """Return how many vectors the collection holds."""
        return int(self.collection.count())

    def sample(self, modality: Modality) -> Sample:
        """Return vectors of a modality, shape (n, dimension), and how many there are."""
        return self.read(lambda: chroma_sample(self.collection, compile_filter(modality_filter(modality)) or {}))

    def vectors(self, found: Sequence[Candidate]) -> Sequence[np.ndarray]:
        """Return the stored vectors of what was found."""
        ids = [candidate.id for candidate in found]
        vectors: dict[str, Any] = {}
        for at in range(0, len(ids), NAMES):
            stored = self.read(partial(self._stored, ids[at : at + NAMES]))
            vectors.update(zip(stored["ids"], stored["embeddings"], strict=True))
        return [np.asarray(vectors[identifier], np.float32) for identifier in ids]

    def _stored(self, ids: Sequence[str]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.collection.get(ids=list(ids), include=["embeddings"])
        return found

    def similarity(self, distance: float) -> float:
        """Return the cosine similarity of unit vectors at a distance of the collection's metric."""
        configuration = self.collection.configuration
        settings = configuration.get("hnsw") or configuration.get("spann") or {}
        # Chroma's l2 is squared: |a - b|^2 = 2 - 2 cos.
        return 1.0 - (distance / 2.0 if settings.get("space", "l2") == "l2" else distance)

    def read(self, ask: Callable[[], T]) -> T:
        """Return what a question to the store returns; open its folder anew if another process has written to it."""
        return read_anew(ask, lambda: self.collection, self.replace_collection)


def chroma_words(ask: Callable[[Callable[[Any], Any]], Any]) -> Mapping[bool, DocumentWords]:
    """Return the words of a Chroma collection, by whether each modality is a list of its own.

    Args:
        ask: Calls a function with the collection and returns what that returns.
    """
    return {by_modality: DocumentWords(ask, by_modality=by_modality) for by_modality in (False, True)}


def read_anew(ask: Callable[[], T], collection: Callable[[], Any], replace: Callable[[Any, Any], None]) -> T:
    """Return what a question to a Chroma store returns, asked again if another process has written to its folder.

    Args:
        ask: Asks the store's collection.
        collection: Returns the store's collection.
        replace: Takes the collection and the client that the store is to use from now on.
    """
    from chromadb.errors import InternalError

    reopen_in_child(collection(), replace)
    try:
        return ask()
    except InternalError:
        stale = collection()
        client = fresh_client(stale)
        if client is None:
            raise
        replace(client.get_collection(stale.name, embedding_function=None), client)
        return ask()


def close_replaced(client: Any) -> None:
    """Close the client that a store opened itself, after another has taken its place, or with the store.

    What others opened of the same folder stays open, and so does the client of a forked child's parent.
    """
    if not is_parents(client._server):
        close_client(client)


def reopen_in_child(collection: Any, replace: Callable[[Any, Any], None]) -> None:
    """Open the collection of a forked child's parent anew, which would hang; every other collection stays.

    Args:
        collection: The collection that a store uses.
        replace: Takes the collection and the client that the store is to use from now on.

    Raises:
        StoreError: If the collection is in the parent's memory.
    """
    if is_parents(collection._client):
        client = client_in_child(collection._client.get_settings(), collection)
        replace(client.get_collection(collection.name, embedding_function=None), client)
