# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""One ranking of texts, images, recordings and videos out of several stores or an index of senseweave."""

import asyncio
from pathlib import Path
from typing import Any

from haystack import Document, component, default_from_dict
from haystack.components.embedders.types import TextEmbedder
from haystack.components.retrievers.types import EmbeddingRetriever
from haystack.core.serialization import component_from_dict, component_to_dict, import_class_by_name
from haystack.dataclasses import ByteStream, FileContent, ImageContent
from haystack.document_stores.types import FilterPolicy
from haystack.document_stores.types.filter_policy import apply_filter_policy
from haystack_integrations.common.senseweave.components import Configured, check_modalities
from haystack_integrations.common.senseweave.loading import source_to_media
from haystack_integrations.common.senseweave.retrieval import check_top_k, read_filter_policy
from haystack_integrations.components.embedders.senseweave import SenseweaveTextEmbedder
from haystack_integrations.components.retrievers.senseweave.index_search import IndexSearch
from haystack_integrations.components.retrievers.senseweave.stores_search import StoresSearch

import senseweave as sw
from senseweave.interop import Modality


@component
class SenseweaveMultimodalRetriever(Configured):
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
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        filter_policy: str | FilterPolicy = FilterPolicy.REPLACE,
        root_path: str | Path | None = None,
        network: bool = False,
    ) -> None:
        """Create the component; nothing is opened or loaded yet.

        :param index: The folder of an index made with `senseweave.Index` or `senseweave index`, or an open index. It
            knows its models and its calibration.
        :param retrievers: Instead of an index: embedding retrievers by name. Their scores must be similarities, as
            those of `SenseweaveChromaRetriever` and `InMemoryEmbeddingRetriever` are.
        :param embedders: The text embedder of the retrievers, or one for each by the retriever's name. If None,
            `SenseweaveTextEmbedder()`.
        :param modalities: Only Documents of these modalities, by their `meta["modality"]`; with retrievers,
            those that name none are text. Each modality is then asked for, and calibrated, by itself: give it where a
            store holds several.
        :param fusion: How scores are made comparable, a name in `senseweave.retrieval.METHODS`; None takes the default.
        :param statistics: With retrievers: what is known of the scores in each list, see `calibrate`. Lists are named
            after the retriever, followed by `/` and the modality where `modalities` is given.
        :param auto_calibrate: With retrievers: whether what is not in `statistics` is estimated at the first query,
            from up to a thousand Documents that each retriever returns. It needs retrievers that can return
            embeddings, as those of Chroma and `InMemoryEmbeddingRetriever` can.
        :param weights: By list (with an index, by modality), for the fusion `weighted_rrf`.
        :param filters: Conditions on the Documents.
        :param top_k: How many Documents to return at most.
        :param filter_policy: Whether filters given to `run` replace these or are merged with them.
        :param root_path: A query given as a file must lie under this folder, symbolic links resolved, and relative
            paths are looked for there. None allows every local file.
        :param network: Whether a query may be an http or https URL.
        :raises ValueError: If not exactly one of `index` and `retrievers` is given, the embedders do not fit the
            retrievers, a modality is unknown, or `top_k` is negative.
        """
        if (index is None) == (not retrievers):
            msg = "SenseweaveMultimodalRetriever takes index or retrievers, one of the two"
            raise ValueError(msg)
        if isinstance(embedders, dict) and set(embedders) != set(retrievers or {}):
            msg = f"embedders are for {sorted(embedders)}, retrievers for {sorted(retrievers or {})}"
            raise ValueError(msg)
        check_modalities(modalities or ())
        self.index = str(index) if isinstance(index, Path) else index
        self.retrievers = retrievers
        self.embedders = embedders or (SenseweaveTextEmbedder() if retrievers else None)
        self.modalities = modalities
        self.fusion = fusion
        self.statistics = dict(statistics or {})
        self.auto_calibrate = auto_calibrate
        self.weights = weights
        self.filters = filters or {}
        self.top_k = check_top_k(top_k)
        self.filter_policy = read_filter_policy(filter_policy)
        self.root_path = str(root_path) if root_path is not None else None
        self.network = network
        self._search: IndexSearch | StoresSearch
        if retrievers and self.embedders:
            self._search = StoresSearch(
                retrievers,
                self.embedders,
                self.modalities,
                fusion,
                self.statistics,
                weights,
                auto_calibrate=auto_calibrate,
            )
        else:
            self._search = IndexSearch(index, self.modalities, fusion, weights)

    def warm_up(self) -> None:
        """Open the index, or warm up retrievers and embedders. Calling it again does nothing."""
        self._search.warm_up()

    async def warm_up_async(self) -> None:
        """Like `warm_up`, without blocking the event loop."""
        await self._search.warm_up_async()

    def close(self) -> None:
        """Close the index, or the retrievers and embedders; the next run opens them again."""
        self._search.close()

    async def close_async(self) -> None:
        """Like `close`, in a thread."""
        await asyncio.to_thread(self.close)

    def calibrate(self, documents: dict[str, list[Document]], queries: list[str] | None = None) -> None:
        """Learn how high similarities are in each list when nothing fits; the result is kept in `statistics`.

        An index calibrates itself, and so does this component unless `auto_calibrate` is off. What is learned here is
        kept as plain numbers in `to_dict`, for pipelines that should rank alike wherever they are loaded.

        :param documents: By the name of the list, Documents with embeddings: those of the store, or a sample of some
            hundred.
        :param queries: Questions that have nothing to do with most Documents. None takes general phrases.
        :raises ValueError: If the component searches an index, a name is none of a list, or Documents lack embeddings.
        """
        self.statistics.update(self._search.calibrate(documents, queries))

    def _parameters(self) -> dict[str, Any]:
        parameters = Configured._parameters(self)
        parameters["index"] = self._search.place() if isinstance(self._search, IndexSearch) else None
        retrievers = self.retrievers or {}
        parameters["retrievers"] = {name: component_to_dict(one, name) for name, one in retrievers.items()} or None
        if isinstance(self.embedders, dict):
            parameters["embedders"] = {name: component_to_dict(one, name) for name, one in self.embedders.items()}
        elif self.embedders is not None:
            parameters["embedders"] = component_to_dict(self.embedders, "embedders")
        return parameters

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "SenseweaveMultimodalRetriever":
        """Deserialize the component.

        :param data: What `to_dict` returned.
        :returns: The component.
        """
        parameters = dict(data.get("init_parameters", {}))
        for name in ("retrievers", "embedders"):
            values = parameters.get(name)
            if isinstance(values, dict) and "type" not in values:
                parameters[name] = {key: _component(one, key) for key, one in values.items()}
        return default_from_dict(cls, {**data, "init_parameters": parameters})

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str | None = None,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        media: str | Path | ByteStream | ImageContent | FileContent | None = None,
    ) -> dict[str, Any]:
        """Retrieve Documents of all modalities for a question, or for an image, a recording or a video.

        :param query: The question.
        :param filters: Conditions on the Documents; how they go with those of the constructor says `filter_policy`.
        :param top_k: How many Documents to return at most; None for the number of the constructor.
        :param media: Instead of a question: a path, a permitted URL, or a container of bytes.
        :returns: A dictionary with `documents`, best first. `score` is calibrated and comparable within one call;
            `meta` holds `raw_score` (the similarity), `fusion` (the method) and, from an index, `space`.
        :raises TypeError: If `query` is not a string, or `top_k` no whole number.
        :raises ValueError: If not exactly one of `query` and `media` is given.
        :raises senseweave.FingerprintError: If a store holds embeddings of another space of senseweave than the
            embedder of its queries.
        :raises haystack.errors.FilterError: If the filters are not well formed.
        """
        asked, wanted, conditions = self._inputs(query, filters, top_k, media)
        return {"documents": self._search.run(asked, wanted, conditions) if wanted else []}

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str | None = None,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        media: str | Path | ByteStream | ImageContent | FileContent | None = None,
    ) -> dict[str, Any]:
        """Like `run`, without blocking the event loop; stores are asked side by side."""
        asked, wanted, conditions = await asyncio.to_thread(self._inputs, query, filters, top_k, media)
        return {"documents": await self._search.run_async(asked, wanted, conditions) if wanted else []}

    def _inputs(
        self, query: Any, filters: dict[str, Any] | None, top_k: int | None, media: Any
    ) -> tuple[str | sw.Media, int, dict[str, Any] | None]:
        if (query is None) == (media is None):
            msg = "SenseweaveMultimodalRetriever takes query or media, one of the two"
            raise ValueError(msg)
        if query is not None and not isinstance(query, str):
            msg = (
                f"SenseweaveMultimodalRetriever expects a string as query, not {type(query).__name__}. "
                "To search with an embedding, use the SenseweaveChromaRetriever; to search with a file, give media."
            )
            raise TypeError(msg)
        policy = sw.MediaPolicy(root=self.root_path, network=self.network)
        asked = query if query is not None else source_to_media(media, policy=policy)
        wanted = self.top_k if top_k is None else check_top_k(top_k)
        return asked, wanted, apply_filter_policy(self.filter_policy, self.filters, filters)


def _component(data: dict[str, Any], name: str) -> Any:
    return component_from_dict(import_class_by_name(data["type"]), data, name)
