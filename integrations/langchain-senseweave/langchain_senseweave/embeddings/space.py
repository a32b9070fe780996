"""`SenseweaveEmbeddings`: any space of senseweave as LangChain embeddings, for text, images, audio and video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self, Unpack

from langchain_core.runnables import run_in_executor
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from langchain_senseweave.embeddings.base import ChunkOptions, MediaEmbeddings
from senseweave.interop import Media, MediaPolicy, Modality, Progress, Role, Space, choose_policy, chunk_media, load

_LOAD_FIELDS = (
    "device",
    "dtype",
    "revision",
    "dimensions",
    "normalize",
    "max_length",
    "batch_tokens",
    "cache_size",
)


class SenseweaveEmbeddings(BaseModel, MediaEmbeddings):
    """Embeddings of text, images, audio and video in one space.

    Setup:
        ```bash
        pip install "langchain-senseweave[starter]"
        ```

    Key init args:
        model: Name of a space (`starter`, a hub id, a folder, `scheme:name`) or a loaded `Space`.
        device, dtype, revision, dimensions, normalize, max_length, batch_tokens, cache_size: Load options.
        load_options: Further options of the model's family.
        root, network, policy: What may be read when media are given as paths or URLs.
        show_progress: Whether long calls show a progress bar.

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
    device: str | None = Field(
        default=None, description="torch device, for example `cuda:0`; chosen by senseweave if None."
    )
    dtype: str | None = Field(default=None, description="Precision of the weights, for example `float16`.")
    revision: str | None = Field(default=None, description="Commit or tag of a model from a hub.")
    dimensions: int | None = Field(default=None, gt=0, description="Number of leading dimensions to keep.")
    normalize: bool = Field(default=True, description="Whether vectors have length 1.")
    max_length: int | None = Field(default=None, gt=0, description="Tokens of a text that the model reads.")
    batch_tokens: int | None = Field(default=None, gt=0, description="Padded tokens per batch of texts.")
    cache_size: int | None = Field(default=None, ge=0, description="Number of vectors that are remembered.")
    load_options: dict[str, Any] = Field(
        default_factory=dict, description="Further options of the model's family, as `senseweave.load` takes them."
    )
    root: Path | None = Field(default=None, description="Local files must lie under this folder; None allows all.")
    network: bool = Field(default=False, description="Whether http and https URLs of media may be fetched.")
    policy: MediaPolicy | None = Field(
        default=None, description="All limits on reading, instead of `root` and `network`."
    )
    show_progress: bool = Field(default=False, description="Whether long calls show a progress bar on stderr.")

    _space: Space | None = PrivateAttr(default=None)
    _given: bool = PrivateAttr(default=False)

    @model_validator(mode="after")
    def _take_space(self) -> Self:
        """Keep a given space in a private attribute, so that the fields stay plain values."""
        choose_policy(self.policy, self.root, self.network)
        known = set(_LOAD_FIELDS) & set(self.load_options)
        if known:
            msg = f"{', '.join(sorted(known))} in load_options have fields of their own"
            raise ValueError(msg)
        if isinstance(self.model, Space):
            if self._load_arguments():
                names = ", ".join(self._load_arguments())
                msg = f"{names} cannot be changed on a loaded space; pass them to senseweave.load"
                raise ValueError(msg)
            self._space, self._given = self.model, True
            self.model = self.model.name
        return self

    @property
    def space(self) -> Space:
        """The space, loaded when it is first used."""
        if self._space is None:
            self._space = load(str(self.model), **self._load_arguments())
        return self._space

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities that the model embeds."""
        return self.space.modalities

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self.space.dimension

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the space: equal where vectors can be compared."""
        return self.space.fingerprint

    @property
    def media_policy(self) -> MediaPolicy | None:
        """What may be read when media are given as paths or URLs."""
        given = choose_policy(self.policy, self.root, self.network)
        return given if given is not None else self.space.policy

    def embed_media(self, media: Sequence[Media], *, role: Role = "document") -> list[list[float]]:
        """Embed media of any modality, in order; see `MediaEmbeddings.embed_media`."""
        if not media:
            return []
        with self._progress(len(media)) as progress:
            vectors = self.space.encode(media, role=role, progress=progress).vectors
        return vectors.tolist()  # type: ignore[no-any-return]

    async def aembed_media(self, media: Sequence[Media], *, role: Role = "document") -> list[list[float]]:
        """Run `embed_media` off the event loop; calls that wait together are computed as one batch."""
        if not media:
            return []
        space = self._space
        if space is None:  # loading would block the event loop
            space = await run_in_executor(None, lambda: self.space)
        return (await space.aembed(media, role=role)).tolist()  # type: ignore[no-any-return]

    def describe_media(
        self, media: Sequence[Media], *, on_error: Literal["raise", "skip"] = "raise"
    ) -> list[str | None]:
        """Describe media in words where the model can; see `MediaEmbeddings.describe_media`."""
        described: list[str | None] = [None] * len(media)
        if media:
            batch = self.space.encode(media, on_error=on_error)
            for position, description in zip(batch.kept, batch.descriptions, strict=True):
                described[position] = description
        return described

    def embed_described(self, media: Sequence[Media]) -> list[tuple[list[float], str | None]]:
        """Embed documents and describe them in a single pass; see `MediaEmbeddings.embed_described`."""
        if not media:
            return []
        with self._progress(len(media)) as progress:
            batch = self.space.encode(media, progress=progress)
        return list(zip(batch.vectors.tolist(), batch.descriptions, strict=True))

    def chunk(self, media: Media, **options: Unpack[ChunkOptions]) -> Iterator[Media]:
        """Divide a media into chunks that the space's encoders take at a time; see `MediaEmbeddings.chunk`."""
        return chunk_media(media, self.space if media.modality in self.modalities else None, **options)

    def _load_arguments(self) -> dict[str, Any]:
        """Return the options of `senseweave.load` that were set."""
        named = {name: getattr(self, name) for name in _LOAD_FIELDS}
        defaults = type(self).model_fields
        return {name: value for name, value in named.items() if value != defaults[name].default} | self.load_options

    @contextmanager
    def _progress(self, total: int) -> Iterator[Progress | None]:
        """Show a progress bar, if asked to, and yield what moves it."""
        if not self.show_progress:
            yield None
            return
        from rich.console import Console
        from rich.progress import Progress as Bar

        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("embedding", total=total)
            yield lambda done, _: bar.update(task, completed=done)

    def __getstate__(self) -> dict[Any, Any]:
        """Return what pickles hold: a space that was loaded by name is loaded again instead."""
        state = super().__getstate__()
        if not self._given:
            private = dict(state["__pydantic_private__"] or {})
            private["_space"] = None
            state = {**state, "__pydantic_private__": private}
        return state
