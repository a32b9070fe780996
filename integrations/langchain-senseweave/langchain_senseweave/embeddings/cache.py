"""`MediaCacheBackedEmbeddings`: vectors of text and media kept on any byte store, by content and not by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal, Unpack

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
    content_cache_key,
    require_all,
    run_direct,
)


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
        self, embeddings: MediaEmbeddings, store: BaseStore[str, bytes], *, prefix: str = "senseweave"
    ) -> None:
        """Put a store in front of embeddings.

        Args:
            embeddings: What computes the vectors that the store lacks.
            store: Where vectors are kept: any `ByteStore`, for example `LocalFileStore` or `InMemoryByteStore`.
            prefix: Beginning of every key.
        """
        self.embeddings = embeddings
        self.store = store
        self.prefix = prefix

    @classmethod
    def from_bytes_store(
        cls,
        underlying_embeddings: MediaEmbeddings,
        document_embedding_cache: BaseStore[str, bytes],
        *,
        namespace: str = "",
    ) -> MediaCacheBackedEmbeddings:
        """Create the embeddings as `CacheBackedEmbeddings.from_bytes_store` does.

        Args:
            underlying_embeddings: What computes the vectors that the store lacks.
            document_embedding_cache: Where vectors are kept.
            namespace: Beginning of every key; it need not distinguish models.

        Returns:
            The embeddings.
        """
        return cls(underlying_embeddings, document_embedding_cache, prefix=namespace or "senseweave")

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

        entries = run_direct(self._cache().fetch(DIRECT, media, [DESCRIPTION], compute, on_error=on_error))
        return [None if isinstance(entry, MediaError) else entry[0] for entry in entries]

    def embed_described(self, media: Sequence[Media]) -> list[tuple[list[float], str | None]]:
        """Embed and describe documents, computing only what the store lacks, each content once."""

        async def compute(missing: list[Media]) -> list[tuple[list[float], str | None]]:
            return self.embeddings.embed_described(missing)

        entries = require_all(run_direct(self._cache().fetch(DIRECT, media, [VECTOR, DESCRIPTION], compute)))
        return [(list(vector), words) for vector, words in entries]

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
        return content_cache_key(media, role, f"{self.fingerprint}{own}", self.prefix)

    def _cache(self, role: Role = "document") -> MediaCache:
        return MediaCache(self.store, partial(self.cache_key, role=role))

    async def _embed(self, steps: Steps, media: Sequence[Media], role: Role) -> list[list[float]]:
        async def compute(missing: list[Media]) -> list[tuple[list[float]]]:
            embed, aembed = self.embeddings.embed_called, self.embeddings.aembed_called
            return [(vector,) for vector in await steps.ask(embed, aembed, missing, role=role)]

        entries = require_all(await self._cache(role).fetch(steps, media, [VECTOR], compute))
        return [list(vector) for (vector,) in entries]
