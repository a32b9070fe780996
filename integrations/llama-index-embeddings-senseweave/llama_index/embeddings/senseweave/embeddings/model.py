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
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.embeddings.senseweave.embeddings.batches import Outcome, aembed_mixed, embed_mixed
from llama_index.embeddings.senseweave.embeddings.methods import EmbeddingMethods
from llama_index.embeddings.senseweave.items.nodes import media_from_node, stored_node

import senseweave as sw
from senseweave.interop import Media, MediaError, MediaPolicy, Modality

if TYPE_CHECKING:
    from senseweave.interop import Space

logger = logging.getLogger(__name__)

DEFAULT_BATCH_SIZE = 64
"""Inputs per batch and event; the space decides how many of them share a forward pass."""

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

    As a transformation it embeds media nodes by their media and all others by their text: use it in an
    `IngestionPipeline` or in the `transformations` of an index as well as for its `embed_model`.

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
    dimensions: int | None = Field(default=None, gt=0, description="How many leading dimensions are kept.")
    normalize: bool = Field(default=True, description="Whether vectors have length 1.")
    max_length: int | None = Field(default=None, gt=0, description="Tokens of a text that the model reads.")
    batch_tokens: int | None = Field(default=None, gt=0, description="Padded tokens per batch of texts.")
    cache_size: int | None = Field(default=None, ge=0, description="How many finished vectors are remembered.")
    load_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Further options of the model's family; secrets among them are never serialized.",
        repr=False,
    )
    fingerprint_of_space: str | None = Field(
        default=None, description="Set where a loaded space was given: the fingerprint that a rebuilt model must have."
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
            dimensions: How many leading dimensions are kept.
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
            fingerprint_of_space: The fingerprint that the space must have; set by `to_dict` where a loaded space was
                given.
            embed_batch_size: Inputs per batch and event.
            callback_manager: Receives the events of every batch.
            num_workers: How many batches an async call runs at a time; all if None.
            embeddings_cache: A key-value store in which vectors are kept.
            rate_limiter: Acquired before every batch that is computed.

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
            self._space = self._check_space(space)
            self.fingerprint_of_space = space.fingerprint

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes the class."""
        return "SenseweaveEmbedding"

    @property
    def space(self) -> Space:
        """The senseweave space, loaded at the first use.

        Raises:
            ModelError: If there is no such model.
            ImportError: If an extra is missing; the message holds the install line.
            TypeError: If the model's family has no such option.
        """
        # No lock: `load` returns the same space to threads that come here together.
        if self._space is None:
            self._space = self._check_space(sw.load(self.model_name, **self._changed_options()))
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
        """Embed nodes: media nodes by their image, sound or video, the others by their text.

        Args:
            nodes: Nodes or documents; their `embedding` is set.
            show_progress: Whether to show a progress bar per modality.
            **kwargs: What LlamaIndex passes to every transformation; ignored here.

        Returns:
            Copies of the nodes in order, ready for a vector store: they name the space, media nodes without text hold
            the transcript or labels, and an index or a pipeline can delete and replace them.

        Raises:
            MediaError: With `on_error="raise"`, if media of a node cannot be read, with the position of the node.
            UnsupportedModalityError: If the model cannot embed a modality that the nodes have.
        """
        media = self._read_nodes(nodes)
        outcomes = embed_mixed(self, list(media.values()), show_progress=show_progress, on_error=self.on_error)
        return self._finish(nodes, dict(zip(media, outcomes, strict=True)))

    async def acall(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> Sequence[BaseNode]:
        """Embed nodes like a call of the model, off the event loop."""
        media = await asyncio.to_thread(self._read_nodes, nodes)
        outcomes = await aembed_mixed(self, list(media.values()), show_progress=show_progress, on_error=self.on_error)
        return await asyncio.to_thread(self._finish, nodes, dict(zip(media, outcomes, strict=True)))

    def _read_nodes(self, nodes: Sequence[BaseNode]) -> dict[int, Media]:
        """Return the media of nodes by the position of the node."""
        media = {}
        for position, node in enumerate(nodes):
            try:
                media[position] = media_from_node(node, self.media_policy, metadata_mode=MetadataMode.EMBED)
            except MediaError as error:
                self._fail(error.at(position, len(nodes)))
        return media

    def _finish(self, nodes: Sequence[BaseNode], outcomes: dict[int, Outcome]) -> list[BaseNode]:
        """Set the nodes' vectors, and return what a store should hold."""
        stored = []
        for position, outcome in outcomes.items():
            if isinstance(outcome, MediaError):
                self._fail(outcome.at(position, len(nodes)))
                continue
            nodes[position].embedding = outcome.vector
            description = outcome.description if self.describe else None
            stored.append(stored_node(nodes[position], self.fingerprint, description))
        return stored

    def _fail(self, error: MediaError) -> None:
        if self.on_error == "raise":
            raise error
        logger.warning("left out: %s", error)

    def _changed_options(self) -> dict[str, Any]:
        """Return the options of `senseweave.load` that are not left at their default.

        The policy is not among them: models that differ only in what they may read are the same model.
        """
        fields = type(self).model_fields
        changed = {name: getattr(self, name) for name in LOAD_FIELDS if getattr(self, name) != fields[name].default}
        return {**changed, **self.load_options}

    def _check_options(self) -> None:
        if misplaced := sorted(set(LOAD_FIELDS) & set(self.load_options)):
            msg = f"{', '.join(misplaced)} in load_options have fields of their own; pass them as arguments"
            raise ValueError(msg)

    def _check_space(self, space: Space) -> Space:
        if self.fingerprint_of_space not in (None, space.fingerprint):
            msg = (
                f"cannot rebuild this model from {self.model_name!r} (fingerprint {space.fingerprint}): it "
                f"was created from a space with fingerprint {self.fingerprint_of_space}; pass that space, "
                "from_dict(data, space=...)"
            )
            raise ValueError(msg)
        return space

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without what cannot be pickled, as LlamaIndex does, a given space as its recipe."""
        state = super().__getstate__()
        if self.fingerprint_of_space is not None:
            state["__dict__"] = {**state["__dict__"], "space": self._space}
        state["__pydantic_private__"] = None
        return state

    @field_serializer("load_options")
    def _without_secrets(self, load_options: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in load_options.items() if not _SECRET.search(name)}
