"""Find the duplicates of an index: candidates by vectors, confirmed by what the media are."""

from __future__ import annotations

import numbers
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any, Final

import numpy as np

from senseweave.explore.duplicates.comparing import Comparison
from senseweave.explore.duplicates.items import Item, gather_items
from senseweave.explore.duplicates.report import Copy, DuplicateGroup, Duplicates
from senseweave.explore.explored_index import ExploredIndex
from senseweave.explore.points import nearest
from senseweave.media import MODALITIES, Modality
from senseweave.redaction import quoted
from senseweave.retrieval.records.identity import picture_provenance
from senseweave.spaces.batch import unit_rows

THRESHOLDS: Final[Mapping[Modality, float]] = {"text": 0.6, "image": 0.78, "audio": 0.4, "video": 0.6}
"""Least score of a copy; what each costs and finds is printed by `benchmarks/duplicates.py`."""
NEIGHBORS: Final = 12
"""Nearest items of each item, in every space, that may be its copies."""
NEAR: Final = 0.3
"""Least similarity of a candidate, as a share of the way from unrelated items to equal ones."""
CLEARLY_LARGER: Final = 2
"""How many times the pixels of a picture the scan on a page must have, to be kept in its place."""
COMPARED: Final[Mapping[Modality, int]] = {"text": 300, "image": 40, "audio": 100, "video": 20}
"""Up to this number of items all pairs are compared, whatever their vectors say."""


def find_duplicates(
    index: ExploredIndex,
    *,
    threshold: float | Mapping[Modality, float] | None = None,
    modalities: Collection[Modality] | None = None,
    filter: Any = None,  # noqa: A002  (what every store calls it)
) -> Duplicates:
    """Return the groups of duplicates of an index, the surest first.

    Raises:
        ValueError: If a threshold is not between 0 and 1, or is for a modality that does not exist.
    """
    least = thresholds(threshold)
    items = gather_items(index.records(filter=filter, modalities=modalities, vectors=True))
    comparison = Comparison()
    groups: list[DuplicateGroup] = []
    for modality in MODALITIES:
        chosen = [item for item in items if item.modality == modality]
        groups += _groups(chosen, modality, least[modality], comparison)
    groups.sort(key=lambda group: (-group.score, group.best.name))
    return Duplicates(tuple(groups), comparison.unread, partial(_delete, index))


def thresholds(given: Any) -> dict[Modality, float]:
    """Return the least score of a copy of each modality.

    Raises:
        ValueError: If a threshold is not between 0 and 1, or is for a modality that does not exist.
    """
    named = given if isinstance(given, Mapping) else dict.fromkeys(MODALITIES, given)
    for modality, value in named.items():
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if modality not in MODALITIES or not (value is None or (is_number and 0 < value <= 1)):
            msg = (
                f"threshold must be a number above 0 and at most 1, by modality or for all, not {quoted(given)}; "
                f"modalities are {', '.join(MODALITIES)}"
            )
            raise ValueError(msg)
    return {**THRESHOLDS, **{modality: float(value) for modality, value in named.items() if value is not None}}


def _groups(
    items: Sequence[Item], modality: Modality, least: float, comparison: Comparison
) -> Iterator[DuplicateGroup]:
    """Yield the groups of copies among items of a modality."""
    by_content: dict[object, list[Item]] = {}
    for item in items:
        content = item.content
        by_content.setdefault(id(item) if content in (None, "") else content, []).append(item)
    equal = list(by_content.values())
    leads = [copies[0] for copies in equal]
    scores: list[float] = [1.0 if len(copies) > 1 else 0.0 for copies in equal]
    joined = list(range(len(leads)))

    def root(at: int) -> int:
        while joined[at] != at:
            joined[at] = joined[joined[at]]
            at = joined[at]
        return at

    for first, second in _candidates(leads, modality):
        score = comparison.score(leads[first], leads[second])
        if score >= least:
            joined[root(first)] = root(second)
            scores[first], scores[second] = max(scores[first], score), max(scores[second], score)
    together: dict[int, list[int]] = {}
    for at in range(len(leads)):
        together.setdefault(root(at), []).append(at)
    for members in together.values():
        ranked = sorted(
            ((item, _copy(item, scores[at], comparison)) for at in members for item in equal[at]),
            key=lambda pair: _preference(pair[0], pair[1], comparison),
        )
        best, *copies = (copy for _, copy in ranked)
        if copies:
            others = sorted(copies, key=lambda copy: (-copy.score, copy.name))
            yield DuplicateGroup(modality, "equal" if len(members) == 1 else "near", best, tuple(others))


def _candidates(items: Sequence[Item], modality: Modality) -> list[tuple[int, int]]:
    """Return pairs of items that may be copies: near each other in a space, or all pairs of few items."""
    if len(items) <= COMPARED[modality]:
        return list(combinations(range(len(items)), 2))
    found: set[tuple[int, int]] = set()
    for space in sorted({space for item in items for space in item.sums}):
        at = np.array([number for number, item in enumerate(items) if space in item.sums])
        vectors = unit_rows(np.stack([items[number].sums[space] for number in at]), allow_zero=True)
        unrelated = float(np.median(vectors[:256] @ vectors[-256:].T))
        places, similarities = nearest(vectors, NEIGHBORS)
        near = similarities >= unrelated + NEAR * (1 - unrelated)
        for row, column in np.argwhere(near):
            first, second = int(at[row]), int(at[places[row, column]])
            found.add((min(first, second), max(first, second)))
    return sorted(found)


def _preference(item: Item, copy: Copy, comparison: Comparison) -> tuple[Any, ...]:
    """Return what the copies of a group are sorted by, the one to keep first; see `DuplicateGroup.best`."""
    inside = item.part is not None or item.page is not None
    size = comparison.scan_pixels(item) / CLEARLY_LARGER if item.is_drawn else copy.size
    return -round(size), item.is_drawn, -round(copy.size), inside, -copy.bytes, copy.added_at, copy.name


def _copy(item: Item, score: float, comparison: Comparison) -> Copy:
    size, count = comparison.size(item)
    ids = tuple(record.id for record in item.records)
    return Copy(item.source, ids, score, item.part, item.page, size, count, item.added_at)


def _delete(index: ExploredIndex, copies: Mapping[str, Collection[str]]) -> int:
    """Remove sources of which the index holds copies alone, given as ids by source, and return the number of records.

    The words that were read in a picture go with it.
    """
    other: set[str] = set()
    for record in index.records(filter={"source": {"$in": sorted(copies)}}):
        if picture_provenance(record.provenance) is None and record.id not in copies[record.source]:
            other.add(record.source)
    sources = sorted(set(copies) - other)
    return index.delete(sources=sources) if sources else 0
