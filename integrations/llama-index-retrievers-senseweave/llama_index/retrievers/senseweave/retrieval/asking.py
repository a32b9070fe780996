"""Asks vector stores of one or several models, and merges what they answer into one calibrated ranking."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from llama_index.core.schema import BaseNode, NodeWithScore
from llama_index.core.vector_stores.types import MetadataFilters
from llama_index.embeddings.senseweave import SenseweaveEmbedding
from llama_index.embeddings.senseweave.embeddings.batches import Batches
from llama_index.retrievers.senseweave.retrieval.stores import Scored, StoreView

from senseweave.errors import UnsupportedModalityError
from senseweave.media import MODALITIES, Media, Modality
from senseweave.retrieval import Statistics, merge
from senseweave.retrieval.fusion import EmbeddedPart, compose_query, find_method
from senseweave.retrieval.merging import resolve_method

LEAST_FETCHED = 10
"""Nodes asked of every store and modality, so that merging sees more than the tip of each list."""


@dataclass(frozen=True)
class Wanted:
    """One list of results to get: nodes of one modality of one store, by a unit vector."""

    name: str
    view: StoreView
    modality: Modality
    vector: list[float]


@dataclass(frozen=True)
class Plan:
    """The lists to get for one query, what is known of their similarities, and the method that merges them."""

    lists: list[Wanted]
    statistics: dict[str, Statistics]
    method: str


@dataclass
class StoreSearch:
    """What is asked of the stores in every search.

    Attributes:
        views: The stores with their models.
        k: How many nodes.
        modalities: Of the nodes.
        filters: Further conditions on metadata.
        fusion: How similarities are made comparable; None takes the core's choice.
    """

    views: list[StoreView]
    k: int
    modalities: tuple[Modality, ...]
    filters: MetadataFilters | None
    fusion: str | None

    def search(self, parts: list[Media], embedding: list[float] | None) -> list[NodeWithScore]:
        """Find the nodes that answer a query best.

        Args:
            parts: What is asked; each counts where a model can embed it.
            embedding: Asked in their place where there are none.

        Raises:
            UnsupportedModalityError: If no model can embed any part.
            ValueError: If the embedding has the dimension of no model.
        """
        vectors = {id(model): _embedded(model, parts) for model in self._able(parts)}
        plan = self._plan(vectors or self._given(embedding))
        answers = [one.view.find(one.vector, self._fetched, one.modality, self.filters) for one in plan.lists]
        return self._merged(plan, answers)

    async def asearch(self, parts: list[Media], embedding: list[float] | None) -> list[NodeWithScore]:
        """Like `search`, off the event loop."""
        able = await asyncio.to_thread(self._able, parts)
        embedded = await asyncio.gather(*(_aembedded(model, parts) for model in able))
        vectors = {id(model): made for model, made in zip(able, embedded, strict=True)}
        plan = await asyncio.to_thread(lambda: self._plan(vectors or self._given(embedding)))
        answers = await asyncio.gather(
            *(one.view.afind(one.vector, self._fetched, one.modality, self.filters) for one in plan.lists)
        )
        return self._merged(plan, answers)

    @property
    def _fetched(self) -> int:
        return max(self.k, LEAST_FETCHED)

    def _able(self, parts: list[Media]) -> list[SenseweaveEmbedding]:
        """Return the models that can embed some of the parts, each once.

        Raises:
            UnsupportedModalityError: If none can embed any.
        """
        models = list({id(view.embed_model): view.embed_model for view in self.views}.values())
        able = [model for model in models if any(part.modality in model.modalities for part in parts)]
        if parts and not able:
            known = [one for one in MODALITIES if any(one in model.modalities for model in models)]
            raise UnsupportedModalityError("the retriever", parts[0].modality, known)
        return able

    def _plan(self, vectors: dict[int, list[EmbeddedPart]]) -> Plan:
        """Say which stores to ask for which modality with which vector, and how to merge what they answer."""
        calibrated = self.fusion is None or find_method(self.fusion).needs_statistics
        cells: dict[str, tuple[StoreView, Modality, list[Statistics | None]]] = {}
        for number, view in enumerate(self.views):
            for modality in self.modalities if id(view.embed_model) in vectors else ():
                parts = vectors[id(view.embed_model)]
                known = [view.statistics(modality, part.modality) if calibrated else None for part in parts]
                if not (calibrated and view.is_empty(modality)):
                    cells[f"{number}:{modality}"] = (view, modality, known)
        complete = {name: known[0] for name, (_, _, known) in cells.items() if None not in known}
        method = resolve_method(self.fusion, list(cells), complete)  # type: ignore[arg-type]
        lists, statistics = [], {}
        for name, (view, modality, known) in cells.items():
            parts = vectors[id(view.embed_model)]
            length = math.sqrt(sum(part.weight**2 for part in parts))
            vector, cell = compose_query(parts, known, find_method(method), length)
            lists.append(Wanted(name, view, modality, vector.tolist()))
            if cell is not None:
                statistics[name] = cell
        return Plan(lists, statistics, method)

    def _given(self, embedding: list[float] | None) -> dict[int, list[EmbeddedPart]]:
        """The vector of a bundle, for the models that it can be of."""
        given = np.asarray(embedding, np.float32)
        fitting = {id(view.embed_model) for view in self.views if view.embed_model.dimension == given.size}
        if not fitting or not given.any():
            dimensions = ", ".join(sorted({str(view.embed_model.dimension) for view in self.views}))
            msg = f"the bundle's embedding has dimension {given.size}, the stores' vectors have {dimensions}"
            raise ValueError(msg)
        part = EmbeddedPart(given / np.linalg.norm(given), "text", 1.0)
        return {model: [part] for model in fitting}

    def _merged(self, plan: Plan, answers: Sequence[list[Scored]]) -> list[NodeWithScore]:
        ranked = merge(
            {one.name: answer for one, answer in zip(plan.lists, answers, strict=True)},
            self.k,
            method=plan.method,
            statistics=plan.statistics,
            key=_content,
        )
        return [NodeWithScore(node=one.item, score=one.score) for one in ranked]


def _embedded(model: SenseweaveEmbedding, parts: list[Media]) -> list[EmbeddedPart]:
    """Embed the parts that the model can, as queries."""
    made = []
    for modality, group in _by_modality(model, parts).items():
        made += _unit_parts(modality, Batches(model, modality, "query").run(group))
    return made


async def _aembedded(model: SenseweaveEmbedding, parts: list[Media]) -> list[EmbeddedPart]:
    made = []
    for modality, group in _by_modality(model, parts).items():
        made += _unit_parts(modality, await Batches(model, modality, "query").arun(group))
    return made


def _by_modality(model: SenseweaveEmbedding, parts: list[Media]) -> dict[Modality, list[Media]]:
    grouped: dict[Modality, list[Media]] = {}
    for part in parts:
        if part.modality in model.modalities:
            grouped.setdefault(part.modality, []).append(part)
    return grouped


def _unit_parts(modality: Modality, vectors: list[list[float]]) -> list[EmbeddedPart]:
    rows = np.asarray(vectors, np.float32)
    return [EmbeddedPart(row / np.linalg.norm(row), modality, 1.0) for row in rows]


def _content(node: BaseNode) -> object:
    """What makes nodes of different stores the same: the same part of the same content of the same source."""
    values = node.metadata
    if "sha256" not in values:
        return node.node_id
    names = ("source", "modality", "sha256", "start", "end", "page", "character_start")
    return tuple(values.get(name) for name in names)
