"""The embedding model: any senseweave space behind LlamaIndex's interface, for all four modalities."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from llama_index.core.bridge.pydantic import Field, PrivateAttr, field_serializer
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import BaseNode
from llama_index.embeddings.senseweave.batches import Outcome, aembed_mixed, embed_mixed
from llama_index.embeddings.senseweave.methods import EmbeddingMethods
from llama_index.embeddings.senseweave.nodes import media_of, stored_form

from senseweave.errors import MediaError
from senseweave.media import Media, MediaPolicy, Modality

if TYPE_CHECKING:
    from senseweave.spaces import Space

logger = logging.getLogger(__name__)

DEFAULT_BATCH_SIZE = 64
"""Inputs per batch and event; how many of them share a forward pass is the space's business."""

LOAD_FIELDS = (
    "device",
    "dtype",
    "revision",
    "dimensions",
    "normalize",
    "max_length",
    "batch_tokens",
    "cache_size",
)
_SECRET = re.compile(r"(^|_)(key|token|secret|password|credentials?|auth|headers?)$", re.IGNORECASE)


class SenseweaveEmbedding(EmbeddingMethods):
    """Text, image, audio and video embeddings of any senseweave model.

    `pip install "llama-index-embeddings-senseweave[starter]"`

    As a transformation it embeds media nodes by their media and all others by their text, so that it belongs into an
    `IngestionPipeline` or into the `transformations` of an index as well as into its `embed_model`.

    Examples:
        ```python
        from llama_index.embeddings.senseweave import SenseweaveEmbedding

        embed_model = SenseweaveEmbedding(model_name="starter")
        vector = embed_model.get_query_embedding("a dog on the grass")
        ```
    """

    model_name: str = Field(
        default="starter",
        description="Any name that `senseweave.load` takes: `starter`, a hub id, a folder, `scheme:name`.",
    )
    device: str | None = Field(default=None, description="torch device; chosen by senseweave if None.")
    dtype: str | None = Field(default=None, description="Precision of the weights, for example `float16`.")
    revision: str | None = Field(default=None, description="Commit or tag of a model from a hub.")
    dimensions: int | None = Field(default=None, gt=0, description="Keep only so many leading dimensions.")
    normalize: bool = Field(default=True, description="Whether vectors have length 1.")
    max_length: int | None = Field(default=None, gt=0, description="Tokens of a text that the model reads.")
    batch_tokens: int | None = Field(default=None, gt=0, description="Padded tokens per batch of texts.")
    cache_size: int | None = Field(default=None, ge=0, description="How many finished vectors are remembered.")
    load_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Further options of the model's family; secrets among them are never serialised.",
        repr=False,
    )
    fingerprint_of_space: str | None = Field(
        default=None, description="Set where a loaded space was given: what a rebuilt model must agree with."
    )
    describe: bool = Field(
        default=True,
        description="Whether nodes of media without text are given the transcript or labels that an encoder made.",
    )
    on_error: Literal["raise", "skip"] = Field(
        default="raise",
        description="As a transformation: `skip` leaves out nodes whose media cannot be embedded, with a warning.",
    )
    embeddings_cache: Any | None = Field(
        default=None,
        description="Key-value store of embeddings, keyed by model, role, modality and content.",
        exclude=True,
    )

    _space: Any = PrivateAttr(default=None)

    def __init__(
        self,
        model_name: str = "starter",
        *,
        space: Space | None = None,
        device: str | None = None,
        dtype: str | None = None,
        revision: str | None = None,
        dimensions: int | None = None,
        normalize: bool = True,
        max_length: int | None = None,
        batch_tokens: int | None = None,
        cache_size: int | None = None,
        load_options: dict[str, Any] | None = None,
        root: str | Path | None = None,
        network: bool = False,
        policy: MediaPolicy | dict[str, Any] | None = None,
        describe: bool = True,
        on_error: Literal["raise", "skip"] = "raise",
        fingerprint_of_space: str | None = None,
        embed_batch_size: int = DEFAULT_BATCH_SIZE,
        callback_manager: CallbackManager | None = None,
        num_workers: int | None = None,
        embeddings_cache: Any | None = None,
        rate_limiter: Any | None = None,
    ) -> None:
        """Describe the model; it is loaded when it is first used.

        Args:
            model_name: Any name that `senseweave.load` takes.
            space: A loaded space instead of a name; load options and policy are then its own.
            device: torch device, for example `cuda:0`; chosen by senseweave if None.
            dtype: Precision of the weights, for example `float16`.
            revision: Commit or tag of a model from a hub.
            dimensions: Keep only so many leading dimensions.
            normalize: Whether vectors have length 1.
            max_length: Tokens of a text that the model reads.
            batch_tokens: Padded tokens per batch of texts.
            cache_size: How many finished vectors the space remembers.
            load_options: Further options of the model's family, such as `{"pooling": "cls"}`.
            root: Local files must lie under this folder.
            network: Whether http and https URLs of media may be fetched.
            policy: All limits on reading, as a `MediaPolicy` or its values; instead of `root` and `network`.
            describe: Whether nodes of media without text are given the transcript or labels that an encoder made, for
                language models that take text alone.
            on_error: What the model as a transformation does with nodes whose media cannot be embedded: `raise`, or
                `skip` to leave them out with a warning. The methods always raise: they owe a vector per input.
            fingerprint_of_space: What the space must have; set by `to_dict` where a loaded space was given.
            embed_batch_size: Inputs per batch and event.
            callback_manager: Told of every batch.
            num_workers: Batches that an async call has under way at a time; all if None.
            embeddings_cache: A key-value store in which vectors are kept.
            rate_limiter: Asked before every batch that is computed.

        Raises:
            ValueError: If options contradict each other.
        """
        values: dict[str, Any] = {
            "model_name": space.name if space is not None else model_name,
            "device": device,
            "dtype": dtype,
            "revision": revision,
            "dimensions": dimensions,
            "normalize": normalize,
            "max_length": max_length,
            "batch_tokens": batch_tokens,
            "cache_size": cache_size,
            "load_options": load_options or {},
            "root": str(root) if root is not None else None,
            "network": network,
            "policy": policy,
            "describe": describe,
            "on_error": on_error,
            "fingerprint_of_space": fingerprint_of_space,
            "embed_batch_size": embed_batch_size,
            "callback_manager": callback_manager or CallbackManager([]),
            "num_workers": num_workers,
            "embeddings_cache": embeddings_cache,
            "rate_limiter": rate_limiter,
        }
        super().__init__(**values)
        self._check_options()
        if space is not None:
            if options := self._changed_options():
                msg = f"{', '.join(options)} cannot be changed on a loaded space; pass them to senseweave.load"
                raise ValueError(msg)
            self._space = self._checked(space)
            self.fingerprint_of_space = space.fingerprint

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex serialises the class."""
        return "SenseweaveEmbedding"

    @property
    def space(self) -> Space:
        """The senseweave space, loaded when it is first asked for.

        Raises:
            ModelError: If there is no such model.
            ImportError: If an extra is missing; the message holds the install line.
            TypeError: If the model's family has no such option.
        """
        # No lock: threads that come here together are given the same space by `load`.
        if self._space is None:
            import senseweave

            self._space = self._checked(senseweave.load(self.model_name, **self._changed_options()))
        space: Space = self._space
        return space

    @property
    def media_policy(self) -> MediaPolicy:
        """What may be read: the policy that was given, or that of a given space."""
        if self._space is not None and self.policy is None and self.root is None and not self.network:
            space: Space = self._space
            return space.policy
        return super().media_policy

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the model can embed."""
        return self.space.modalities

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self.space.dimension

    @property
    def fingerprint(self) -> str:
        """Equal for models whose vectors can be compared, and for no others."""
        return self.space.fingerprint

    def __call__(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> Sequence[BaseNode]:
        """Embed nodes: those with an image, sound or video by it, the others by their text.

        Args:
            nodes: Nodes or documents; their `embedding` is set.
            show_progress: Whether to show a progress bar per modality.
            **kwargs: What LlamaIndex passes to every transformation; means nothing here.

        Returns:
            The nodes in order, ready for a vector store: of media nodes copies, which hold the transcript or labels as
            their text where they had none, and can be deleted and replaced by an index or a pipeline.

        Raises:
            MediaError: With `on_error="raise"`, if media of a node cannot be read, with the position of the node.
            UnsupportedModalityError: If the model cannot embed a modality that the nodes have.
        """
        media = self._media_of_nodes(nodes)
        done = embed_mixed(self, list(media.values()), show_progress=show_progress, on_error=self.on_error)
        return self._ready(nodes, dict(zip(media, done, strict=True)))

    async def acall(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> Sequence[BaseNode]:
        """Like calling the model, off the event loop."""
        media = await asyncio.to_thread(self._media_of_nodes, nodes)
        done = await aembed_mixed(self, list(media.values()), show_progress=show_progress, on_error=self.on_error)
        return await asyncio.to_thread(self._ready, nodes, dict(zip(media, done, strict=True)))

    def _media_of_nodes(self, nodes: Sequence[BaseNode]) -> dict[int, Media]:
        """What is to be embedded, by the position of its node."""
        media = {}
        for position, node in enumerate(nodes):
            try:
                media[position] = media_of(node, self.media_policy)
            except MediaError as error:
                self._failed(error.at(position, len(nodes)))
        return media

    def _ready(self, nodes: Sequence[BaseNode], done: dict[int, Outcome]) -> list[BaseNode]:
        """Set the nodes' vectors, and return what belongs into a store."""
        ready = []
        for position, one in done.items():
            if isinstance(one, MediaError):
                self._failed(one.at(position, len(nodes)))
                continue
            nodes[position].embedding = one.vector
            description = one.description if self.describe else None
            ready.append(stored_form(nodes[position], self.fingerprint, description))
        return ready

    def _failed(self, error: MediaError) -> None:
        if self.on_error == "raise":
            raise error
        logger.warning("left out: %s", error)

    def _changed_options(self) -> dict[str, Any]:
        """What `senseweave.load` is given: whatever is not left at its default.

        The policy is not among them: it belongs to what is read, and models that differ in nothing else are one model.
        """
        fields_of = type(self).model_fields
        named = {name: getattr(self, name) for name in LOAD_FIELDS if getattr(self, name) != fields_of[name].default}
        return {**named, **self.load_options}

    def _check_options(self) -> None:
        if known := sorted(set(LOAD_FIELDS) & set(self.load_options)):
            msg = f"{', '.join(known)} in load_options have fields of their own"
            raise ValueError(msg)

    def _checked(self, space: Space) -> Space:
        if self.fingerprint_of_space not in (None, space.fingerprint):
            msg = (
                f"this model was made from a loaded space of fingerprint {self.fingerprint_of_space}, which "
                f"{self.model_name!r} alone does not give ({space.fingerprint}): pass it, from_dict(data, space=...)"
            )
            raise ValueError(msg)
        return space

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what cannot be pickled, as LlamaIndex does; a given space goes along as its recipe."""
        state = super().__getstate__()
        if self.fingerprint_of_space is not None:
            state["__dict__"] = {**state["__dict__"], "space": self._space}
        state["__pydantic_private__"] = None
        return state

    @field_serializer("load_options")
    def _without_secrets(self, load_options: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in load_options.items() if not _SECRET.search(name)}
