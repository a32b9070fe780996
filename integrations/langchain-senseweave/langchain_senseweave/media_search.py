"""Search by image, audio and video for stores that can be searched by a vector."""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import run_in_executor

from senseweave.media import Modality


class MediaSearch:
    """The `similarity_search_by_...` methods, for a store that gives `_by_media`."""

    def _by_media(
        self, modality: Modality, uri: Any, k: int, where: dict[str, Any] | None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Return documents with their distances, nearest first."""
        raise NotImplementedError

    def similarity_search_by_image(
        self,
        uri: Any,
        k: int = 4,
        filter: dict[str, Any] | None = None,  # noqa: A002
        **kwargs: Any,
    ) -> list[Document]:
        """Return the documents of any modality that are most similar to an image.

        Args:
            uri: Path, URL, data URI, bytes, PIL image or blob.
            k: Number of documents.
            filter: Condition on metadata, as in `Chroma`.
            **kwargs: As in `Chroma`, for example `where_document`.

        Returns:
            Documents, most similar first.
        """
        return [document for document, _ in self._by_media("image", uri, k, filter, **kwargs)]

    def similarity_search_by_audio(
        self,
        uri: Any,
        k: int = 4,
        filter: dict[str, Any] | None = None,  # noqa: A002
        **kwargs: Any,
    ) -> list[Document]:
        """Return the documents most similar to a recording; see `similarity_search_by_image`."""
        return [document for document, _ in self._by_media("audio", uri, k, filter, **kwargs)]

    def similarity_search_by_video(
        self,
        uri: Any,
        k: int = 4,
        filter: dict[str, Any] | None = None,  # noqa: A002
        **kwargs: Any,
    ) -> list[Document]:
        """Return the documents most similar to a video; see `similarity_search_by_image`."""
        return [document for document, _ in self._by_media("video", uri, k, filter, **kwargs)]

    def similarity_search_by_image_with_score(
        self,
        uri: Any,
        k: int = 4,
        filter: dict[str, Any] | None = None,  # noqa: A002
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Like `similarity_search_by_image`, with distances as in `similarity_search_with_score`: smaller is closer."""
        return self._by_media("image", uri, k, filter, **kwargs)

    def similarity_search_by_audio_with_score(
        self,
        uri: Any,
        k: int = 4,
        filter: dict[str, Any] | None = None,  # noqa: A002
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Like `similarity_search_by_audio`, with distances: smaller is closer."""
        return self._by_media("audio", uri, k, filter, **kwargs)

    def similarity_search_by_video_with_score(
        self,
        uri: Any,
        k: int = 4,
        filter: dict[str, Any] | None = None,  # noqa: A002
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Like `similarity_search_by_video`, with distances: smaller is closer."""
        return self._by_media("video", uri, k, filter, **kwargs)

    async def asimilarity_search_by_image(
        self,
        uri: Any,
        k: int = 4,
        filter: dict[str, Any] | None = None,  # noqa: A002
        **kwargs: Any,
    ) -> list[Document]:
        """Like `similarity_search_by_image`, off the event loop."""
        return await run_in_executor(None, lambda: self.similarity_search_by_image(uri, k, filter, **kwargs))

    async def asimilarity_search_by_audio(
        self,
        uri: Any,
        k: int = 4,
        filter: dict[str, Any] | None = None,  # noqa: A002
        **kwargs: Any,
    ) -> list[Document]:
        """Like `similarity_search_by_audio`, off the event loop."""
        return await run_in_executor(None, lambda: self.similarity_search_by_audio(uri, k, filter, **kwargs))

    async def asimilarity_search_by_video(
        self,
        uri: Any,
        k: int = 4,
        filter: dict[str, Any] | None = None,  # noqa: A002
        **kwargs: Any,
    ) -> list[Document]:
        """Like `similarity_search_by_video`, off the event loop."""
        return await run_in_executor(None, lambda: self.similarity_search_by_video(uri, k, filter, **kwargs))
