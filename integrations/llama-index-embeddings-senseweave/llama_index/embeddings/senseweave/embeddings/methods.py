"""The methods that embed: query, text, image, audio and video, each single and in batches, sync and async."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from llama_index.core.base.embeddings.base import mean_agg
from llama_index.embeddings.senseweave.embeddings.batches import (
    Batches,
    SpaceModel,
    dispatcher,
    embed_mixed,
    require_vectors,
)
from llama_index.embeddings.senseweave.embeddings.overrides import Embedding, embed_own
from llama_index.embeddings.senseweave.items.nodes import as_media
from llama_index.embeddings.senseweave.items.whole import MediaText

from senseweave.interop import DIRECT, OFF_LOOP, Media, Modality, Role, Steps, read_each, require_all, run_direct


class EmbeddingMethods(SpaceModel):
    """The embedding methods of `SenseweaveEmbedding`, which differ only in modality, role and number of inputs.

    Media may be a path, `Path`, URL, data URI, bytes, `BytesIO` or other binary file, decoded object, `senseweave`
    media, `MediaResource` or content block. A string given as text is text, whatever it looks like. A subclass that
    overrides a method for queries or texts, also one with an underscore, is heeded wherever such are embedded.
    """

    @dispatcher.span
    def get_query_embedding(self, query: str) -> Embedding:
        """Embed a question, with the model's prompt for queries."""
        return run_direct(self._embed_queries(DIRECT, [query], "get_query_embedding"))[0]

    @dispatcher.span
    async def aget_query_embedding(self, query: str) -> Embedding:
        """Embed like `get_query_embedding`, off the event loop."""
        return (await self._embed_queries(OFF_LOOP, [query], "aget_query_embedding"))[0]

    @dispatcher.span
    def get_query_embedding_batch(self, queries: Sequence[str], show_progress: bool = False) -> list[Embedding]:
        """Embed questions in batches."""
        return run_direct(self._embed_queries(DIRECT, queries, "get_query_embedding_batch", show_progress))

    @dispatcher.span
    async def aget_query_embedding_batch(self, queries: Sequence[str], show_progress: bool = False) -> list[Embedding]:
        """Embed like `get_query_embedding_batch`, off the event loop."""
        return await self._embed_queries(OFF_LOOP, queries, "aget_query_embedding_batch", show_progress)

    def get_agg_embedding_from_queries(
        self, queries: list[str], agg_fn: Callable[..., Embedding] | None = None
    ) -> Embedding:
        """Embed questions in batches and reduce them to one vector, their mean unless `agg_fn` says otherwise."""
        return (agg_fn or mean_agg)(self.get_query_embedding_batch(queries))

    async def aget_agg_embedding_from_queries(
        self, queries: list[str], agg_fn: Callable[..., Embedding] | None = None
    ) -> Embedding:
        """Embed like `get_agg_embedding_from_queries`, off the event loop."""
        return (agg_fn or mean_agg)(await self.aget_query_embedding_batch(queries))

    @dispatcher.span
    def get_text_embedding(self, text: str) -> Embedding:
        """Embed a passage, with the model's prompt for documents."""
        return run_direct(self._embed_texts(DIRECT, [text], "get_text_embedding"))[0]

    @dispatcher.span
    async def aget_text_embedding(self, text: str) -> Embedding:
        """Embed like `get_text_embedding`, off the event loop."""
        return (await self._embed_texts(OFF_LOOP, [text], "aget_text_embedding"))[0]

    @dispatcher.span
    def get_text_embedding_batch(self, texts: list[str], show_progress: bool = False, **kwargs: Any) -> list[Embedding]:
        """Embed passages in batches.

        An index passes the text of a media node, which is embedded by its media (see `WholeNode`). Further arguments
        of LlamaIndex are ignored.
        """
        return run_direct(self._embed_texts(DIRECT, texts, "get_text_embedding_batch", show_progress))

    @dispatcher.span
    async def aget_text_embedding_batch(
        self, texts: list[str], show_progress: bool = False, **kwargs: Any
    ) -> list[Embedding]:
        """Embed like `get_text_embedding_batch`, off the event loop."""
        return await self._embed_texts(OFF_LOOP, texts, "aget_text_embedding_batch", show_progress)

    @dispatcher.span
    def get_image_embedding(self, img_file_path: Any, role: Role = "document") -> Embedding:
        """Embed an image."""
        return self._batches("image", role).run([img_file_path])[0]

    @dispatcher.span
    async def aget_image_embedding(self, img_file_path: Any, role: Role = "document") -> Embedding:
        """Embed like `get_image_embedding`, off the event loop."""
        return (await self._batches("image", role).arun([img_file_path]))[0]

    @dispatcher.span
    def get_image_embedding_batch(
        self, img_file_paths: Sequence[Any], show_progress: bool = False, role: Role = "document"
    ) -> list[Embedding]:
        """Embed images in batches.

        Args:
            img_file_paths: A list of images.
            show_progress: Whether to show a progress bar.
            role: `query` or `document`.

        Raises:
            TypeError: If a single image is given in place of a list.
            MediaError: For the first image that cannot be read, with its position.
        """
        return self._batches("image", role).run(img_file_paths, show_progress=show_progress)

    @dispatcher.span
    async def aget_image_embedding_batch(
        self, img_file_paths: Sequence[Any], show_progress: bool = False, role: Role = "document"
    ) -> list[Embedding]:
        """Embed like `get_image_embedding_batch`, off the event loop."""
        return await self._batches("image", role).arun(img_file_paths, show_progress=show_progress)

    @dispatcher.span
    def get_audio_embedding(self, audio: Any, role: Role = "document") -> Embedding:
        """Embed a recording: of a long one, the normalized mean of its windows."""
        return self._batches("audio", role).run([audio])[0]

    @dispatcher.span
    async def aget_audio_embedding(self, audio: Any, role: Role = "document") -> Embedding:
        """Embed like `get_audio_embedding`, off the event loop."""
        return (await self._batches("audio", role).arun([audio]))[0]

    @dispatcher.span
    def get_audio_embedding_batch(
        self, audio: Sequence[Any], show_progress: bool = False, role: Role = "document"
    ) -> list[Embedding]:
        """Embed recordings in batches."""
        return self._batches("audio", role).run(audio, show_progress=show_progress)

    @dispatcher.span
    async def aget_audio_embedding_batch(
        self, audio: Sequence[Any], show_progress: bool = False, role: Role = "document"
    ) -> list[Embedding]:
        """Embed like `get_audio_embedding_batch`, off the event loop."""
        return await self._batches("audio", role).arun(audio, show_progress=show_progress)

    @dispatcher.span
    def get_video_embedding(self, video: Any, role: Role = "document") -> Embedding:
        """Embed a video: of a long one, the normalized mean of its segments."""
        return self._batches("video", role).run([video])[0]

    @dispatcher.span
    async def aget_video_embedding(self, video: Any, role: Role = "document") -> Embedding:
        """Embed like `get_video_embedding`, off the event loop."""
        return (await self._batches("video", role).arun([video]))[0]

    @dispatcher.span
    def get_video_embedding_batch(
        self, videos: Sequence[Any], show_progress: bool = False, role: Role = "document"
    ) -> list[Embedding]:
        """Embed videos in batches."""
        return self._batches("video", role).run(videos, show_progress=show_progress)

    @dispatcher.span
    async def aget_video_embedding_batch(
        self, videos: Sequence[Any], show_progress: bool = False, role: Role = "document"
    ) -> list[Embedding]:
        """Embed like `get_video_embedding_batch`, off the event loop."""
        return await self._batches("video", role).arun(videos, show_progress=show_progress)

    # The interface that LlamaIndex asks every model to fill: bare computation, without events, cache and rate limit.

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._batches("text", "query").compute([query])[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return (await self._batches("text", "query").acompute([query]))[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._batches("text").compute([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._batches("text").acompute([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._batches("text").compute(texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return await self._batches("text").acompute(texts)

    def _get_image_embedding(self, img_file_path: Any) -> Embedding:
        return self._batches("image").compute([img_file_path])[0]

    async def _aget_image_embedding(self, img_file_path: Any) -> Embedding:
        return (await self._batches("image").acompute([img_file_path]))[0]

    def _get_image_embeddings(self, img_file_paths: Sequence[Any]) -> list[Embedding]:
        return self._batches("image").compute(img_file_paths)

    async def _aget_image_embeddings(self, img_file_paths: Sequence[Any]) -> list[Embedding]:
        return await self._batches("image").acompute(img_file_paths)

    async def _embed_queries(
        self, steps: Steps, queries: Sequence[str], within: str, show_progress: bool = False
    ) -> list[Embedding]:
        if isinstance(queries, list):
            own = await embed_own(steps, self, queries, "query", within=within)
            if own is not None:
                return own
        return require_vectors(await self._batches("text", "query").embed(steps, queries, show_progress=show_progress))

    async def _embed_texts(
        self, steps: Steps, texts: Sequence[str], within: str, show_progress: bool = False
    ) -> list[Embedding]:
        def read() -> list[Media]:
            return require_all(read_each(lambda text: as_media("text", text, self.media_policy), texts))

        if isinstance(texts, Collection) and any(isinstance(text, MediaText) for text in texts):
            media = await steps.work(read)
            return require_vectors(await embed_mixed(steps, self, media, show_progress=show_progress))
        if isinstance(texts, list):
            own = await embed_own(steps, self, texts, "document", within=within)
            if own is not None:
                return own
        return require_vectors(await self._batches("text").embed(steps, texts, show_progress=show_progress))

    def _batches(self, modality: Modality, role: Role = "document") -> Batches:
        return Batches(self, modality, role)
