"""The interface of embeddings of text, images, audio and video: the method names that LangChain's stores look for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.documents.base import Blob
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import run_in_executor

from langchain_senseweave.documents import media_of
from senseweave.media import Media, MediaPolicy, Modality, Text
from senseweave.retrieval.records.chunking import pieces_of

if TYPE_CHECKING:
    from senseweave.encoders.base import Role


class MediaEmbeddings(Embeddings):
    """Embeddings whose images, audio and video lie in the same space as its text.

    A subclass gives `embed_media`, `aembed_media`, `fingerprint` and `modalities`; everything else follows. Items of
    `embed_image`, `embed_audio` and `embed_video` may be a path as `str` or `Path`, a `file://` URL, a data URI,
    `bytes`, a PIL image, a LangChain `Blob` or `senseweave` media. Every method takes a list and returns a list.
    """

    @abstractmethod
    def embed_media(self, media: Sequence[Media], *, role: Role = "document") -> list[list[float]]:
        """Embed media of any modality, in order.

        Args:
            media: Any mixture of `sw.Text`, `sw.Image`, `sw.Audio` and `sw.Video`.
            role: `query` or `document`; models with prompts heed it for text.

        Returns:
            One vector per item.
        """

    @abstractmethod
    async def aembed_media(self, media: Sequence[Media], *, role: Role = "document") -> list[list[float]]:
        """Like `embed_media`, off the event loop."""

    def describe_media(
        self, media: Sequence[Media], *, on_error: Literal["raise", "skip"] = "raise"
    ) -> list[str | None]:
        """Say in words what each item holds, where the model finds words for it: a transcript or a line of labels.

        Args:
            media: Any mixture of modalities.
            on_error: `raise`, or `skip` to say nothing of what cannot be read.

        Returns:
            One description per item, None where the model makes none.
        """
        del on_error
        return [None] * len(media)

    def embed_described(self, media: Sequence[Media]) -> list[tuple[list[float], str | None]]:
        """Embed documents and say in words what each holds: in one pass, where the model makes both at once.

        Args:
            media: Any mixture of modalities.

        Returns:
            Vector and description of each item, as `embed_media` and `describe_media` give them.
        """
        return list(zip(self.embed_media(media), self.describe_media(media), strict=True))

    def pieces_of(
        self,
        media: Media,
        *,
        seconds: float | None = None,
        overlap: float = 0.0,
        characters: int | None = None,
        character_overlap: int = 0,
    ) -> Iterator[Media]:
        """Cut a media into what the model takes at a time.

        Args:
            media: What to cut.
            seconds: Length of the windows of audio and video; None for what suits the model.
            overlap: Seconds that neighbouring windows share.
            characters: Most characters of a passage of text; None for what suits the model.
            character_overlap: Characters that neighbouring passages share, at most.

        Returns:
            Windows with spans, pages, passages, or the media itself.
        """
        return pieces_of(
            media,
            seconds=seconds,
            overlap=overlap,
            characters=characters,
            character_overlap=character_overlap,
        )

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Equal for embeddings whose vectors can be compared, and for no others."""

    @property
    @abstractmethod
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that can be embedded."""

    @property
    def media_policy(self) -> MediaPolicy | None:
        """What may be read when media are given as paths or URLs; None for the policy of `senseweave`."""
        return None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts as documents. A text is never opened as a file or a URL, whatever it looks like.

        Args:
            texts: The texts.

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

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Like `embed_documents`, off the event loop."""
        return await self.aembed_media(_texts(texts), role="document")

    async def aembed_query(self, text: str) -> list[float]:
        """Like `embed_query`, off the event loop; calls that wait together are computed as one batch."""
        return (await self.aembed_media(_texts([text]), role="query"))[0]

    def embed_image(
        self, uris: Sequence[Any] | None = None, *, paths: Sequence[Any] | None = None, role: Role = "document"
    ) -> list[list[float]]:
        """Embed images.

        Args:
            uris: The images: paths, `file://` URLs, data URIs, bytes, PIL images, blobs or `sw.Image`.
            paths: The same under the name that some stores use; give one of the two.
            role: `query` or `document`.

        Returns:
            One vector per image.

        Raises:
            TypeError: If a single item is given instead of a list.
            UnsupportedModalityError: If the model has no images.
            MediaError: If an image cannot be read; it names the image and its position.
        """
        return self.embed_media(self._listed("image", uris, paths), role=role)

    def embed_images(
        self, uris: Sequence[Any] | None = None, *, paths: Sequence[Any] | None = None, role: Role = "document"
    ) -> list[list[float]]:
        """Another name of `embed_image`, which some stores look for."""
        return self.embed_image(uris, paths=paths, role=role)

    def embed_audio(
        self, uris: Sequence[Any] | None = None, *, paths: Sequence[Any] | None = None, role: Role = "document"
    ) -> list[list[float]]:
        """Embed recordings, one vector each; arguments and errors are those of `embed_image`."""
        return self.embed_media(self._listed("audio", uris, paths), role=role)

    def embed_video(
        self, uris: Sequence[Any] | None = None, *, paths: Sequence[Any] | None = None, role: Role = "document"
    ) -> list[list[float]]:
        """Embed videos, one vector each; arguments and errors are those of `embed_image`."""
        return self.embed_media(self._listed("video", uris, paths), role=role)

    async def aembed_image(
        self, uris: Sequence[Any] | None = None, *, paths: Sequence[Any] | None = None, role: Role = "document"
    ) -> list[list[float]]:
        """Like `embed_image`, off the event loop."""
        return await self.aembed_media(await run_in_executor(None, self._listed, "image", uris, paths), role=role)

    async def aembed_images(
        self, uris: Sequence[Any] | None = None, *, paths: Sequence[Any] | None = None, role: Role = "document"
    ) -> list[list[float]]:
        """Like `embed_images`, off the event loop."""
        return await self.aembed_image(uris, paths=paths, role=role)

    async def aembed_audio(
        self, uris: Sequence[Any] | None = None, *, paths: Sequence[Any] | None = None, role: Role = "document"
    ) -> list[list[float]]:
        """Like `embed_audio`, off the event loop."""
        return await self.aembed_media(await run_in_executor(None, self._listed, "audio", uris, paths), role=role)

    async def aembed_video(
        self, uris: Sequence[Any] | None = None, *, paths: Sequence[Any] | None = None, role: Role = "document"
    ) -> list[list[float]]:
        """Like `embed_video`, off the event loop."""
        return await self.aembed_media(await run_in_executor(None, self._listed, "video", uris, paths), role=role)

    def _listed(self, modality: Modality, uris: Sequence[Any] | None, paths: Sequence[Any] | None) -> list[Media]:
        method = f"embed_{modality}"
        if (uris is None) == (paths is None):
            msg = f"{method} takes uris=[...] or paths=[...], one of the two"
            raise TypeError(msg)
        items = uris if uris is not None else paths
        if not isinstance(items, Sequence) or isinstance(items, (str, bytes, bytearray, PathLike, Media, Blob)):
            msg = f"{method} takes a list of items; put the single {type(items).__name__} into a list"
            raise TypeError(msg)
        return [media_of(modality, item, policy=self.media_policy) for item in items]


def _texts(texts: Sequence[str]) -> list[Media]:
    if isinstance(texts, str):
        msg = "embed_documents takes a list of texts; put the single string into a list"
        raise TypeError(msg)
    listed: list[Media] = []
    for text in texts:
        if not isinstance(text, str):
            msg = f"a text must be a str, not {type(text).__name__} (item {len(listed) + 1})"
            raise TypeError(msg)
        listed.append(Text(text))
    return listed
