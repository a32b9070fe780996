# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""One ranking of texts, images, recordings and videos out of several stores or an index of senseweave."""

from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from haystack import Document, component, default_from_dict
from haystack.components.embedders.types import TextEmbedder
from haystack.components.retrievers.types import EmbeddingRetriever
from haystack.core.serialization import component_from_dict, component_to_dict, import_class_by_name
from haystack.dataclasses import ByteStream, FileContent, ImageContent
from haystack.document_stores.types import FilterPolicy
from haystack_integrations.common.senseweave.components import Container, keep_parameters
from haystack_integrations.common.senseweave.loading import source_to_media
from haystack_integrations.components.embedders.senseweave import SenseweaveTextEmbedder
from haystack_integrations.components.retrievers.senseweave.filters import apply_policy, for_index
from haystack_integrations.components.retrievers.senseweave.sources import (
    RetrieverView,
    check_reranker_name,
    check_serialized_reranker,
    plan_options,
    ranked_document,
)

import senseweave as sw
from senseweave.interop import (
    DIRECT,
    MODALITIES,
    OFF_LOOP,
    OPTIONS,
    IndexRanking,
    ListStatistics,
    Lock,
    Modality,
    Plan,
    Planner,
    Reranker,
    Steps,
    StoreRanking,
    chosen_modalities,
    in_thread,
    run_direct,
    whole_number,
)


@component
class SenseweaveMultimodalRetriever(Container):
    """Retrieves from several stores, or from a `senseweave.Index`, and merges what they find into one fair ranking.

    Similarities of different models or modalities cannot be compared: a good match of a question and a photograph may
    score less than a poor match of a question and a text. They are made comparable by senseweave's calibrated merging;
    `meta["raw_score"]` keeps the similarity that a Document came with.

    ### Usage example

    ```python
    from haystack_integrations.components.retrievers.senseweave import (
        SenseweaveChromaRetriever,
        SenseweaveMultimodalRetriever,
    )
    from haystack_integrations.document_stores.chroma import ChromaDocumentStore

    texts = ChromaDocumentStore(collection_name="texts", distance_function="cosine")
    photos = ChromaDocumentStore(collection_name="photos", distance_function="cosine")
    retriever = SenseweaveMultimodalRetriever(
        retrievers={
            "texts": SenseweaveChromaRetriever(document_store=texts),
            "photos": SenseweaveChromaRetriever(document_store=photos),
        }
    )
    print(retriever.run(query="a dog on the grass")["documents"])
    ```
    """

    @keep_parameters
    def __init__(
        self,
        *,
        index: str | Path | sw.Index | None = None,
        retrievers: dict[str, EmbeddingRetriever] | None = None,
        embedders: TextEmbedder | dict[str, TextEmbedder] | None = None,
        modalities: list[Modality] | None = None,
        fusion: str | None = None,
        statistics: dict[str, dict[str, Any]] | None = None,
        auto_calibrate: bool = True,
        weights: dict[str, float] | None = None,
        quota: dict[str, int] | None = None,
        min_score: float | None = None,
        offset: int = 0,
        group: bool = False,
        diversity: float | None = None,
        rerank: str | Reranker | None = None,
        rerank_depth: int = 50,
        words: bool = False,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
        root_path: str | Path | None = None,
        network: bool = False,
    ) -> None:
        """Create the component; nothing is opened or loaded yet.

        :param index: The folder of an index made with `senseweave.Index` or `senseweave index`, or an open index. It
            knows its models and its calibration.
        :param retrievers: Instead of an index: embedding retrievers by name. Scores that are distances, as those of
            `ChromaEmbeddingRetriever`, are taken for the similarities that they stand for.
        :param embedders: The text embedder of the retrievers, or one for each by the retriever's name. If None,
            `SenseweaveTextEmbedder()`.
        :param modalities: Only Documents of these modalities, by their `meta["modality"]`; with retrievers,
            those that name none are text. Each modality is then searched and calibrated by itself: give it where a
            store holds several.
        :param fusion: How scores are made comparable, a name in `senseweave.retrieval.METHODS`; None takes the default.
        :param statistics: With retrievers: what is known of the scores in each list, see `calibrate`. Lists are named
            after the retriever, followed by `/` and the modality where `modalities` is given.
        :param auto_calibrate: With retrievers: whether what is not in `statistics` is estimated at the first query,
            from up to a thousand Documents that each retriever returns. It needs retrievers that can return
            embeddings, as those of Chroma and `InMemoryEmbeddingRetriever` can.
        :param weights: By modality or by list, for the fusion `weighted_rrf`.
        :param quota: By modality, the smallest number of Documents of each page while there are as many.
        :param min_score: Leave out Documents with a lower `score`.
        :param offset: How many of the best Documents to leave out, for the next page.
        :param group: Whether chunks of one source become one Document, the best of them.
        :param diversity: From 0 to 1: how much Documents should differ from each other.
        :param rerank: Name of a reranking model, or an object with `name` and `scores(query, hits)`, that orders the
            best `rerank_depth` Documents again. A component with an object cannot be serialized.
        :param rerank_depth: How many Documents are reranked.
        :param words: Whether to search by words too: names, part numbers and quotations are found as they are written.
            Needs `index`, or retrievers of Chroma stores.
        :param filters: Conditions on the Documents. The filters of the retrievers themselves always hold too.
        :param top_k: How many Documents to return at most.
        :param filter_policy: Whether filters given to `run` replace these or are joined with them by AND.
        :param root_path: A query given as a file must lie under this folder, symbolic links resolved, and relative
            paths are looked for there. None allows every local file.
        :param network: Whether a query may be an http or https URL.
        :raises TypeError: If an option has a value of the wrong type.
        :raises ValueError: If not exactly one of `index` and `retrievers` is given, the embedders do not fit the
            retrievers, a modality is unknown, or an option makes no sense.
        """
        if (index is None) == (not retrievers):
            msg = "SenseweaveMultimodalRetriever takes index or retrievers, one of the two"
            raise ValueError(msg)
        if isinstance(embedders, dict) and set(embedders) != set(retrievers or {}):
            msg = f"embedders are for {sorted(embedders)}, retrievers for {sorted(retrievers or {})}"
            raise ValueError(msg)
        chosen_modalities(modalities, MODALITIES)
        self.embedders = embedders or (SenseweaveTextEmbedder() if retrievers else None)
        self.statistics = dict(statistics or {})
        self.filters = filters or {}
        self.top_k = whole_number("top_k", top_k, 0)
        self.filter_policy = FilterPolicy(filter_policy)
        self._index: sw.Index | None = None
        self._opening = Lock()
        views = [RetrieverView(name, each, self._embedder(name)) for name, each in (retrievers or {}).items()]
        self._lists = ListStatistics(views, modalities, self.statistics, estimate=auto_calibrate)
        self._ranking = (
            StoreRanking(views, modalities) if index is None else IndexRanking(self._opened, modalities, for_index)
        )
        held = [*(view.embedder for view in views), *(retrievers or {}).values()]
        self._held = list({id(component): component for component in held}.values())
        self._planner = Planner((*self._lists.names, *(retrievers or {})))
        self._plan(max(self.top_k, 1), {})

    def warm_up(self) -> None:
        """Open the index and load what embeds questions, or warm up retrievers and embedders."""
        if self.index is not None:
            for space in self._opened().spaces.values():
                space.load([modality for modality in space.modalities if modality == "text"])
        Container.warm_up(self)

    async def warm_up_async(self) -> None:
        """Like `warm_up`, without blocking the event loop."""
        if self.index is not None and self._index is None:
            await in_thread(self.warm_up)
        await Container.warm_up_async(self)

    def close(self) -> None:
        """Close the index, or the retrievers and embedders; the next run opens them again.

        An index that was given open is left open.
        """
        with self._opening:
            index, self._index = self._index, None
        if index is not None and index is not self.index:
            index.close()
        self._planner.rerankers.clear()
        self._lists.clear()
        Container.close(self)

    def calibrate(self, documents: dict[str, list[Document]], queries: list[str] | None = None) -> None:
        """Learn how high similarities are in each list when nothing fits; the result is kept in `statistics`.

        An index calibrates itself, and so does this component unless `auto_calibrate` is off. What is learned here is
        kept as plain numbers in `to_dict`, for pipelines that should rank alike wherever they are loaded.

        :param documents: By the name of the list, Documents with embeddings: those of the store, or a sample of some
            hundred.
        :param queries: Questions that have nothing to do with most Documents; general phrases if None.
        :raises ValueError: If the component searches an index, a name is not that of a list, or a Document has no
            embedding.
        """
        if self.index is not None:
            msg = "an index calibrates itself when media are added"
            raise ValueError(msg)
        samples = {
            name: [document.embedding for document in sample if document.embedding is not None]
            for name, sample in documents.items()
        }
        self._lists.learn(samples, queries)

    def _parameters(self) -> dict[str, Any]:
        check_reranker_name(self.rerank)
        parameters = Container._parameters(self)
        parameters["index"] = self._index_folder()
        retrievers = self.retrievers or {}
        parameters["retrievers"] = {name: component_to_dict(each, name) for name, each in retrievers.items()} or None
        if isinstance(self.embedders, dict):
            parameters["embedders"] = {name: component_to_dict(each, name) for name, each in self.embedders.items()}
        elif self.embedders is not None:
            parameters["embedders"] = component_to_dict(self.embedders, "embedders")
        return parameters

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "SenseweaveMultimodalRetriever":
        """Deserialize the component, if its reranker asks for nothing that only the caller can allow.

        :param data: What `to_dict` returned, or what a YAML file says.
        :returns: The component.
        :raises senseweave.TrustError: If the model of `rerank` would be downloaded, or lies at a path that this user
            has never named. `with senseweave.trust("download"):` or the environment variable `SENSEWEAVE_TRUST`
            allows it.
        """
        parameters = deepcopy(data.get("init_parameters", {}))
        check_serialized_reranker(cls, parameters)
        for name in ("retrievers", "embedders"):
            values = parameters.get(name)
            if isinstance(values, dict) and "type" not in values:
                parameters[name] = {key: _component(each, key) for key, each in values.items()}
        return default_from_dict(cls, {**data, "init_parameters": parameters})

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str | None = None,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        media: str | Path | ByteStream | ImageContent | FileContent | None = None,
        options: dict[str, Any] | None = None,
        modalities: list[str] | None = None,
    ) -> dict[str, Any]:
        """Retrieve Documents of all modalities for a question, or for an image, a recording or a video.

        :param query: The question.
        :param filters: Conditions on the Documents; `filter_policy` says whether they replace those of the constructor.
            The filters of the retrievers themselves always hold too.
        :param top_k: How many Documents to return at most; None for the number of the constructor.
        :param media: Instead of a question: a path, a permitted URL, or a container of bytes.
        :param options: Other values for this call of `fusion`, `weights`, `quota`, `min_score`, `offset`, `group`,
            `diversity`, `rerank`, `rerank_depth` and `words`.
        :param modalities: Only Documents of these modalities; None for those of the constructor.
        :returns: A dictionary with `documents`, best first. `score` is calibrated and comparable within one call;
            `meta` holds `raw_score` (the similarity), `fusion` (the method) and, from an index, `space`. Where content
            is found at several sources, `meta["sources"]` lists them.
        :raises TypeError: If `query` is not a string, or an option has a value of the wrong type.
        :raises ValueError: If not exactly one of `query` and `media` is given, or an option makes no sense.
        :raises senseweave.FingerprintError: If a store holds embeddings of another space of senseweave than the
            embedder of its queries.
        :raises haystack.errors.FilterError: If the filters are not well formed.
        """
        return run_direct(self._answer(DIRECT, query, filters, top_k, media, options, modalities))

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str | None = None,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        media: str | Path | ByteStream | ImageContent | FileContent | None = None,
        options: dict[str, Any] | None = None,
        modalities: list[str] | None = None,
    ) -> dict[str, Any]:
        """Like `run`, without blocking the event loop; stores are searched side by side."""
        return await self._answer(OFF_LOOP, query, filters, top_k, media, options, modalities)

    async def _answer(
        self,
        steps: Steps,
        query: Any,
        filters: dict[str, Any] | None,
        top_k: int | None,
        media: Any,
        options: Any,
        modalities: list[str] | None,
    ) -> dict[str, Any]:
        chosen = self._ranking.modalities if modalities is None else chosen_modalities(modalities, MODALITIES)
        question, count, conditions = await steps.work(self._inputs, query, filters, top_k, media)
        plan = self._plan(max(count, 1), options or {})
        if count == 0:
            return {"documents": []}
        await steps.ask(partial(Container.warm_up, self), partial(Container.warm_up_async, self))
        ranking = replace(self._ranking, modalities=chosen)
        ranked = await steps.ask(ranking.rank, ranking.arank, sw.Query([question]), plan, filters=conditions)
        return {"documents": [ranked_document(place) for place in ranked]}

    def _inputs(
        self, query: Any, filters: dict[str, Any] | None, top_k: int | None, media: Any
    ) -> tuple[sw.Media, int, dict[str, Any] | None]:
        if (query is None) == (media is None):
            msg = "SenseweaveMultimodalRetriever takes query or media, one of the two"
            raise ValueError(msg)
        if query is not None and not isinstance(query, str):
            msg = (
                f"SenseweaveMultimodalRetriever expects a string as query, not {type(query).__name__}. "
                "To search with an embedding, use the SenseweaveChromaRetriever; to search with a file, give media."
            )
            raise TypeError(msg)
        question = sw.Text(query) if query is not None else source_to_media(media, policy=self._policy)
        count = self.top_k if top_k is None else whole_number("top_k", top_k, 0)
        return question, count, apply_policy(self.filter_policy, self.filters, filters)

    def _plan(self, k: int, options: dict[str, Any]) -> Plan:
        """Return how to rank: the options of a call over those of the constructor."""
        return self._planner.plan(k, plan_options(self, options, OPTIONS))

    def _embedder(self, name: str) -> Any:
        """Return the embedder of the queries of a retriever."""
        return self.embedders[name] if isinstance(self.embedders, dict) else self.embedders

    def _opened(self) -> sw.Index:
        with self._opening:
            if self._index is None:
                self._index = self.index if isinstance(self.index, sw.Index) else sw.Index.open(str(self.index))
            return self._index

    def _index_folder(self) -> str | None:
        """Return the folder of the index; an index on a Chroma client has none, and cannot be serialized."""
        if not isinstance(self.index, sw.Index):
            return None if self.index is None else str(self.index)
        info = self.index.info()
        if info["bytes"] is None:
            msg = "an index that is open on a Chroma client cannot be serialized; give the folder of the index"
            raise ValueError(msg)
        return str(info["place"])


def _component(data: dict[str, Any], name: str) -> Any:
    return component_from_dict(import_class_by_name(data["type"]), data, name)
