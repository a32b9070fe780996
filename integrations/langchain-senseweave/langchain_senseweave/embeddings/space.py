"""`SenseweaveEmbeddings`: any space of senseweave as LangChain embeddings, for text, images, audio and video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, Self, Unpack

from pydantic import ConfigDict, Field, model_validator

from langchain_senseweave.embeddings.base import MediaEmbeddings
from senseweave.interop import (
    Batch,
    ChunkOptions,
    EmbeddedItem,
    Media,
    Role,
    Space,
    SpaceFields,
    chunk_media,
    progress_bar,
)


class SenseweaveEmbeddings(SpaceFields, MediaEmbeddings):
    """Embeddings of text, images, audio and video in one space.

    Setup:
        ```bash
        pip install "langchain-senseweave[starter]"
        ```

    Key init args:
        model: Name of a space (`starter`, a hub id, a folder, `scheme:name`) or a loaded `Space`.
        device: torch device, for example `cuda:0`, or a list of several that share the work; chosen by senseweave if
            None.
        dtype: Precision of the weights, for example `float16`.
        revision: Commit or tag of a model from a hub.
        dimensions: Number of leading dimensions to keep; all if None.
        normalize: Whether vectors have length 1, which is the default but for models saved for another similarity.
        max_length: Tokens of a text that the model reads.
        batch_tokens: Padded tokens per batch of texts.
        cache_size: Number of vectors that are remembered.
        load_options: Further options of the model's family.
        root: Local files must lie under this folder; None allows all.
        network: Whether http and https URLs of media may be fetched; False by default.
        policy: All limits on reading, instead of `root` and `network`.
        show_progress: Whether long calls show a progress bar on stderr.

    Instantiate:
        ```python
        from langchain_senseweave import SenseweaveEmbeddings

        embeddings = SenseweaveEmbeddings(model="starter")
        ```

    Embed single text:
        ```python
        embeddings.embed_query("a dog on the grass")
        ```

    Embed multiple texts and media:
        ```python
        embeddings.embed_documents(["a dog", "a cat"])
        embeddings.embed_image(["dog.jpg", "cat.png"])
        embeddings.embed_audio(["talk.mp3"])
        embeddings.embed_video(["walk.mp4"])
        ```

    Async:
        ```python
        await embeddings.aembed_query("a dog on the grass")
        ```
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), arbitrary_types_allowed=True)

    model: str | Space = Field(
        default="starter", description="Name of a space as `senseweave.load` takes it, or a space."
    )
    show_progress: bool = Field(default=False, description="Whether long calls show a progress bar on stderr.")

    @model_validator(mode="after")
    def _take_space(self) -> Self:
        """Keep a given space aside, so that the fields stay plain values."""
        if isinstance(self.model, Space):
            space, self.model = self.model, self.model.name
            self.use_space(space)
        return self

    @property
    def space_name(self) -> str:
        """The name by which the space is loaded."""
        return str(self.model)

    def embed_media(self, media: Sequence[Media], *, role: Role = "document") -> list[list[float]]:
        """Embed media of any modality, in order; see `MediaEmbeddings.embed_media`."""
        return self._encode(media, role).vectors.tolist() if media else []

    async def aembed_media(self, media: Sequence[Media], *, role: Role = "document") -> list[list[float]]:
        """Run `embed_media` off the event loop; calls that wait together are computed as one batch."""
        if not media:
            return []
        return (await (await self.aspace()).aembed(media, role=role)).tolist()  # type: ignore[no-any-return]

    def describe_media(
        self, media: Sequence[Media], *, on_error: Literal["raise", "skip"] = "raise"
    ) -> list[str | None]:
        """Describe media in words where the model can; see `MediaEmbeddings.describe_media`."""
        outcomes = self.space.encode(media, on_error=on_error).outcomes() if media else []
        return [outcome.description if isinstance(outcome, EmbeddedItem) else None for outcome in outcomes]

    def embed_described(self, media: Sequence[Media]) -> list[tuple[list[float], str | None]]:
        """Embed documents and describe them in a single pass; see `MediaEmbeddings.embed_described`."""
        if not media:
            return []
        if self.text_override and any(item.modality == "text" for item in media):
            return super().embed_described(media)
        batch = self._encode(media)
        return list(zip(batch.vectors.tolist(), batch.descriptions, strict=True))

    def chunk(self, media: Media, **options: Unpack[ChunkOptions]) -> Iterator[Media]:
        """Divide a media into chunks that the space's encoders take at a time; see `MediaEmbeddings.chunk`."""
        return chunk_media(media, self.space if media.modality in self.modalities else None, **options)

    def _encode(self, media: Sequence[Media], role: Role = "document") -> Batch:
        with progress_bar("embedding", media, shown=self.show_progress) as progress:
            return self.space.encode(media, role=role, progress=progress)
