"""The interface of embeddings of text, images, audio and video: the method names that LangChain's stores look for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Unpack

from langchain_core.documents.base import Blob
from langchain_core.embeddings import Embeddings

from langchain_senseweave.items import media_from
from senseweave.interop import (
    DIRECT,
    OFF_LOOP,
    ChunkOptions,
    Media,
    MediaPolicy,
    Modality,
    Role,
    Steps,
    Text,
    chunk_media,
    in_thread,
    list_items,
    placed_among,
    run_direct,
)

Items = Sequence[Any] | None
"""Media in any of the forms that `senseweave` reads, or blobs."""
Vectors = list[list[float]]
"""One vector per item."""


class MediaEmbeddings(Embeddings):
    """Embeddings whose images, audio and video lie in the same space as its text.

    A subclass implements `embed_media`, `aembed_media`, `fingerprint` and `modalities`; the rest follows. Items of
    `embed_image`, `embed_audio` and `embed_video` may be a path as `str` or `Path`, a `file://` URL, a data URI,
    `bytes`, a PIL image, a LangChain `Blob` or `senseweave` media. Every method takes a list and returns a list.
    Overriding `embed_query` or `embed_documents`, to add a prefix for example, changes every text that is embedded.
    """

    @abstractmethod
    def embed_media(self, media: Sequence[Media], *, role: Role = "document") -> Vectors:
        """Embed media of any modality, in order.

        Args:
            media: Any mixture of `sw.Text`, `sw.Image`, `sw.Audio` and `sw.Video`.
            role: `query` or `document`; models with prompts use it for text.

        Returns:
            One vector per item.
        """

    @abstractmethod
    async def aembed_media(self, media: Sequence[Media], *, role: Role = "document") -> Vectors:
        """Run `embed_media` off the event loop."""

    def describe_media(
        self, media: Sequence[Media], *, on_error: Literal["raise", "skip"] = "raise"
    ) -> list[str | None]:
        """Describe media in words where the model can: by a transcript, a caption or a line of labels.

        Args:
            media: Any mixture of modalities.
            on_error: `raise`, or `skip` to leave what cannot be read without a description.

        Returns:
            One description per item, None where the model makes none.
        """
        del on_error
        return [None] * len(media)

    def embed_described(self, media: Sequence[Media]) -> list[tuple[list[float], str | None]]:
        """Embed documents and describe them, in a single pass where the model makes both at once.

        Args:
            media: Any mixture of modalities.

        Returns:
            Vector and description of each item, as `embed_called` and `describe_media` give them.
        """
        return list(zip(self.embed_called(media), self.describe_media(media), strict=True))

    def chunk(self, media: Media, **options: Unpack[ChunkOptions]) -> Iterator[Media]:
        """Divide a media into chunks that the model takes at a time.

        Args:
            media: What to divide.
            **options: Lengths and overlaps, see `ChunkOptions`.

        Returns:
            Windows with spans, pages, passages, or the media itself.
        """
        return chunk_media(media, **options)

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Fingerprint of the space: equal for embeddings whose vectors can be compared, and for no others."""

    @property
    @abstractmethod
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities that the model embeds."""

    @property
    def media_policy(self) -> MediaPolicy | None:
        """What may be read when media are given as paths or URLs; None for the default of `senseweave`."""
        return None

    def embed_documents(self, texts: list[str]) -> Vectors:
        """Embed texts as documents. A text is never opened as a file or a URL, whatever it looks like.

        Args:
            texts: A list of texts.

        Returns:
            One vector per text.

        Raises:
            TypeError: If `texts` is a single string, or an item is not a string.
        """
        return self.embed_media(_texts(texts), role="document")

    def embed_query(self, text: str) -> list[float]:
        """Embed one text as a query.

        Args:
            text: The query.

        Returns:
            Its vector.
        """
        return self.embed_media(_texts([text]), role="query")[0]

    async def aembed_documents(self, texts: list[str]) -> Vectors:
        """Run `embed_documents` off the event loop."""
        if self._overrides("embed_documents") and not self._overrides("aembed_documents"):
            return await in_thread(self.embed_documents, texts)
        return await self.aembed_media(_texts(texts), role="document")

    async def aembed_query(self, text: str) -> list[float]:
        """Run `embed_query` off the event loop; calls that wait together are computed as one batch."""
        if self._overrides("embed_query") and not self._overrides("aembed_query"):
            return await in_thread(self.embed_query, text)
        return (await self.aembed_media(_texts([text]), role="query"))[0]

    def embed_called(self, media: Sequence[Media], *, role: Role = "document") -> Vectors:
        """Embed media as stores, retrievers and caches do: texts by `embed_query` or `embed_documents`.

        A subclass that overrides one of the two is heeded wherever its texts are embedded.
        """
        return run_direct(self._embed_called(DIRECT, media, role))

    async def aembed_called(self, media: Sequence[Media], *, role: Role = "document") -> Vectors:
        """Run `embed_called` off the event loop."""
        return await self._embed_called(OFF_LOOP, media, role)

    @property
    def text_override(self) -> str:
        """Name of the class that embeds texts in its own way; empty where none does."""
        names = ("embed_query", "embed_documents", "aembed_query", "aembed_documents")
        return f"{type(self).__module__}.{type(self).__qualname__}" if self._overrides(*names) else ""

    async def _embed_called(self, steps: Steps, media: Sequence[Media], role: Role) -> Vectors:
        own = [i for i, item in enumerate(media) if item.modality == "text"] if self.text_override else []
        others = [i for i in range(len(media)) if i not in set(own)]
        texts = [media[i].decode() for i in own]
        if role == "document" and texts:
            vectors = await steps.ask(self.embed_documents, self.aembed_documents, texts)
        else:
            vectors = [await steps.ask(self.embed_query, self.aembed_query, text) for text in texts]
        embedded = dict(zip(own, vectors, strict=True))
        if others:
            with placed_among(others, len(media)):
                rest = await steps.ask(self.embed_media, self.aembed_media, [media[i] for i in others], role=role)
            embedded.update(zip(others, rest, strict=True))
        return [embedded[i] for i in range(len(media))]

    def _overrides(self, *names: str) -> bool:
        return any(getattr(type(self), name) is not getattr(MediaEmbeddings, name) for name in names)

    def embed_image(self, uris: Items = None, *, paths: Items = None, role: Role = "document") -> Vectors:
        """Embed images.

        Args:
            uris: Paths, `file://` URLs, data URIs, bytes, PIL images, blobs or `sw.Image`.
            paths: The same under the name that some stores use; give either `uris` or `paths`.
            role: `query` or `document`.

        Returns:
            One vector per image.

        Raises:
            TypeError: If a single item is given instead of a list.
            UnsupportedModalityError: If the model does not embed images.
            MediaError: If an image cannot be read; the message names the image and its position.
        """
        return self.embed_media(self._media_list("image", uris, paths), role=role)

    def embed_images(self, uris: Items = None, *, paths: Items = None, role: Role = "document") -> Vectors:
        """Embed images, as `embed_image` does; some stores look for this name."""
        return self.embed_image(uris, paths=paths, role=role)

    def embed_audio(self, uris: Items = None, *, paths: Items = None, role: Role = "document") -> Vectors:
        """Embed recordings, one vector each; arguments and errors are those of `embed_image`."""
        return self.embed_media(self._media_list("audio", uris, paths), role=role)

    def embed_video(self, uris: Items = None, *, paths: Items = None, role: Role = "document") -> Vectors:
        """Embed videos, one vector each; arguments and errors are those of `embed_image`."""
        return self.embed_media(self._media_list("video", uris, paths), role=role)

    async def aembed_image(self, uris: Items = None, *, paths: Items = None, role: Role = "document") -> Vectors:
        """Run `embed_image` off the event loop."""
        return await self.aembed_media(await in_thread(self._media_list, "image", uris, paths), role=role)

    async def aembed_images(self, uris: Items = None, *, paths: Items = None, role: Role = "document") -> Vectors:
        """Run `embed_images` off the event loop."""
        return await self.aembed_image(uris, paths=paths, role=role)

    async def aembed_audio(self, uris: Items = None, *, paths: Items = None, role: Role = "document") -> Vectors:
        """Run `embed_audio` off the event loop."""
        return await self.aembed_media(await in_thread(self._media_list, "audio", uris, paths), role=role)

    async def aembed_video(self, uris: Items = None, *, paths: Items = None, role: Role = "document") -> Vectors:
        """Run `embed_video` off the event loop."""
        return await self.aembed_media(await in_thread(self._media_list, "video", uris, paths), role=role)

    def _media_list(self, modality: Modality, uris: Items, paths: Items) -> list[Media]:
        """Return the media that a method was given, under either of its arguments' names."""
        method = f"embed_{modality}"
        if (uris is None) == (paths is None):
            msg = f"{method} takes uris=[...] or paths=[...], one of the two"
            raise TypeError(msg)
        items = list_items(uris if uris is not None else paths, method, single=(Blob,))
        return [media_from(modality, item, policy=self.media_policy) for item in items]


def _texts(texts: Sequence[str]) -> list[Media]:
    """Return texts as media, having checked that they are a list of strings."""
    items = list_items(texts, "embed_documents", what="texts")
    for position, text in enumerate(items):
        if not isinstance(text, str):
            msg = f"a text must be a str, not {type(text).__name__} (item {position + 1})"
            raise TypeError(msg)
    return [Text(text) for text in items]
