"""Search by image, audio and video for stores that can be searched by a vector."""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document

from senseweave.interop import Modality, in_thread

Where = dict[str, Any] | None
"""Condition on metadata, as in `Chroma`."""
Pairs = list[tuple[Document, float]]
"""Documents with their distances, nearest first."""


class MediaSearch:
    """The `similarity_search_by_...` methods, for a store that implements `_search_by_media`.

    All of them take what to search by (`uri`: a path, URL, data URI, bytes, PIL image or blob), the number of documents
    `k`, a condition on metadata `filter`, and further arguments as in `Chroma`, for example `where_document`.
    """

    def _search_by_media(self, modality: Modality, uri: Any, k: int, where: Where, **kwargs: Any) -> Pairs:
        """Return documents with their distances, nearest first."""
        raise NotImplementedError

    def similarity_search_by_image(self, uri: Any, k: int = 4, filter: Where = None, **kwargs: Any) -> list[Document]:  # noqa: A002
        """Return the documents of any modality that are most similar to an image, most similar first."""
        return _documents(self._search_by_media("image", uri, k, filter, **kwargs))

    def similarity_search_by_audio(self, uri: Any, k: int = 4, filter: Where = None, **kwargs: Any) -> list[Document]:  # noqa: A002
        """Return the documents of any modality that are most similar to a recording, most similar first."""
        return _documents(self._search_by_media("audio", uri, k, filter, **kwargs))

    def similarity_search_by_video(self, uri: Any, k: int = 4, filter: Where = None, **kwargs: Any) -> list[Document]:  # noqa: A002
        """Return the documents of any modality that are most similar to a video, most similar first."""
        return _documents(self._search_by_media("video", uri, k, filter, **kwargs))

    def similarity_search_by_image_with_score(self, uri: Any, k: int = 4, filter: Where = None, **kwargs: Any) -> Pairs:  # noqa: A002
        """Return documents and distances, as `similarity_search_with_score` does: smaller is closer."""
        return self._search_by_media("image", uri, k, filter, **kwargs)

    def similarity_search_by_audio_with_score(self, uri: Any, k: int = 4, filter: Where = None, **kwargs: Any) -> Pairs:  # noqa: A002
        """Return documents and distances, as `similarity_search_with_score` does: smaller is closer."""
        return self._search_by_media("audio", uri, k, filter, **kwargs)

    def similarity_search_by_video_with_score(self, uri: Any, k: int = 4, filter: Where = None, **kwargs: Any) -> Pairs:  # noqa: A002
        """Return documents and distances, as `similarity_search_with_score` does: smaller is closer."""
        return self._search_by_media("video", uri, k, filter, **kwargs)

    async def asimilarity_search_by_image(self, uri: Any, k: int = 4, **kwargs: Any) -> list[Document]:
        """Run `similarity_search_by_image` off the event loop; `filter` is an argument of it by name."""
        return await in_thread(lambda: self.similarity_search_by_image(uri, k, **kwargs))

    async def asimilarity_search_by_audio(self, uri: Any, k: int = 4, **kwargs: Any) -> list[Document]:
        """Run `similarity_search_by_audio` off the event loop; `filter` is an argument of it by name."""
        return await in_thread(lambda: self.similarity_search_by_audio(uri, k, **kwargs))

    async def asimilarity_search_by_video(self, uri: Any, k: int = 4, **kwargs: Any) -> list[Document]:
        """Run `similarity_search_by_video` off the event loop; `filter` is an argument of it by name."""
        return await in_thread(lambda: self.similarity_search_by_video(uri, k, **kwargs))


def _documents(scored: Pairs) -> list[Document]:
    return [document for document, _ in scored]
