"""`MediaCacheBackedEmbeddings`: vectors of text and media kept on any byte store, by content and not by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Unpack

import numpy as np
from langchain_core.stores import BaseStore

from langchain_senseweave.embeddings.base import ChunkOptions, MediaEmbeddings
from senseweave.interop import (
    DIRECT,
    OFF_LOOP,
    Media,
    MediaError,
    MediaPolicy,
    Modality,
    Role,
    Steps,
    fetch_or_compute,
    read_each,
    require_all,
    run_direct,
)

Entry = tuple[Any, ...]
"""What is kept of a media: a value of each kind that was asked for."""


class Kind(NamedTuple):
    """A kind of value: where it stands beside the others, and its form in the store."""

    suffix: str
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]


_VECTOR = Kind(
    "", lambda vector: np.asarray(vector, "<f4").tobytes(), lambda value: np.frombuffer(value, "<f4").tolist()
)
_WORDS = Kind("_said", lambda words: (words or "").encode(), lambda value: value.decode() or None)


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

        async def compute(missing: list[Media]) -> list[Entry]:
            return [(words,) for words in self.embeddings.describe_media(missing, on_error=on_error)]

        entries = run_direct(self._fetch(DIRECT, media, compute, [_WORDS], on_error=on_error))
        return [None if isinstance(entry, MediaError) else entry[0] for entry in entries]

    def embed_described(self, media: Sequence[Media]) -> list[tuple[list[float], str | None]]:
        """Embed and describe documents, computing only what the store lacks, each content once."""

        async def compute(missing: list[Media]) -> Sequence[Entry]:
            return self.embeddings.embed_described(missing)

        entries = require_all(run_direct(self._fetch(DIRECT, media, compute, [_VECTOR, _WORDS])))
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
        span = "" if media.span is None else f"{media.span[0]:.6f}-{media.span[1]:.6f}"
        page = "" if media.page is None else str(media.page)
        parts = (self.prefix, self.fingerprint, media.modality, role, media.sha256, span, page)
        return "_".join(part for part in parts if part)

    async def _embed(self, steps: Steps, media: Sequence[Media], role: Role) -> list[list[float]]:
        async def compute(missing: list[Media]) -> list[Entry]:
            embed, aembed = self.embeddings.embed_media, self.embeddings.aembed_media
            return [(vector,) for vector in await steps.ask(embed, aembed, missing, role=role)]

        return [list(vector) for (vector,) in require_all(await self._fetch(steps, media, compute, [_VECTOR], role))]

    async def _fetch(
        self,
        steps: Steps,
        media: Sequence[Media],
        compute: Callable[[list[Media]], Awaitable[Sequence[Entry]]],
        kinds: Sequence[Kind],
        role: Role = "document",
        on_error: Literal["raise", "skip"] = "raise",
    ) -> list[Entry | MediaError]:
        """Return values of some kinds for every media from the store, and compute and keep those that it lacks."""

        async def fetch(keys: list[str]) -> dict[str, Entry]:
            columns = [
                await steps.ask(self.store.mget, self.store.amget, [key + kind.suffix for key in keys])
                for kind in kinds
            ]
            rows = zip(keys, zip(*columns, strict=True), strict=True)
            return {
                key: tuple(kind.unpack(value) for kind, value in zip(kinds, row, strict=True))
                for key, row in rows
                if None not in row
            }

        async def keep(new: dict[str, Entry]) -> None:
            pairs = [
                (key + kind.suffix, kind.pack(value))
                for key, row in new.items()
                for kind, value in zip(kinds, row, strict=True)
            ]
            await steps.ask(self.store.mset, self.store.amset, pairs)

        keys = await steps.work(lambda: read_each(lambda item: self.cache_key(item, role), media, on_error=on_error))
        return await fetch_or_compute(media, keys, fetch, compute, keep)
