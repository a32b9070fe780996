"""The embedding model: any senseweave space behind LlamaIndex's interface, for all four modalities."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import BaseNode, MetadataMode
from llama_index.embeddings.senseweave.embeddings.batches import Outcome, embed_mixed
from llama_index.embeddings.senseweave.embeddings.methods import EmbeddingMethods
from llama_index.embeddings.senseweave.items.files import divide_files
from llama_index.embeddings.senseweave.items.nodes import media_from_node, stored_node

from senseweave.interop import (
    DIRECT,
    LOAD_FIELDS,
    OFF_LOOP,
    Media,
    MediaError,
    SpaceOptions,
    Steps,
    check_modality,
    check_recorded,
    embed_readable,
    failure_summary,
    read_each,
    remember,
    run_direct,
)

if TYPE_CHECKING:
    from senseweave.interop import Space

logger = logging.getLogger(__name__)

DEFAULT_BATCH_SIZE = 64
"""Inputs per batch and event; the space decides how many of them share a forward pass."""


class ModelOptions(SpaceOptions, total=False):
    """The keyword arguments of `SenseweaveEmbedding`, which describes them."""

    describe: bool
    on_error: Literal["raise", "skip"]
    fingerprint_of_space: str | None
    embed_batch_size: int
    callback_manager: CallbackManager | None
    num_workers: int | None
    embeddings_cache: Any | None
    rate_limiter: Any | None


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

    model_config = ConfigDict(extra="forbid")

    model_name: str = Field(default="starter", description="Any name that `senseweave.load` takes.")
    embed_batch_size: int = Field(default=DEFAULT_BATCH_SIZE, gt=0, le=2048, description="Inputs per batch and event.")
    fingerprint_of_space: str | None = Field(
        default=None, description="Set where a loaded space was given: the fingerprint that a rebuilt model must have."
    )
    describe: bool = Field(
        default=True,
        description="Whether nodes of media without text are given the transcript or labels that an encoder made.",
    )
    on_error: Literal["raise", "skip"] = Field(
        default="skip",
        description="As a transformation: `skip` leaves out nodes whose media cannot be embedded, with a warning.",
    )
    embeddings_cache: Any | None = Field(
        default=None,
        description="Key-value store of embeddings, keyed by model, role, modality and content.",
        exclude=True,
    )

    _failed: list[MediaError] = PrivateAttr(default_factory=list)

    def __init__(
        self, model_name: str = "starter", *, space: Space | None = None, **options: Unpack[ModelOptions]
    ) -> None:
        """Describe the model; it is loaded when it is first used. An option that is None keeps its default.

        Args:
            model_name: Any name that `senseweave.load` takes: `starter`, a hub id, a folder, `scheme:name`.
            space: A loaded space instead of a name; load options and policy are then its own.
            **options: As follows.
                device: torch device, for example `cuda:0`, or a list of several that share the work; chosen by
                    senseweave if None.
                dtype: Precision of the weights, for example `float16`.
                revision: Commit or tag of a model from a hub.
                dimensions: How many leading dimensions are kept; all if None.
                normalize: Whether vectors have length 1; what the model was saved with if None.
                max_length: Tokens of a text that the model reads.
                batch_tokens: Padded tokens per batch of texts.
                cache_size: How many finished vectors the space remembers.
                load_options: Further options of the model's family, such as `{"pooling": "cls"}`.
                root: Local files must lie under this folder; None allows all.
                network: Whether http and https URLs of media may be fetched; False by default.
                policy: All limits on reading, as a `MediaPolicy` or its values; instead of `root` and `network`.
                describe: Whether nodes of media without text are given the transcript or labels that an encoder made,
                    for language models that take text alone; True by default.
                on_error: What the model as a transformation does with nodes whose media cannot be embedded: `skip`, the
                    default, leaves them out with a warning and lists them in `failed`; or `raise`. Methods raise.
                fingerprint_of_space: The fingerprint that the space must have; set by `to_dict` where a loaded space
                    was given.
                embed_batch_size: Inputs per batch and event; 64 by default.
                callback_manager: Receives the events of every batch.
                num_workers: How many batches an async call runs at a time; all if None.
                embeddings_cache: A key-value store in which vectors are kept.
                rate_limiter: Acquired before every batch that is computed.

        Raises:
            ValueError: If options contradict each other.
        """
        given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        super().__init__(model_name=space.name if space is not None else model_name, **given)
        if space is not None:
            self.use_space(space)
            self._check_fingerprint(space)
            self.fingerprint_of_space = space.fingerprint

        else:
            remember(model_name, self.set_options)

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> Self:
        """Rebuild a model from what `to_dict` returned, if it asks for nothing that only the caller can allow.

        Raises:
            TrustError: If the model runs code, sends to a server, is downloaded, or lies at a path that this user has
                never named. `with senseweave.trust("server"):` or the variable `SENSEWEAVE_TRUST` allows it.
        """
        values = {**data, **kwargs}
        if values.get("space") is None:
            options = {name: values[name] for name in LOAD_FIELDS if values.get(name) is not None}
            recorded = values.get("load_options") or {}
            check_recorded("the serialized model", values.get("model_name", "starter"), {**options, **recorded})
        return super().from_dict(data, **kwargs)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes the class."""
        return "SenseweaveEmbedding"

    @property
    def space_name(self) -> str:
        """The name by which the space is loaded."""
        return self.model_name

    @property
    def failed(self) -> list[MediaError]:
        """What the last call as a transformation left out, with the reasons."""
        return self._failed

    def __call__(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> Sequence[BaseNode]:
        """Embed nodes: media nodes by their image, sound or video, the others by their text.

        Args:
            nodes: Nodes or documents; their `embedding` is set. Of files that `MediaReader` read, the chunks.
            show_progress: Whether to show a progress bar per modality.
            **kwargs: What LlamaIndex passes to every transformation; ignored here.

        Returns:
            Copies of the nodes in order, ready for a vector store: they name the space, media nodes without text hold
            the transcript or labels, and an index or a pipeline can delete and replace them.

        Raises:
            MediaError: With `on_error="raise"`, if media of a node cannot be read, with the position of the node.
            UnsupportedModalityError: With `on_error="raise"`, if the model lacks a modality that the nodes have.
        """
        return run_direct(self._embed(DIRECT, nodes, show_progress))

    async def acall(self, nodes: Sequence[BaseNode], show_progress: bool = False, **kwargs: Any) -> Sequence[BaseNode]:
        """Embed nodes like a call of the model, off the event loop."""
        return await self._embed(OFF_LOOP, nodes, show_progress)

    async def _embed(self, steps: Steps, nodes: Sequence[BaseNode], show_progress: bool) -> list[BaseNode]:
        def read(node: BaseNode) -> Media:
            media = media_from_node(node, self.media_policy, metadata_mode=MetadataMode.EMBED)
            if self.on_error == "skip":
                check_modality(media, self.modalities)
            return media

        nodes = divide_files(nodes)
        options: dict[str, Any] = {"show_progress": show_progress, "on_error": self.on_error}
        media = await steps.work(partial(read_each, read, nodes, on_error=self.on_error))
        outcomes = await embed_readable(media, partial(embed_mixed, steps, self, **options))
        return await steps.work(self._finish, nodes, outcomes)

    def _finish(self, nodes: Sequence[BaseNode], outcomes: Sequence[Outcome]) -> list[BaseNode]:
        """Set the nodes' vectors, and return what a store should hold."""
        stored = []
        self._failed = [outcome for outcome in outcomes if isinstance(outcome, MediaError)]
        if self._failed:
            logger.warning("%s", failure_summary(self._failed))
        for node, outcome in zip(nodes, outcomes, strict=True):
            if isinstance(outcome, MediaError):
                continue
            node.embedding = outcome.vector
            stored.append(stored_node(node, self.fingerprint, outcome.description if self.describe else None))
        return stored

    def _load_space(self) -> Space:
        return self._check_fingerprint(super()._load_space())

    def _check_fingerprint(self, space: Space) -> Space:
        if self.fingerprint_of_space not in (None, space.fingerprint):
            msg = (
                f"cannot rebuild this model from {self.model_name!r} (fingerprint {space.fingerprint}): it "
                f"was created from a space with fingerprint {self.fingerprint_of_space}; pass that space, "
                "from_dict(data, space=...)"
            )
            raise ValueError(msg)
        return space

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a pickle builds the model again: from the fields that can be pickled, and from a given space."""
        fields = self.__getstate__()["__dict__"]
        return partial(type(self), **fields, space=self._held.given), ()
