"""Searching: embed the query once per space, ask each collection, put the answers on one scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from senseweave.errors import UnsupportedModalityError
from senseweave.media import MODALITIES, MediaPolicy
from senseweave.retrieval.calibration.cells import Calibration
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion import EmbeddedPart, compose_query, find_method
from senseweave.retrieval.fusion.composition import unit
from senseweave.retrieval.hits import Hit, hit_of
from senseweave.retrieval.query import Query
from senseweave.retrieval.ranking import Ranked, merge, resolve_method
from senseweave.retrieval.records.copies import Copies, as_record
from senseweave.retrieval.records.first_schema import source_of
from senseweave.retrieval.search.grouping import group_by_source
from senseweave.retrieval.search.paging import best_positions, page_of
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.search.rerank import rerank
from senseweave.retrieval.stores.chroma import Found, Store
from senseweave.retrieval.stores.description import Description
from senseweave.spaces.space import Space

Candidate = Ranked[tuple[Description, Found]]
"""A record that a collection returned, on the common scale."""
FEW_COPIES = 500
"""Copies that pass a filter and are looked up; where more do, they are met among the nearest records instead."""
LEAST_FETCHED = 10
"""Records asked of every collection, so that the methods that look at one list see more than its tip."""


@dataclass
class Asked:
    """One collection with the parts of the query that its space can embed."""

    description: Description
    parts: list[EmbeddedPart]


def embed_query(query: Query, spaces: Mapping[str, Space]) -> dict[str, list[EmbeddedPart]]:
    """Embed every part in every space that can, once.

    Raises:
        UnsupportedModalityError: If no space can embed any part of the query.
        MediaError: If a media of the query cannot be read.
    """
    embedded: dict[str, list[EmbeddedPart]] = {}
    for name, space in spaces.items():
        parts = [(media, weight) for media, weight in query.parts if media.modality in space.modalities]
        if not any(weight > 0 for _, weight in parts):
            continue
        vectors = space.encode([media for media, _ in parts], role="query").vectors
        embedded[name] = [
            EmbeddedPart(unit(vector), media.modality, weight)
            for vector, (media, weight) in zip(vectors, parts, strict=True)
        ]
    if not embedded:
        asked = next(media.modality for media, weight in query.parts if weight > 0)
        known = [m for m in MODALITIES if any(m in space.modalities for space in spaces.values())]
        raise UnsupportedModalityError("the index", asked, known)
    return embedded


def answer(
    store: Store, calibration: Calibration, query: Query, asked: Sequence[Asked], plan: Plan, policy: MediaPolicy
) -> list[Hit]:
    """Find candidates, then drop, rerank, group and spread them as the plan says, and cut out the page."""
    depth = plan.depth
    while True:
        candidates = find(store, calibration, asked, depth, query.length, plan)
        hits = [as_hit(one, policy) for one in candidates]
        if not plan.group or _holds_sources(hits, depth, plan):
            break
        depth *= 2
    if plan.min_score is not None:
        hits = [hit for hit in hits if hit.score >= plan.min_score]
    if plan.reranker is not None:
        hits = rerank(query, [hits[at] for at in best_positions(hits, depth, plan, plan.pages)], plan.reranker)
    if plan.group:
        hits = group_by_source(hits)
    vectors = {(one.item[0].space, one.item[1].id): one.item[1].vector for one in candidates}
    return with_sources(store, page_of(hits, [vectors[hit.space, hit.id] for hit in hits], plan))


def _holds_sources(hits: Sequence[Hit], depth: int, plan: Plan) -> bool:
    """Whether hits hold sources enough, of every modality with a quota as well, or the best `depth` were all."""
    sources: Counter[str] = Counter(modality for modality, _ in {(hit.modality, hit.source) for hit in hits})
    found: Counter[str] = Counter(hit.modality for hit in hits)
    quotas = (plan.quota or {}).items()
    enough = sources.total() >= plan.depth or len(hits) < depth
    return enough and all(sources[name] >= share * plan.pages or found[name] < depth for name, share in quotas)


def find(
    store: Store, calibration: Calibration, asked: Sequence[Asked], k: int, length: float, plan: Plan
) -> list[Candidate]:
    """Ask every collection for its best `k` and merge what they answer, best first: `k`, or with quotas all of it."""
    cells = {
        one.description.name: [calibration.statistics(one.description, part.modality) for part in one.parts]
        for one in asked
    }
    # Chroma counts by walking through the collection, which takes as long as searching it: what has statistics is not
    # counted.
    filled = [one for one in asked if None not in cells[one.description.name] or store.count(one.description)]
    known = {name: found[0] for name, found in cells.items() if all(cell is not None for cell in found)}
    method = resolve_method(plan.method, [one.description.name for one in filled], known)  # type: ignore[arg-type]
    lists: dict[str, list[tuple[tuple[Description, Found], float]]] = {}
    statistics: dict[str, Statistics] = {}
    for one in filled:
        name = one.description.name
        vector, cell = compose_query(one.parts, cells[name], find_method(method), length)
        rows = store.query(
            one.description,
            vector[None],
            max(k, LEAST_FETCHED),
            where=plan.where,
            with_vectors=plan.diversity is not None,
        )[0]
        if plan.where is not None:
            rows = with_copies(store, one.description, vector, rows, max(k, LEAST_FETCHED), plan)
        lists[name] = [((one.description, row), row.similarity) for row in rows]
        if cell is not None:
            statistics[name] = cell
    weights = {
        one.description.name: plan.weights[one.description.modality]
        for one in filled
        if plan.weights and one.description.modality in plan.weights
    }
    most = sum(map(len, lists.values())) if plan.quota else k
    return merge(lists, most, method=method, statistics=statistics, weights=weights or None, key=_content)


def with_copies(
    store: Store, description: Description, vector: np.ndarray, rows: list[Found], k: int, plan: Plan
) -> list[Found]:
    """Join to the rows whose own metadata pass the filter those that pass it at another source, as they stand there."""
    copies = Copies(store, description)
    known = {row.id for row in rows}
    options: dict[str, Any] = {"with_vectors": plan.diversity is not None}
    if not copies.has_more(FEW_COPIES, plan.where):
        places = copies.matching(plan.where)
        near = store.query(description, vector[None], k, ids=list(places), **options)[0] if places else []
        return _joined_places(rows, near, places, known, k)
    depth = FEW_COPIES
    while True:
        # So many copies pass that records which have one are soon met among the nearest of all.
        near = store.query(description, vector[None], depth, **options)[0]
        places = copies.matching(plan.where, among=[row.id for row in near if row.id not in known])
        joined = _joined_places(rows, near, places, known, k)
        if len(near) < depth or (len(joined) == k and near[-1].similarity <= joined[-1].similarity):
            return joined
        depth *= 4


def _joined_places(
    rows: list[Found], near: list[Found], places: Mapping[str, list[Found]], known: set[str], k: int
) -> list[Found]:
    more = [row for row in near if row.id in places and row.id not in known]
    shown = [replace(row, metadata=as_record(places[row.id][0].metadata)) for row in more]
    return sorted([*rows, *shown], key=lambda row: -row.similarity)[:k]


def with_sources(store: Store, hits: Sequence[Hit]) -> list[Hit]:
    """Tell hits of every source at which their content stands, their own before the others."""
    told: dict[str, list[str]] = {}
    for key, description in store.descriptions.items():
        here = [hit for hit in hits if (hit.space, hit.modality) == key]
        copies = Copies(store, description).of(hit.id for hit in here)
        for row in store.get(description, ids=list(copies)):
            others = [str(one.metadata["source"]) for one in copies[row.id]]
            told[row.id] = [source_of(row.id, row.metadata), *others]
    return [replace(hit, sources=tuple(dict.fromkeys([hit.source, *told.get(hit.id, ())]))) for hit in hits]


def _content(item: tuple[Description, Found]) -> object:
    """What makes records of different spaces the same: the same part of the same content."""
    description, row = item
    values = row.metadata
    if "sha256" not in values:
        return description.name, row.id
    return description.modality, values["sha256"], values.get("start"), values.get("end"), values.get("page")


def as_hit(candidate: Candidate, policy: MediaPolicy) -> Hit:
    """The hit that users see of a candidate."""
    description, row = candidate.item
    return hit_of(
        row.id,
        row.metadata,
        row.text,
        score=candidate.score,
        raw_score=candidate.raw_score,
        modality=description.modality,
        space=description.space,
        calibration=candidate.method,
        policy=policy,
    )
