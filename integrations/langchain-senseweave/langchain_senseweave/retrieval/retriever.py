"""`SenseweaveRetriever`: one calibrated ranking over vector stores of several modalities and spaces, or an index."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self, Unpack

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from langchain_core.runnables import RunnableConfig
from langchain_core.vectorstores import VectorStore
from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from langchain_senseweave.embeddings.base import MediaEmbeddings
from langchain_senseweave.items import document_from_hit, media_from, result_document
from langchain_senseweave.questions import Question, question_words, read_question
from langchain_senseweave.retrieval.sources import LangChainView, view_store
from senseweave.interop import (
    DIRECT,
    MODALITIES,
    OFF_LOOP,
    OPTIONS,
    Index,
    IndexRanking,
    Media,
    MediaPolicy,
    Modality,
    Plan,
    Planner,
    PolicyFields,
    Query,
    Ranking,
    RankingFields,
    RankingOptions,
    Steps,
    StoreRanking,
    chosen_modalities,
    in_thread,
    run_direct,
)

Config = RunnableConfig | None
_OPTIONS = ("k", "modalities", "filter", *OPTIONS)
"""Fields that a call may set too: the arguments of `Index.search`."""


class SearchOptions(RankingOptions, total=False):
    """Options of a call, in place of the fields of their names; `filter` joins its field.

    Attributes:
        k: Number of documents.
        modalities: Only documents of these modalities.
        filter: Condition on metadata.
        score_threshold: Another name of `min_score`.
    """

    k: int
    modalities: Collection[Modality] | None
    filter: Any
    score_threshold: float | None


class SenseweaveRetriever(PolicyFields, RankingFields, BaseRetriever):
    """Retrieves text, images, audio and video by text, image, audio or video, ranked as one list.

    Scores of different modalities and spaces are not comparable as they are; the core makes them so. Each document's
    metadata gains `score` (comparable, larger is better), `raw_score` (cosine similarity) and `space`; two results of
    the same record are equal whatever their scores.

    Setup:
        ```bash
        pip install "langchain-senseweave[starter,chroma]"
        ```

    Key init args:
        vector_stores: Stores whose embeddings embed the query; of one space or of several.
        index: A `senseweave.Index`, instead of stores.
        k: Number of documents.
        modalities: Only documents of these modalities; None for all, and an empty list is an error.
        filter: Condition on metadata. A call's `filter` narrows it further and never replaces it.
        fusion, min_score, offset, group, diversity, rerank, rerank_depth, weights, quota: As in `Index.search`;
            `min_score` may also be given as `score_threshold`.
        words: Whether to search by words too; of an `index` or of Chroma stores.

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

    vector_stores: Sequence[VectorStore] | VectorStore = Field(
        default_factory=list, description="Stores to search, or a single store; kept as a list."
    )
    index: Index | None = Field(default=None, description="A `senseweave.Index`, instead of `vector_stores`.")
    k: int = Field(default=4, ge=1, description="Number of documents.")
    modalities: list[Modality] | None = Field(
        default=None, description="Only documents of these modalities; None for all."
    )
    filter: Any = Field(default=None, description="Condition on metadata, in the store's language or senseweave's.")
    query_modality: Modality = Field(
        default="text", description="What `invoke` takes: text, or the path of a file of another modality."
    )

    _viewed: list[LangChainView] = PrivateAttr(default_factory=list)
    _planner: Planner = PrivateAttr(default_factory=Planner)

    @model_validator(mode="before")
    @classmethod
    def _take_other_forms(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        given = values.get("vector_stores")
        return _renamed({**values, "vector_stores": [given]} if isinstance(given, VectorStore) else values)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self._stores) == (self.index is not None):
            msg = "give vector_stores or an index, one of the two"
            raise ValueError(msg)
        for store in self._stores:
            if store.embeddings is None:
                msg = f"{type(store).__name__} has no embeddings, so that a query cannot be embedded for it"
                raise ValueError(msg)
        self._settings({})
        return self

    def invoke(self, input: Question, config: Config = None, **kwargs: Any) -> list[Document]:  # noqa: A002
        """Return documents that fit a question.

        Args:
            input: Words; or a message or its content blocks, of which words and media are asked for together.
            config: As for any runnable; callbacks are told the words alone.
            **kwargs: `k`, `modalities` and the like; see `SearchOptions`.

        Returns:
            Documents, best first.

        Raises:
            MediaError: If a block holds nothing that can be read.
        """
        if isinstance(input, str):
            return super().invoke(input, config, **kwargs)
        media = read_question(input, self.media_policy)
        return super().invoke(question_words(media), config, media=media, **kwargs)

    async def ainvoke(self, input: Question, config: Config = None, **kwargs: Any) -> list[Document]:  # noqa: A002
        """Run `invoke` off the event loop."""
        if isinstance(input, str):
            return await super().ainvoke(input, config, **kwargs)
        media = await in_thread(read_question, input, self.media_policy)
        return await super().ainvoke(question_words(media), config, media=media, **kwargs)

    def retrieve_by_image(self, image: Any, config: Config = None, **options: Unpack[SearchOptions]) -> list[Document]:
        """Return documents of any modality that fit an image.

        Args:
            image: A path, URL, data URI, bytes, PIL image, blob or content block.
            config: As for `invoke`; callbacks see the call.
            **options: `k`, `modalities`, `fusion` and the like, in place of the fields of these names, and `filter`,
                which joins the field.

        Returns:
            Documents, best first.

        Raises:
            UnsupportedModalityError: If no store embeds images.
            MediaError: If the image cannot be read.
        """
        return self._retrieve("image", image, config, options)

    def retrieve_by_audio(self, audio: Any, config: Config = None, **options: Unpack[SearchOptions]) -> list[Document]:
        """Return documents that fit a recording; see `retrieve_by_image`."""
        return self._retrieve("audio", audio, config, options)

    def retrieve_by_video(self, video: Any, config: Config = None, **options: Unpack[SearchOptions]) -> list[Document]:
        """Return documents that fit a video; see `retrieve_by_image`."""
        return self._retrieve("video", video, config, options)

    async def aretrieve_by_image(
        self, image: Any, config: Config = None, **options: Unpack[SearchOptions]
    ) -> list[Document]:
        """Run `retrieve_by_image` off the event loop."""
        return await self._aretrieve("image", image, config, options)

    async def aretrieve_by_audio(
        self, audio: Any, config: Config = None, **options: Unpack[SearchOptions]
    ) -> list[Document]:
        """Run `retrieve_by_audio` off the event loop."""
        return await self._aretrieve("audio", audio, config, options)

    async def aretrieve_by_video(
        self, video: Any, config: Config = None, **options: Unpack[SearchOptions]
    ) -> list[Document]:
        """Run `retrieve_by_video` off the event loop."""
        return await self._aretrieve("video", video, config, options)

    @property
    def _stores(self) -> Sequence[VectorStore]:
        return [self.vector_stores] if isinstance(self.vector_stores, VectorStore) else self.vector_stores

    @property
    def _views(self) -> list[LangChainView]:
        """Views of the stores, which are kept for what they know of them until the field has other stores."""
        stores, viewed = self._stores, self._viewed
        if [id(view.store) for view in viewed] != [id(store) for store in stores]:
            self._viewed = viewed = [view_store(store, number) for number, store in enumerate(stores)]
        return viewed

    @property
    def media_policy(self) -> MediaPolicy:
        """What may be read of queries and results that are given as paths or URLs."""
        if self.given_policy is not None:
            return self.given_policy
        if self.index is not None:
            return self.index.policy
        embeddings = (view.embeddings for view in self._views if isinstance(view.embeddings, MediaEmbeddings))
        return next((each.media_policy for each in embeddings), None) or MediaPolicy()

    def _retrieve(self, modality: Modality, item: Any, config: Config, options: SearchOptions) -> list[Document]:
        media = self._media(modality, item)
        return self.invoke(media.source, config, media=[media], **options)

    async def _aretrieve(self, modality: Modality, item: Any, config: Config, options: SearchOptions) -> list[Document]:
        media = await in_thread(self._media, modality, item)
        return await self.ainvoke(media.source, config, media=[media], **options)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        media: list[Media] | None = None,
        **options: Any,
    ) -> list[Document]:
        """Return the best documents; the options of a call replace the fields of the same name."""
        del run_manager
        return run_direct(self._answer(DIRECT, query, media, options))

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        media: list[Media] | None = None,
        **options: Any,
    ) -> list[Document]:
        """Return the best documents off the event loop; queries that wait together are embedded as one batch."""
        del run_manager
        return await self._answer(OFF_LOOP, query, media, options)

    async def _answer(
        self, steps: Steps, query: str, media: list[Media] | None, options: Mapping[str, Any]
    ) -> list[Document]:
        plan, modalities, filters = self._settings(options)
        # Asking models what they may read can load them, which would block the event loop.
        media = media if media is not None else [await steps.work(self._media, self.query_modality, query)]
        sources = (
            IndexRanking(self.index, modalities, _joined)
            if self.index is not None
            else StoreRanking(self._views, MODALITIES if modalities is None else modalities)
        )
        policy = self.media_policy
        ranked = await steps.ask(sources.rank, sources.arank, Query(media), plan, filters=filters, policy=policy)
        return [self._document(place) for place in ranked]

    def _settings(self, options: Mapping[str, Any]) -> tuple[Plan, set[Modality] | None, list[Any]]:
        """Return how to rank, of what, and conditions, as a call says, or the fields where it does not.

        Raises:
            TypeError: If an option is unknown.
            ValueError: If an option makes no sense.
        """
        options = _renamed(options)
        if unknown := sorted(set(options) - set(_OPTIONS)):
            msg = f"unknown argument {', '.join(unknown)}; a call takes {', '.join(_OPTIONS)}"
            raise TypeError(msg)
        given = {name: value for name, value in options.items() if value is not None}
        settings = {name: given.get(name, getattr(self, name)) for name in _OPTIONS}
        modalities = settings.pop("modalities")
        chosen = None if modalities is None else chosen_modalities(modalities, MODALITIES)
        filters = [condition for condition in (self.filter, given.get("filter")) if condition is not None]
        return self._planner.plan(settings.pop("k"), {name: settings[name] for name in OPTIONS}), chosen, filters

    def _document(self, place: Ranking) -> Document:
        if place.item is None:
            return document_from_hit(place.hit)
        names = {view.space: view.model_name for view in self._views}
        return result_document(place.item, place.hit, names[place.hit.space])

    def _media(self, modality: Modality, item: Any) -> Media:
        return media_from(modality, item, policy=self.media_policy)

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        """Return what traces say of the retriever: its stores and its models."""
        params = super()._get_ls_params(**kwargs)
        if self.index is not None:
            stores, classes, spaces = ["senseweave.Index"], ["senseweave"], list(self.index.spaces)
        else:
            stores = [type(store).__name__ for store in self._stores]
            classes = [type(view.embeddings).__name__ for view in self._views]
            spaces = [view.model_name for view in self._views]
        params["ls_vector_store_provider"] = ", ".join(dict.fromkeys(stores))
        params["ls_embedding_provider"] = ", ".join(dict.fromkeys(classes))
        params["ls_embedding_model"] = ", ".join(dict.fromkeys(spaces))
        return params


def _renamed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with `min_score` under its name, which other retrievers of LangChain call `score_threshold`.

    Raises:
        ValueError: If both are given.
    """
    given = dict(options)
    if "score_threshold" not in given:
        return given
    if given.get("min_score") is not None:
        msg = "min_score and score_threshold are the same; give one of the two"
        raise ValueError(msg)
    threshold = given.pop("score_threshold")
    return {**given, "min_score": threshold}


def _joined(filters: Sequence[Any]) -> dict[str, Any] | None:
    """Return a filter of an index that holds where all do."""
    return {"and": filters} if filters else None
