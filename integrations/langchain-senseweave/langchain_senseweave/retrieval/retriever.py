"""`SenseweaveRetriever`: one calibrated ranking over vector stores of several modalities and spaces, or an index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from langchain_core.runnables import RunnableConfig, run_in_executor
from langchain_core.vectorstores import VectorStore
from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from langchain_senseweave.embeddings.base import MediaEmbeddings
from langchain_senseweave.items import document_from_hit, media_from, result_document
from langchain_senseweave.retrieval.sources import StoreView, view_of
from senseweave.interop import MODALITIES, Index, Media, MediaPolicy, Modality, UnsupportedModalityError, merge
from senseweave.retrieval.fusion import find_method

_LEAST_FETCHED = 10
"""Documents asked of every store and modality, so that merging sees more than the tip of each list."""


class SenseweaveRetriever(BaseRetriever):
    """Retrieves text, images, audio and video by text, image, audio or video, ranked as one list.

    Scores of different modalities and spaces are not comparable as they are; the core makes them so. Each document's
    metadata gains `score` (comparable, larger is better), `raw_score` (cosine similarity) and `space`.

    Setup:
        ```bash
        pip install "langchain-senseweave[starter,chroma]"
        ```

    Key init args:
        vector_stores: Stores whose embeddings embed the query; of one space or of several.
        index: A `senseweave.Index`, instead of stores.
        k: How many documents.
        modalities: Only documents of these modalities; None for all, and an empty list is an error.
        filter: Condition on metadata.

    Instantiate:
        ```python
        from langchain_senseweave import SenseweaveRetriever

        retriever = SenseweaveRetriever(vector_stores=[store], k=5)
        ```

    Usage:
        ```python
        retriever.invoke("a dog on the grass")
        retriever.invoke("a dog on the grass", k=2, modalities=["image"])
        retriever.retrieve_by_image("query.jpg")
        ```

    Use within a chain:
        ```python
        chain = {"context": retriever | format_documents, "question": RunnablePassthrough()} | prompt | model
        ```
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    vector_stores: list[VectorStore] = Field(default_factory=list, description="Stores to ask.")
    index: Index | None = Field(default=None, description="A `senseweave.Index`, instead of `vector_stores`.")
    k: int = Field(default=4, ge=1, description="How many documents.")
    modalities: list[Modality] | None = Field(
        default=None, description="Only documents of these modalities; None for all."
    )
    filter: Any = Field(default=None, description="Condition on metadata, in the store's language or senseweave's.")
    fusion: str | None = Field(default=None, description="How scores are made comparable; None takes the default.")
    query_modality: Modality = Field(
        default="text", description="What `invoke` takes: text, or the path of a file of another modality."
    )
    root: Path | None = Field(default=None, description="Media of queries must lie under this folder.")
    network: bool = Field(default=False, description="Whether http and https URLs of queries may be fetched.")
    policy: MediaPolicy | None = Field(default=None, description="All limits; instead of `root` and `network`.")

    _views: list[StoreView] = PrivateAttr(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _take_one_store(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("vector_stores"), VectorStore):
            return {**values, "vector_stores": [values["vector_stores"]]}
        return values

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.vector_stores) == (self.index is not None):
            msg = "give vector_stores or an index, one of the two"
            raise ValueError(msg)
        if self.policy is not None and (self.root is not None or self.network):
            msg = "give either policy or root and network, not both"
            raise ValueError(msg)
        _check_modalities(self.modalities)
        for store in self.vector_stores:
            if store.embeddings is None:
                msg = f"{type(store).__name__} has no embeddings, so that a query cannot be embedded for it"
                raise ValueError(msg)
        self._views = [view_of(store) for store in self.vector_stores]
        return self

    def retrieve_by_image(self, image: Any, config: RunnableConfig | None = None, **options: Any) -> list[Document]:
        """Return documents of any modality that fit an image.

        Args:
            image: A path, URL, data URI, bytes, PIL image or blob.
            config: As for `invoke`; callbacks see the call.
            **options: `k`, `modalities`, `filter` and `fusion`, over the fields of these names.

        Returns:
            Documents, best first.

        Raises:
            UnsupportedModalityError: If no store embeds images.
            MediaError: If the image cannot be read.
        """
        return self._by_media("image", image, config, options)

    def retrieve_by_audio(self, audio: Any, config: RunnableConfig | None = None, **options: Any) -> list[Document]:
        """Return documents that fit a recording; see `retrieve_by_image`."""
        return self._by_media("audio", audio, config, options)

    def retrieve_by_video(self, video: Any, config: RunnableConfig | None = None, **options: Any) -> list[Document]:
        """Return documents that fit a video; see `retrieve_by_image`."""
        return self._by_media("video", video, config, options)

    async def aretrieve_by_image(
        self, image: Any, config: RunnableConfig | None = None, **options: Any
    ) -> list[Document]:
        """Like `retrieve_by_image`, off the event loop."""
        return await self._aby_media("image", image, config, options)

    async def aretrieve_by_audio(
        self, audio: Any, config: RunnableConfig | None = None, **options: Any
    ) -> list[Document]:
        """Like `retrieve_by_audio`, off the event loop."""
        return await self._aby_media("audio", audio, config, options)

    async def aretrieve_by_video(
        self, video: Any, config: RunnableConfig | None = None, **options: Any
    ) -> list[Document]:
        """Like `retrieve_by_video`, off the event loop."""
        return await self._aby_media("video", video, config, options)

    def _by_media(
        self, modality: Modality, item: Any, config: RunnableConfig | None, options: dict[str, Any]
    ) -> list[Document]:
        media = self._media(modality, item)
        return self.invoke(media.source, config, media=media, **options)

    async def _aby_media(
        self, modality: Modality, item: Any, config: RunnableConfig | None, options: dict[str, Any]
    ) -> list[Document]:
        media = await run_in_executor(None, self._media, modality, item)
        return await self.ainvoke(media.source, config, media=media, **options)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        modalities: Collection[Modality] | None = None,
        filter: Any = None,  # noqa: A002  (what every store calls it)
        fusion: str | None = None,
        media: Media | None = None,
    ) -> list[Document]:
        """Find documents; the arguments of a call stand over the fields of the same name."""
        del run_manager
        asked = media if media is not None else self._media(self.query_modality, query)
        asked_for = self._asked_for(k, modalities, filter, fusion)
        if self.index is not None:
            return self._ask_index(asked, **asked_for)
        vectors = {id(one.embeddings): _embed(one.embeddings, asked) for one in self._able(asked)}
        return self._ask_stores(asked, vectors, **asked_for)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        modalities: Collection[Modality] | None = None,
        filter: Any = None,  # noqa: A002  (what every store calls it)
        fusion: str | None = None,
        media: Media | None = None,
    ) -> list[Document]:
        """Find documents without blocking the event loop; queries that wait together are embedded as one batch."""
        del run_manager
        # Asking models what they embed and may read can load them, which would hold the event loop up.
        asked = media if media is not None else await run_in_executor(None, self._media, self.query_modality, query)
        asked_for = self._asked_for(k, modalities, filter, fusion)
        if self.index is not None:
            return await run_in_executor(None, lambda: self._ask_index(asked, **asked_for))
        able = await run_in_executor(None, self._able, asked)
        vectors = {id(one.embeddings): await _aembed(one.embeddings, asked) for one in able}
        return await run_in_executor(None, lambda: self._ask_stores(asked, vectors, **asked_for))

    def _asked_for(
        self, k: int | None, modalities: Collection[Modality] | None, condition: Any, fusion: str | None
    ) -> dict[str, Any]:
        k = self.k if k is None else k
        if k < 1:
            msg = f"k must be at least 1, not {k}"
            raise ValueError(msg)
        chosen: Collection[Any] | None = self.modalities if modalities is None else modalities
        if isinstance(chosen, str):
            chosen = [chosen]
        _check_modalities(chosen)
        return {
            "k": k,
            "modalities": chosen,
            "condition": self.filter if condition is None else condition,
            "fusion": self.fusion if fusion is None else fusion,
        }

    def _ask_index(
        self, asked: Media, *, k: int, modalities: Collection[Modality] | None, condition: Any, fusion: str | None
    ) -> list[Document]:
        assert self.index is not None
        hits = self.index.search(asked, k=k, modalities=modalities, filter=condition, fusion=fusion)
        return [document_from_hit(hit) for hit in hits]

    def _ask_stores(
        self,
        asked: Media,
        vectors: dict[int, list[float]],
        *,
        k: int,
        modalities: Collection[Modality] | None,
        condition: Any,
        fusion: str | None,
    ) -> list[Document]:
        lists, statistics, spaces = {}, {}, {}
        calibrated = fusion is None or find_method(fusion).needs_statistics
        for number, view in enumerate(self._views):
            if id(view.embeddings) not in vectors:
                continue
            vector = vectors[id(view.embeddings)]
            found = view.find(asked, vector, max(k, _LEAST_FETCHED), modalities, condition)
            for modality, documents in found.items():
                if not documents:
                    continue
                name = f"{number}:{modality}"
                lists[name], spaces[name] = documents, view.space
                known = view.statistics(modality, asked.modality) if calibrated else None
                if known is not None:
                    statistics[name] = known.for_query(vector)
        ranked = merge(lists, k, method=fusion, statistics=statistics, key=_content)
        return [result_document(one.item, one.score, one.raw_score, spaces[one.list_name]) for one in ranked]

    def _able(self, asked: Media) -> Sequence[StoreView]:
        """Return the views whose embeddings can embed the query.

        Raises:
            UnsupportedModalityError: If there are none.
        """
        able = [view for view in self._views if asked.modality in _modalities(view.embeddings)]
        if not able:
            known = [one for one in MODALITIES if any(one in _modalities(view.embeddings) for view in self._views)]
            raise UnsupportedModalityError("the retriever", asked.modality, known)
        return able

    def _media(self, modality: Modality, item: Any) -> Media:
        return media_from(modality, item, policy=self._media_policy())

    def _media_policy(self) -> MediaPolicy | None:
        if self.policy is not None:
            return self.policy
        if self.root is not None or self.network:
            return MediaPolicy(root=self.root, network=self.network)
        if self.index is not None:
            return self.index.policy
        policies = (
            view.embeddings.media_policy for view in self._views if isinstance(view.embeddings, MediaEmbeddings)
        )
        return next(policies, None)

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        """Return what traces say of the retriever: its stores and its models."""
        params = super()._get_ls_params(**kwargs)
        stores = ["senseweave.Index"] if self.index is not None else [type(one).__name__ for one in self.vector_stores]
        spaces = list(self.index.spaces) if self.index is not None else [view.space for view in self._views]
        classes = ["senseweave"] if self.index is not None else [type(one.embeddings).__name__ for one in self._views]
        params["ls_vector_store_provider"] = ", ".join(dict.fromkeys(stores))
        params["ls_embedding_provider"] = ", ".join(dict.fromkeys(classes))
        params["ls_embedding_model"] = ", ".join(dict.fromkeys(spaces))
        return params


def _check_modalities(chosen: Collection[Any] | None) -> None:
    unknown = [one for one in chosen or () if one not in MODALITIES]
    if unknown or (chosen is not None and not chosen):
        what = f"unknown modality {', '.join(map(repr, unknown))}" if unknown else "no modalities"
        msg = f"{what}; there are {', '.join(MODALITIES)}, and None stands for all"
        raise ValueError(msg)


def _modalities(embeddings: Any) -> tuple[Modality, ...]:
    return embeddings.modalities if isinstance(embeddings, MediaEmbeddings) else ("text",)


def _embed(embeddings: Any, asked: Media) -> list[float]:
    if isinstance(embeddings, MediaEmbeddings):
        return embeddings.embed_media([asked], role="query")[0]
    vector: list[float] = embeddings.embed_query(asked.decode())
    return vector


async def _aembed(embeddings: Any, asked: Media) -> list[float]:
    if isinstance(embeddings, MediaEmbeddings):
        return (await embeddings.aembed_media([asked], role="query"))[0]
    vector: list[float] = await embeddings.aembed_query(asked.decode())
    return vector


def _content(document: Document) -> object:
    """Return what makes documents of different stores the same: the same part of the same content."""
    values = document.metadata
    if "sha256" in values:
        names = ("source", "modality", "sha256", "start_s", "end_s", "page", "character_start")
        return tuple(values.get(name) for name in names)
    return document.id if document.id is not None else id(document)
