"""`MediaCacheBackedEmbeddings`: vectors of text and media kept on any byte store, by content and not by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Unpack

import numpy as np
from langchain_core.runnables import run_in_executor
from langchain_core.stores import BaseStore

from langchain_senseweave.embeddings.base import ChunkOptions, MediaEmbeddings
from senseweave.interop import Media, MediaError, MediaPolicy, Modality, Role, placed_among


class MediaCacheBackedEmbeddings(MediaEmbeddings):
    """Embeddings that look into a store before they compute.

    The key of a vector holds the fingerprint of the space, the modality, the role, the SHA-256 of the content and the
    span or page: a renamed file is found, a changed file is embedded again, and models never share vectors. Vectors
    are stored as float32.

    Setup:
        ```bash
        pip install "langchain-senseweave[starter]"
        ```

    Key init args:
        embeddings: What computes the vectors that the store lacks.
        store: Any `ByteStore`, for example `LocalFileStore` or `InMemoryByteStore`.

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
            store: Where vectors are kept.
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
        keys: list[str | None] = []
        for position, item in enumerate(media):
            try:
                keys.append(_description_key(self.cache_key(item)))
            except MediaError as error:
                if on_error == "raise":
                    raise error.at(position, len(media)) from error.__cause__
                keys.append(None)
        distinct = [key for key in dict.fromkeys(keys) if key is not None]
        stored = zip(distinct, self.store.mget(distinct), strict=True)
        known = {key: value for key, value in stored if value is not None}
        missing = {key: keys.index(key) for key in distinct if key not in known}
        if missing:
            with placed_among(list(missing.values()), len(media)):
                made = self.embeddings.describe_media([media[i] for i in missing.values()], on_error=on_error)
            fresh = {key: (words or "").encode() for key, words in zip(missing, made, strict=True)}
            self.store.mset(list(fresh.items()))
            known |= fresh
        return [(known[key].decode() or None) if key is not None else None for key in keys]

    def embed_described(self, media: Sequence[Media]) -> list[tuple[list[float], str | None]]:
        """Embed and describe documents, computing only what the store lacks, each content once."""
        keys = self._keys(media, "document")
        distinct = list(dict.fromkeys(keys))
        known = self._known(keys, self.store.mget(distinct))
        values = zip(distinct, self.store.mget([_description_key(key) for key in distinct]), strict=True)
        words = {key: value.decode() or None for key, value in values if value is not None}
        missing = {key: keys.index(key) for key in distinct if key not in known or key not in words}
        if missing:
            with placed_among(list(missing.values()), len(media)):
                made = self.embeddings.embed_described([media[i] for i in missing.values()])
            for key, (vector, description) in zip(missing, made, strict=True):
                known[key], words[key] = vector, description
            descriptions = [(_description_key(key), (words[key] or "").encode()) for key in missing]
            self.store.mset([*_pack({key: known[key] for key in missing}), *descriptions])
        return [(list(known[key]), words[key]) for key in keys]

    def chunk(self, media: Media, **options: Unpack[ChunkOptions]) -> Iterator[Media]:
        """Divide a media into chunks as the embeddings behind the cache do."""
        return self.embeddings.chunk(media, **options)

    def embed_media(self, media: Sequence[Media], *, role: Role = "document") -> list[list[float]]:
        """Embed media, computing only what the store lacks, each content once."""
        keys = self._keys(media, role)
        known = self._known(keys, self.store.mget(list(dict.fromkeys(keys))))
        missing = {key: keys.index(key) for key in dict.fromkeys(keys) if key not in known}
        if missing:
            with placed_among(list(missing.values()), len(media)):
                vectors = self.embeddings.embed_media([media[i] for i in missing.values()], role=role)
            fresh = dict(zip(missing, vectors, strict=True))
            self.store.mset(_pack(fresh))
            known |= fresh
        return [list(known[key]) for key in keys]

    async def aembed_media(self, media: Sequence[Media], *, role: Role = "document") -> list[list[float]]:
        """Run `embed_media` off the event loop."""
        keys = await run_in_executor(None, self._keys, media, role)
        known = self._known(keys, await self.store.amget(list(dict.fromkeys(keys))))
        missing = {key: keys.index(key) for key in dict.fromkeys(keys) if key not in known}
        if missing:
            with placed_among(list(missing.values()), len(media)):
                vectors = await self.embeddings.aembed_media([media[i] for i in missing.values()], role=role)
            fresh = dict(zip(missing, vectors, strict=True))
            await self.store.amset(_pack(fresh))
            known |= fresh
        return [list(known[key]) for key in keys]

    def cache_key(self, media: Media, role: Role = "document") -> str:
        """Return the key under which the vector of a media is kept.

        Raises:
            MediaError: If its content cannot be read.
        """
        span = "" if media.span is None else f"{media.span[0]:.6f}-{media.span[1]:.6f}"
        page = "" if media.page is None else str(media.page)
        parts = (self.prefix, self.fingerprint, media.modality, role, media.sha256, span, page)
        return "_".join(part for part in parts if part)

    def _keys(self, media: Sequence[Media], role: Role) -> list[str]:
        keys = []
        for position, item in enumerate(media):
            with placed_among([position], len(media)):
                keys.append(self.cache_key(item, role))
        return keys

    def _known(self, keys: Sequence[str], values: Sequence[bytes | None]) -> dict[str, list[float]]:
        """Return the stored vectors by their keys; `values` are those of the distinct keys."""
        stored = zip(dict.fromkeys(keys), values, strict=True)
        return {key: np.frombuffer(value, dtype="<f4").tolist() for key, value in stored if value is not None}


def _description_key(key: str) -> str:
    """Return the key of the description of the media whose vector has a key."""
    return f"{key}_said"


def _pack(vectors: dict[str, list[float]]) -> list[tuple[str, bytes]]:
    """Return vectors as pairs of a key and float32 bytes."""
    return [(key, np.asarray(vector, dtype="<f4").tobytes()) for key, vector in vectors.items()]
