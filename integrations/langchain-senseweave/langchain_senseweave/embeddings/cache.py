"""`MediaCacheBackedEmbeddings`: vectors of text and media kept on any byte store, by content and not by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Literal, Self, Unpack

from langchain_core.stores import BaseStore

from langchain_senseweave.embeddings.base import MediaEmbeddings
from senseweave.interop import (
    DESCRIPTION,
    DIRECT,
    OFF_LOOP,
    VECTOR,
    ChunkOptions,
    Media,
    MediaCache,
    MediaError,
    MediaPolicy,
    Modality,
    Role,
    Steps,
    check_choice,
    content_cache_key,
    placed_among,
    require_all,
    run_direct,
    whole_number,
)

HASHES: Final = ("sha1", "blake2b", "sha256", "sha512")
"""Names of hashes that `from_bytes_store` takes, as `CacheBackedEmbeddings` does."""


class MediaCacheBackedEmbeddings(MediaEmbeddings):
    """Embeddings that look into a store before they compute.

    The key of a vector holds the fingerprint of the space, the modality, the role, the SHA-256 of the content and the
    span or page: a renamed file is found, a changed file is embedded again, and models never share vectors. Vectors
    are stored as float32.

    Setup:
        ```bash
        pip install "langchain-senseweave[starter]"
        ```

    Instantiate:
        ```python
        from langchain_core.stores import InMemoryByteStore
        from langchain_senseweave import MediaCacheBackedEmbeddings, SenseweaveEmbeddings

        cached = MediaCacheBackedEmbeddings(SenseweaveEmbeddings(), InMemoryByteStore())
        ```
    """

    def __init__(
        self,
        embeddings: MediaEmbeddings,
        store: BaseStore[str, bytes],
        *,
        prefix: str = "senseweave",
        batch_size: int | None = None,
        query_store: BaseStore[str, bytes] | bool = True,
        key_encoder: Callable[[str], str] | None = None,
    ) -> None:
        """Put a store in front of embeddings.

        Args:
            embeddings: What computes the vectors that the store lacks.
            store: Where vectors are kept: any `ByteStore`, for example `LocalFileStore` or `InMemoryByteStore`.
            prefix: Beginning of every key.
            batch_size: Items that are computed before they are kept, so that a call that ends early loses no more; None
                for all items of a call.
            query_store: Where vectors of queries are kept: True for `store`, whose keys tell the two apart, and False
                for nowhere.
            key_encoder: Returns the key to use in place of a key, for stores that take few characters.

        Raises:
            ValueError: If `batch_size` is less than 1.
        """
        if batch_size is not None:
            whole_number("batch_size", batch_size, 1)
        self.embeddings = embeddings
        self.store = store
        self.prefix = prefix
        self.batch_size = batch_size
        self.query_store = {True: store, False: None}[query_store] if isinstance(query_store, bool) else query_store
        self.key_encoder = key_encoder

    @classmethod
    def from_bytes_store(
        cls,
        underlying_embeddings: MediaEmbeddings,
        document_embedding_cache: BaseStore[str, bytes],
        *,
        namespace: str = "",
        batch_size: int | None = None,
        query_embedding_cache: BaseStore[str, bytes] | bool = True,
        key_encoder: Callable[[str], str] | Literal["sha1", "blake2b", "sha256", "sha512"] | None = None,
    ) -> Self:
        """Create the embeddings as `CacheBackedEmbeddings.from_bytes_store` does.

        Args:
            underlying_embeddings: What computes the vectors that the store lacks.
            document_embedding_cache: Where vectors are kept.
            namespace: Beginning of every key; it need not distinguish models.
            batch_size: Items that are computed before they are kept; None for all items of a call.
            query_embedding_cache: Where vectors of queries are kept: True for the same store, which is the default
                here, False for nowhere.
            key_encoder: A hash by its name, or a function of keys. Keys hold hashes of contents already, so that none
                is needed.

        Returns:
            The embeddings.

        Raises:
            ValueError: If a namespace is given with a function, which can add it itself, or there is no such hash.
        """
        if callable(key_encoder) and namespace:
            msg = "give namespace or a function as key_encoder, which can add it itself, not both"
            raise ValueError(msg)
        if isinstance(key_encoder, str):
            check_choice("key_encoder", key_encoder, HASHES)
            key_encoder = partial(_hashed, key_encoder, namespace)
        return cls(
            underlying_embeddings,
            document_embedding_cache,
            prefix=namespace or "senseweave",
            batch_size=batch_size,
            query_store=query_embedding_cache,
            key_encoder=key_encoder,
        )

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the embeddings behind the cache."""
        return self.embeddings.fingerprint

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities of the embeddings behind the cache."""
        return self.embeddings.modalities

    @property
    def media_policy(self) -> MediaPolicy | None:
        """Policy of the embeddings behind the cache."""
        return self.embeddings.media_policy

    @property
    def model(self) -> str:
        """Name of the model behind the cache."""
        return str(getattr(self.embeddings, "model", type(self.embeddings).__name__))

    def describe_media(
        self, media: Sequence[Media], *, on_error: Literal["raise", "skip"] = "raise"
    ) -> list[str | None]:
        """Describe media as the embeddings behind the cache do; descriptions are kept beside the vectors."""

        async def compute(missing: list[Media]) -> list[tuple[str | None]]:
            return [(words,) for words in self.embeddings.describe_media(missing, on_error=on_error)]

        fetched = self._cache(self.store).fetch(DIRECT, media, [DESCRIPTION], compute, on_error=on_error)
        entries = run_direct(fetched)
        return [None if isinstance(entry, MediaError) else entry[0] for entry in entries]

    def embed_described(self, media: Sequence[Media]) -> list[tuple[list[float], str | None]]:
        """Embed and describe documents, computing only what the store lacks, each content once."""

        async def compute(missing: list[Media]) -> list[tuple[list[float], str | None]]:
            return self.embeddings.embed_described(missing)

        described: list[tuple[list[float], str | None]] = []
        for positions, batch in self._batches(media):
            with placed_among(positions, len(media)):
                fetched = self._cache(self.store).fetch(DIRECT, batch, [VECTOR, DESCRIPTION], compute)
                described += [(list(vector), words) for vector, words in require_all(run_direct(fetched))]
        return described

    def chunk(self, media: Media, **options: Unpack[ChunkOptions]) -> Iterator[Media]:
        """Divide a media into chunks as the embeddings behind the cache do."""
        return self.embeddings.chunk(media, **options)

    def embed_media(self, media: Sequence[Media], *, role: Role = "document") -> list[list[float]]:
        """Embed media, computing only what the store lacks, each content once."""
        return run_direct(self._embed(DIRECT, media, role))

    async def aembed_media(self, media: Sequence[Media], *, role: Role = "document") -> list[list[float]]:
        """Run `embed_media` off the event loop."""
        return await self._embed(OFF_LOOP, media, role)

    def cache_key(self, media: Media, role: Role = "document") -> str:
        """Return the key under which the vector of a media is kept.

        Raises:
            MediaError: If its content cannot be read.
        """
        own = self.embeddings.text_override if media.modality == "text" else ""
        key = content_cache_key(media, role, f"{self.fingerprint}{own}", self.prefix)
        return self.key_encoder(key) if self.key_encoder is not None else key

    def _cache(self, store: BaseStore[str, bytes], role: Role = "document") -> MediaCache:
        return MediaCache(store, partial(self.cache_key, role=role))

    def _batches(self, media: Sequence[Media]) -> Iterator[tuple[range, list[Media]]]:
        """Yield the media of each batch with their positions."""
        size = self.batch_size or max(len(media), 1)
        for start in range(0, len(media), size):
            positions = range(start, min(start + size, len(media)))
            yield positions, list(media[start : start + size])

    async def _embed(self, steps: Steps, media: Sequence[Media], role: Role) -> list[list[float]]:
        async def compute(missing: list[Media]) -> list[tuple[list[float]]]:
            embed, aembed = self.embeddings.embed_called, self.embeddings.aembed_called
            return [(vector,) for vector in await steps.ask(embed, aembed, missing, role=role)]

        store = self.query_store if role == "query" else self.store
        vectors: list[list[float]] = []
        for positions, batch in self._batches(media):
            with placed_among(positions, len(media)):
                if store is None:
                    entries: Sequence[Sequence[Any]] = await compute(batch)
                else:
                    entries = require_all(await self._cache(store, role).fetch(steps, batch, [VECTOR], compute))
            vectors += [list(vector) for (vector,) in entries]
        return vectors


def _hashed(name: str, namespace: str, key: str) -> str:
    return namespace + hashlib.new(name, key.encode()).hexdigest()
