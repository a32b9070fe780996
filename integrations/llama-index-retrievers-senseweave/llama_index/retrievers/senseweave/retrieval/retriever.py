"""`SenseweaveRetriever`: one calibrated ranking over vector stores of several modalities and spaces, or an index."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self, Unpack

from llama_index.core import VectorStoreIndex
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import BaseNode, IndexNode, NodeWithScore, QueryBundle
from llama_index.core.storage.docstore import BaseDocumentStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore, MetadataFilters
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.embeddings.senseweave.items.shown import shown_node
from llama_index.retrievers.senseweave.items.bundle import query_media
from llama_index.retrievers.senseweave.items.hits import complete_node, node_from_hit, with_matched_words
from llama_index.retrievers.senseweave.retrieval.filters import check_filters, index_condition, join_filters
from llama_index.retrievers.senseweave.retrieval.stores import LlamaIndexView, view_store
from llama_index_instrumentation import get_dispatcher

from senseweave.interop import (
    DIRECT,
    MODALITIES,
    OFF_LOOP,
    OPTIONS,
    Embedded,
    Index,
    IndexRanking,
    Media,
    MediaPolicy,
    Modality,
    Plan,
    Planner,
    Query,
    Ranking,
    RankingOptions,
    Steps,
    StoreRanking,
    choose_policy,
    chosen_modalities,
    given_vector,
    run_direct,
    whole_number,
)

DEFAULT_TOP_K = 10

dispatcher = get_dispatcher(__name__)


class SenseweaveRetriever(BaseRetriever):
    """Retrieves text, images, audio and video by text, image, audio or video, ranked as one list.

    `pip install "llama-index-retrievers-senseweave[starter,chroma]"`

    Similarities of different modalities and spaces are not comparable as they are; the core makes them so. A node's
    score is the calibrated one: comparable with every other of the same answer, larger is better.

    Examples:
        ```python
        from llama_index.retrievers.senseweave import MediaQueryBundle, SenseweaveRetriever

        retriever = SenseweaveRetriever(vector_store, embed_model, similarity_top_k=5)
        nodes = retriever.retrieve("a dog on the grass")
        nodes = retriever.retrieve(MediaQueryBundle(image_path="query.jpg"))
        ```
    """

    def __init__(
        self,
        vector_stores: BasePydanticVectorStore | Sequence[BasePydanticVectorStore] | None = None,
        embed_model: SenseweaveEmbedding | Sequence[SenseweaveEmbedding] | None = None,
        *,
        index: Index | None = None,
        similarity_top_k: int = DEFAULT_TOP_K,
        modalities: Collection[Modality] | None = None,
        filters: MetadataFilters | None = None,
        use_bundle_embedding: bool = False,
        docstore: BaseDocumentStore | None = None,
        root: str | None = None,
        network: bool = False,
        policy: MediaPolicy | None = None,
        mark_data: bool = True,
        full_paths: bool = False,
        callback_manager: CallbackManager | None = None,
        object_map: dict[str, Any] | None = None,
        objects: list[IndexNode] | None = None,
        verbose: bool = False,
        **options: Unpack[RankingOptions],
    ) -> None:
        """Retrieve from vector stores or from an index.

        Args:
            vector_stores: A vector store, or several of them (one per space).
            embed_model: The model of the store's vectors, or as many as there are stores.
            index: A `senseweave.Index`, which has its own models, instead of stores.
            similarity_top_k: How many nodes to return.
            modalities: Only nodes of these modalities; None for all.
            filters: Condition on metadata.
            use_bundle_embedding: Whether a bundle's `embedding` comes before its text and media. If False it is only
                used where there is nothing else to embed, because LlamaIndex's retrievers leave the vectors of their
                own model in bundles that they share.
            docstore: Where the nodes are, for stores that hold vectors alone.
            root: Media of queries must lie under this folder.
            network: Whether http and https URLs of queries may be fetched.
            policy: All limits on reading; instead of `root` and `network`.
            mark_data: Whether language models are shown each node between marks that no document can forge, after a
                notice that what they enclose is data and no instruction.
            full_paths: Whether language models are shown the whole path of a source rather than the file's name.
            callback_manager: Receives the events of every retrieval.
            object_map: Objects that index nodes stand for, by id.
            objects: The same, as index nodes.
            verbose: Whether to print what is retrieved from objects.
            **options: How to rank, as in `Index.search`:
                `fusion`: How scores are made comparable, a name in `senseweave.retrieval.METHODS`; None: the default.
                `weights`: By modality, for `fusion="weighted_rrf"`; 1 where none is given.
                `quota`: By modality, the least number of nodes on each page; 0 where none is given.
                `min_score`: Leave out nodes with a lower score; None for no limit.
                `offset`: How many of the best nodes to leave out, for the next page; 0 by default.
                `group`: Whether the chunks of one source become one node; False by default.
                `diversity`: From 0 to 1: how much nodes should differ; None for no change of order.
                `rerank`: Name of a reranking model, or a reranker, which orders the best nodes anew; None for none.
                `rerank_depth`: How many nodes the reranker reads; 50 by default.
                `words`: Whether to search by words too, of an index or of Chroma stores; False by default.

        Raises:
            TypeError: If an option is of the wrong type; the message names it.
            ValueError: If the number of models does not fit, or an option makes no sense.
        """
        policy = choose_policy(policy, root, network)
        if (index is None) == (vector_stores is None):
            msg = "give vector_stores or an index, one of the two"
            raise ValueError(msg)
        self.similarity_top_k = whole_number("similarity_top_k", similarity_top_k, 1)
        self.modalities = None if modalities is None else chosen_modalities(modalities, MODALITIES)
        self.filters = check_filters(filters)
        self.options = options
        self._planner = Planner()
        self.use_bundle_embedding = use_bundle_embedding
        self._index = index
        self._views = [] if vector_stores is None else _views(vector_stores, embed_model, docstore)
        self._planner.plan(similarity_top_k, self.options)  # wrong options are errors here, and not of the first query
        self.mark_data = mark_data
        self.full_paths = full_paths
        self.media_policy = policy or (index.policy if index is not None else self._views[0].embed_model.media_policy)
        super().__init__(callback_manager=callback_manager, object_map=object_map, objects=objects, verbose=verbose)

    @classmethod
    def from_defaults(
        cls,
        index: VectorStoreIndex | Sequence[VectorStoreIndex] | Index | None = None,
        nodes: Sequence[BaseNode] | None = None,
        vector_stores: BasePydanticVectorStore | Sequence[BasePydanticVectorStore] | None = None,
        embed_model: SenseweaveEmbedding | Sequence[SenseweaveEmbedding] | None = None,
        **options: Any,
    ) -> Self:
        """Retrieve from whichever is given: indexes (of LlamaIndex or the core), nodes, or vector stores.

        Args:
            index: One or several `VectorStoreIndex` whose models are `SenseweaveEmbedding`s, or a `senseweave.Index`.
            nodes: Nodes to embed and keep in memory.
            vector_stores: One or several vector stores.
            embed_model: For nodes and stores; the starter if None.
            **options: Those of the constructor.

        Raises:
            ValueError: If not exactly one of index, nodes and vector_stores is given.
        """
        if sum(source is not None for source in (index, nodes, vector_stores)) != 1:
            msg = "give exactly one of index, nodes and vector_stores"
            raise ValueError(msg)
        if isinstance(index, Index):
            return cls(index=index, **options)
        if nodes is not None:
            if embed_model is not None and not isinstance(embed_model, SenseweaveEmbedding):
                msg = f"nodes are embedded by one model; embed_model must be a SenseweaveEmbedding, not {embed_model!r}"
                raise ValueError(msg)
            return cls.from_nodes(nodes, embed_model, **options)
        if vector_stores is not None:
            return cls(vector_stores, embed_model or SenseweaveEmbedding(), **options)
        return cls._from_indexes([index] if isinstance(index, VectorStoreIndex) else list(index or ()), **options)

    @classmethod
    def from_nodes(
        cls, nodes: Sequence[BaseNode], embed_model: SenseweaveEmbedding | None = None, **options: Any
    ) -> Self:
        """Embed nodes and retrieve from them in memory.

        Args:
            nodes: Nodes of any modality; their `embedding` is set.
            embed_model: The starter if None.
            **options: Those of the constructor.
        """
        embed_model = embed_model or SenseweaveEmbedding()
        return cls._from_indexes([VectorStoreIndex(list(embed_model(nodes)), embed_model=embed_model)], **options)

    @classmethod
    def _from_indexes(cls, indexes: list[VectorStoreIndex], **options: Any) -> Self:
        models = [index._embed_model for index in indexes]
        for model in models:
            if not isinstance(model, SenseweaveEmbedding):
                msg = f"the embed_model of an index must be a SenseweaveEmbedding, not {type(model).__name__}"
                raise TypeError(msg)
        retriever = cls([index.vector_store for index in indexes], models, **options)  # type: ignore[arg-type]
        for view, index in zip(retriever._views, indexes, strict=True):
            view.docstore = view.docstore or index.docstore
            view.node_ids = index.index_struct.nodes_dict
        return retriever

    @dispatcher.span
    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return run_direct(self._answer(DIRECT, query_bundle))

    @dispatcher.span
    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await self._answer(OFF_LOOP, query_bundle)

    async def _answer(self, steps: Steps, bundle: QueryBundle) -> list[NodeWithScore]:
        media = await steps.work(self._media, bundle)
        plan, modalities, filters = self._settings(getattr(bundle, "options", None) or {})
        query = Query(media) if media else None
        given = None if media else await steps.work(self._given_query, bundle.embedding or [])
        sources = self._sources(modalities)
        ranked = await steps.ask(sources.rank, sources.arank, query, plan, filters=filters, embedded=given)
        return await steps.work(lambda: [self._node(place) for place in ranked])

    def _settings(self, options: Mapping[str, Any]) -> tuple[Plan, Collection[Modality] | None, MetadataFilters | None]:
        """Return how to rank, of what, and conditions: the options of a question over those of the retriever."""
        known = ("similarity_top_k", "modalities", "filters", *OPTIONS)
        if unknown := set(options) - set(known):
            msg = f"unknown option {', '.join(sorted(map(repr, unknown)))}; there are {', '.join(known)}"
            raise ValueError(msg)
        ranking: Any = {**self.options, **options}
        count = whole_number("similarity_top_k", ranking.pop("similarity_top_k", self.similarity_top_k), 1)
        asked = ranking.pop("modalities", self.modalities)
        modalities = None if asked is None else chosen_modalities(asked, MODALITIES)
        filters = join_filters(self.filters, check_filters(ranking.pop("filters", None)))
        return self._planner.plan(count, ranking), modalities, filters

    def _given_query(self, embedding: Sequence[float]) -> Embedded:
        return given_vector(embedding, {view.space: view.embed_model.dimension for view in self._views})

    def _sources(self, modalities: Collection[Modality] | None) -> StoreRanking | IndexRanking:
        if self._index is not None:
            return IndexRanking(self._index, modalities, index_condition)
        return StoreRanking(self._views, MODALITIES if modalities is None else modalities)

    def _node(self, place: Ranking) -> NodeWithScore:
        """Return a result as language models should be shown it."""
        node = node_from_hit(place.hit) if place.item is None else complete_node(place.item, self.media_policy)
        node = with_matched_words(node, place.hit)
        shown = shown_node(node, mark_data=self.mark_data, full_paths=self.full_paths)
        return NodeWithScore(node=shown, score=place.hit.score)

    def _media(self, bundle: QueryBundle) -> list[Media]:
        """Return the media and texts to embed; none where the bundle's own vector is to be used.

        Raises:
            ValueError: If there is neither.
        """
        if self.use_bundle_embedding and bundle.embedding is not None and self._index is None:
            return []
        media = query_media(bundle, self.media_policy)
        if not media and bundle.embedding is None:
            msg = "the query bundle holds neither text nor media nor an embedding"
            raise ValueError(msg)
        if not media and self._index is not None:
            msg = "a senseweave.Index is asked by text or media; it cannot be asked by the bundle's embedding"
            raise ValueError(msg)
        return media


def _views(
    source: BasePydanticVectorStore | Sequence[BasePydanticVectorStore],
    embed_model: SenseweaveEmbedding | Sequence[SenseweaveEmbedding] | None,
    docstore: BaseDocumentStore | None,
) -> list[LlamaIndexView]:
    stores = [source] if isinstance(source, BasePydanticVectorStore) else list(source)
    models = [embed_model] if isinstance(embed_model, SenseweaveEmbedding) else list(embed_model or ())
    if len(models) == 1:
        models *= len(stores)
    if not stores or len(models) != len(stores):
        msg = f"{len(stores)} vector stores need as many models, or one for all, not {len(models)}"
        raise ValueError(msg)
    pairs = zip(stores, models, strict=True)
    return [view_store(store, model, docstore, number) for number, (store, model) in enumerate(pairs)]
