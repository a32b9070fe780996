# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Asks several embedding retrievers and merges their lists with senseweave's calibrated merging."""

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from haystack import Document
from haystack.components.embedders.types import TextEmbedder
from haystack.components.retrievers.types import EmbeddingRetriever
from haystack_integrations.common.senseweave.embeddings import SpaceComponent
from haystack_integrations.common.senseweave.retrieval import check_fingerprints

import senseweave as sw
from senseweave.media import MODALITIES, Modality
from senseweave.retrieval import Statistics, StoreStatistics, background, merge
from senseweave.retrieval.calibration.probes import PROBES
from senseweave.retrieval.calibration.store_statistics import Sample
from senseweave.retrieval.fusion import find_method

LEAST_FETCHED = 10
"""Documents asked of every list, so that methods that look at one list see more than its tip."""
SAMPLE = 1024
"""Most Documents of a list that its statistics are estimated from."""
MEDIA = [one for one in MODALITIES if one != "text"]
"""Every other Document is text: those of Haystack's own converters name no modality."""


class StoresSearch:
    """Retrievers by name, each with the embedder of its queries."""

    def __init__(
        self,
        retrievers: dict[str, EmbeddingRetriever],
        embedders: TextEmbedder | dict[str, TextEmbedder],
        modalities: list[Modality] | None,
        fusion: str | None,
        statistics: dict[str, dict[str, Any]],
        weights: dict[str, float] | None,
        *,
        auto_calibrate: bool,
    ) -> None:
        self._retrievers = retrievers
        each = embedders if isinstance(embedders, dict) else dict.fromkeys(retrievers, embedders)
        self._embedders: dict[str, TextEmbedder] = each
        self._modalities = modalities
        self._fusion = fusion
        self._statistics = statistics
        self._weights = weights
        self._auto_calibrate = auto_calibrate
        # A retriever cannot say how many Documents it has, so what is estimated is kept until `close`.
        self._estimated = StoreStatistics[str](self._sample, self._probes, documents_like=self._documents_like)
        self._samples: dict[str, list[Document]] = {}
        self._probed: dict[int, np.ndarray] = {}

    def warm_up(self) -> None:
        """Warm up retrievers and embedders."""
        for one in self._parts():
            if hasattr(one, "warm_up"):
                one.warm_up()

    async def warm_up_async(self) -> None:
        """Like `warm_up`; what has no asynchronous way of its own is warmed up in a thread."""
        for one in self._parts():
            if hasattr(one, "warm_up_async"):
                await one.warm_up_async()
            elif hasattr(one, "warm_up"):
                await asyncio.to_thread(one.warm_up)

    def close(self) -> None:
        """Close retrievers and embedders."""
        self._estimated.clear()
        self._samples.clear()
        for one in self._parts():
            if hasattr(one, "close"):
                one.close()

    def calibrate(self, documents: dict[str, list[Document]], queries: list[str] | None) -> dict[str, dict[str, Any]]:
        """Estimate the statistics of each list from Documents with embeddings."""
        lists = dict(self._lists())
        estimated = {}
        for name, of_list in documents.items():
            if name not in lists:
                msg = f"{name!r} is none of the lists {', '.join(lists)}"
                raise ValueError(msg)
            vectors = [one.embedding for one in of_list if one.embedding is not None]
            if not vectors:
                msg = f"the Documents of {name!r} have no embeddings; put them through a document embedder first"
                raise ValueError(msg)
            embedder = self._embedders[lists[name]]
            asked = _embeddings(embedder, queries) if queries else self._probes(name)
            estimated[name] = background(asked, np.asarray(vectors)).to_dict()
        return estimated

    def run(self, query: str | sw.Media, top_k: int, filters: dict[str, Any] | None) -> list[Document]:
        """Return the best Documents of all lists together, best first."""
        self.warm_up()
        distinct = {id(one): one for one in self._embedders.values()}
        embeddings = {key: _embed(one, query) for key, one in distinct.items()}
        found = {}
        for name, retriever in self._lists().items():
            inputs = self._inputs(name, retriever, embeddings, top_k, filters)
            found[name] = self._retrievers[retriever].run(**inputs)["documents"]
        return self._merged(found, top_k, self._known(query, embeddings))

    async def run_async(self, query: str | sw.Media, top_k: int, filters: dict[str, Any] | None) -> list[Document]:
        """Like `run`; embedders and retrievers work side by side and off the event loop."""
        await self.warm_up_async()
        distinct = {id(one): one for one in self._embedders.values()}
        embedded = await asyncio.gather(*(_embed_async(one, query) for one in distinct.values()))
        embeddings = dict(zip(distinct, embedded, strict=True))
        lists = self._lists()
        answers = await asyncio.gather(
            *(
                _run_async(self._retrievers[retriever], **self._inputs(name, retriever, embeddings, top_k, filters))
                for name, retriever in lists.items()
            )
        )
        found = {name: answer["documents"] for name, answer in zip(lists, answers, strict=True)}
        return self._merged(found, top_k, await asyncio.to_thread(self._known, query, embeddings))

    def _parts(self) -> list[Any]:
        parts = [*self._embedders.values(), *self._retrievers.values()]
        return list({id(one): one for one in parts}.values())

    def _lists(self) -> dict[str, str]:
        """Return the name of each list and of the retriever that gives it."""
        if self._modalities is None:
            return {name: name for name in self._retrievers}
        return {f"{name}/{modality}": name for name in self._retrievers for modality in self._modalities}

    def _inputs(
        self,
        name: str,
        retriever: str,
        embeddings: Mapping[int, list[float]],
        top_k: int,
        filters: dict[str, Any] | None,
    ) -> dict[str, Any]:
        if name != retriever:
            modality = _of_modality(name.removeprefix(f"{retriever}/"))
            filters = {"operator": "AND", "conditions": [filters, modality]} if filters else modality
        embedding = embeddings[id(self._embedders[retriever])]
        return {"query_embedding": embedding, "filters": filters, "top_k": max(top_k, LEAST_FETCHED)}

    def _known(self, query: str | sw.Media, embeddings: Mapping[int, list[float]]) -> dict[str, Statistics]:
        """Return the statistics of each list for this query: given ones first, then estimated ones."""
        modality: Modality = "text" if isinstance(query, str) else query.modality
        given = self._statistics if modality == "text" else {}
        known = {name: Statistics.from_dict(values) for name, values in given.items()}
        missing = [name for name in self._lists() if name not in known]
        calibrated = self._fusion is None or find_method(self._fusion).needs_statistics
        if self._auto_calibrate and missing and calibrated:
            estimated = {name: self._estimated.of(name, modality) for name in missing}
            known.update({name: cell for name, cell in estimated.items() if cell is not None})
        lists = self._lists()
        return {
            name: cell.for_query(np.asarray(embeddings[id(self._embedders[lists[name]])]))
            for name, cell in known.items()
            if name in lists
        }

    def _sample(self, name: str) -> Sample:
        """Return the embeddings of a list's Documents, shape (n, dimension), and n."""
        documents = self._documents(name)
        return np.asarray([one.embedding for one in documents]), len(documents)

    def _documents_like(self, name: str, modality: Modality) -> np.ndarray:
        """Return embeddings of Documents of a modality, from all lists, that are as long as those of one list."""
        lengths = {len(one.embedding or []) for one in self._documents(name)}
        found = (one for other in self._lists() for one in self._documents(other))
        alike = [one.embedding for one in found if _modality(one) == modality]
        return np.asarray([one for one in alike if one is not None and len(one) in lengths])

    def _documents(self, name: str) -> list[Document]:
        """Return Documents of a list that have embeddings; asked for again as long as there are none."""
        documents = self._samples.get(name)
        if not documents:
            centre = self._probes(name).mean(axis=0).tolist()
            documents = [one for one in self._nearest(name, centre) if one.embedding is not None]
            self._samples[name] = documents
        return documents

    def _nearest(self, name: str, embedding: list[float]) -> list[Document]:
        """Return the `SAMPLE` Documents of a list that are nearest to an embedding, with theirs where it gives them."""
        retriever = self._lists()[name]
        inputs = self._inputs(name, retriever, {id(self._embedders[retriever]): embedding}, SAMPLE, None)
        run = self._retrievers[retriever].run
        if "return_embedding" in inspect.signature(run).parameters:
            inputs["return_embedding"] = True
        documents: list[Document] = run(**inputs)["documents"]
        return documents

    def _probes(self, name: str) -> np.ndarray:
        embedder = self._embedders[self._lists()[name]]
        if id(embedder) not in self._probed:
            self._probed[id(embedder)] = _embeddings(embedder, PROBES)
        return self._probed[id(embedder)]

    def _merged(
        self, found: Mapping[str, list[Document]], top_k: int, statistics: Mapping[str, Statistics]
    ) -> list[Document]:
        lists = self._lists()
        for name, documents in found.items():
            embedder = self._embedders[lists[name]]
            check_fingerprints(documents, name, _fingerprint(embedder))
        ranked = merge(
            {name: [(one, float(one.score or 0.0)) for one in documents] for name, documents in found.items()},
            top_k,
            method=self._fusion,
            statistics=statistics,
            weights=self._weights,
            key=lambda document: document.id,
        )
        return [
            replace(
                one.item,
                score=one.score,
                meta={**one.item.meta, "raw_score": one.raw_score, "fusion": one.method},
            )
            for one in ranked
        ]


def _of_modality(modality: str) -> dict[str, Any]:
    """Return the filter that Documents of a modality pass."""
    if modality == "text":
        return {"field": "meta.modality", "operator": "not in", "value": MEDIA}
    return {"field": "meta.modality", "operator": "==", "value": modality}


def _modality(document: Document) -> str:
    named = document.meta.get("modality")
    return named if named in MEDIA else "text"


def _embeddings(embedder: Any, texts: Sequence[str]) -> np.ndarray:
    return np.asarray([embedder.run(text=text)["embedding"] for text in texts])


def _embed(embedder: Any, query: str | sw.Media) -> list[float]:
    if isinstance(query, str):
        embedding: list[float] = embedder.run(text=query)["embedding"]
        return embedding
    vector: list[float] = _space_component(embedder).embed_media(query)
    return vector


async def _embed_async(embedder: Any, query: str | sw.Media) -> list[float]:
    if isinstance(query, str):
        embedding: list[float] = (await _run_async(embedder, text=query))["embedding"]
        return embedding
    return await _space_component(embedder).embed_media_async(query)


def _fingerprint(embedder: Any) -> str | None:
    return embedder.fingerprint if isinstance(embedder, SpaceComponent) else None


def _space_component(embedder: Any) -> SpaceComponent:
    if not isinstance(embedder, SpaceComponent):
        msg = f"{type(embedder).__name__} embeds text alone; to search with media, use a SenseweaveTextEmbedder"
        raise TypeError(msg)
    return embedder


async def _run_async(component: Any, **inputs: Any) -> dict[str, Any]:
    """Run a component without blocking the event loop, whether or not it has an asynchronous way of its own."""
    result: dict[str, Any]
    if callable(getattr(component, "run_async", None)):
        result = await component.run_async(**inputs)
    else:
        result = await asyncio.to_thread(component.run, **inputs)
    return result
