"""Groups of contents that mean something similar, whatever their modality, and what belongs to none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from senseweave.explore.explored_index import ExploredIndex
from senseweave.explore.layout import place_points
from senseweave.explore.naming import name_groups
from senseweave.explore.points import Points, gather_points, nearest
from senseweave.extras import require
from senseweave.media import Modality
from senseweave.notebook import report_html
from senseweave.retrieval.listing import IndexRecord
from senseweave.retrieval.records.schema import default_text
from senseweave.retrieval.search.plan import whole_number

DIMENSIONS: Final = 8
"""Dimensions in which clusters are found. Density says little in hundreds of them; BERTopic takes 5 (arXiv
2203.05794)."""
NEIGHBORS: Final = 10
"""Nearest contents whose distance says how far a content is from all others."""


@dataclass(frozen=True)
class Cluster:
    """Contents that are near each other.

    Attributes:
        name: The words that set it apart from the other clusters.
        words: The same words, the strongest first; empty where no content has words.
        records: The contents, the most typical first.
    """

    name: str
    words: tuple[str, ...]
    records: tuple[IndexRecord, ...]

    @property
    def modalities(self) -> dict[Modality, int]:
        """Number of contents by modality."""
        counts: dict[Modality, int] = {}
        for record in self.records:
            counts[record.modality] = counts.get(record.modality, 0) + 1
        return counts

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True)
class Clusters(Sequence[Cluster]):
    """The clusters of an index, the largest first: a sequence.

    Attributes:
        clusters: The clusters.
        rest: Contents that belong to none.
        space: Name of the space whose vectors were grouped.
        labels: For each content of the space the position of its cluster, or -1, shape (n,).
    """

    clusters: tuple[Cluster, ...]
    rest: tuple[IndexRecord, ...]
    space: str
    labels: np.ndarray = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the clusters as plain values."""
        return {
            "space": self.space,
            "clusters": [
                {
                    "name": cluster.name,
                    "words": list(cluster.words),
                    "size": len(cluster),
                    "modalities": dict(cluster.modalities),
                    "records": [{"id": record.id, "source": record.source} for record in cluster.records],
                }
                for cluster in self.clusters
            ],
            "rest": [{"id": record.id, "source": record.source} for record in self.rest],
        }

    def __len__(self) -> int:
        return len(self.clusters)

    def __iter__(self) -> Iterator[Cluster]:
        return iter(self.clusters)

    def __getitem__(self, index: Any) -> Any:
        return self.clusters[index]

    def __str__(self) -> str:
        groups = "1 cluster" if len(self.clusters) == 1 else f"{len(self.clusters)} clusters"
        return f"{groups}, and {len(self.rest)} contents that belong to none"

    def _repr_html_(self) -> str:
        return report_html(str(self), [f"{cluster.name}: {len(cluster)} {cluster.modalities}" for cluster in self])


@dataclass(frozen=True)
class Outlier:
    """A content that is far from all others.

    Attributes:
        record: The content.
        score: Mean distance (1 - cosine) to its nearest contents, in standard deviations above the mean of all.
    """

    record: IndexRecord
    score: float


def find_clusters(
    index: ExploredIndex,
    *,
    min_size: int,
    space: str | None,
    modalities: Collection[Modality] | None,
    filter: Any,  # noqa: A002  (what every store calls it)
) -> Clusters:
    """Return groups of contents of an index, with modalities balanced."""
    points = gather_points(index, space=space, modalities=modalities, filter=filter)
    return cluster_points(points, whole_number("min_size", min_size, 2))


def cluster_points(points: Points, min_size: int) -> Clusters:
    """Return the clusters of points by HDBSCAN (Campello et al. 2013), in few dimensions that keep who is near whom.

    Args:
        points: The points.
        min_size: Smallest number of contents of a cluster.
    """
    library = require("sklearn.cluster", extra="explore", feature="index.clusters")
    if len(points.records) < 2 * min_size:
        labels = np.full(len(points.records), -1)
    else:
        places = place_points(points.balanced, DIMENSIONS)
        model = library.HDBSCAN(min_cluster_size=min_size, min_samples=min(min_size, 5), copy=True)
        labels = model.fit_predict(places)
    groups = [np.flatnonzero(labels == label) for label in range(int(labels.max(initial=-1)) + 1)]
    groups.sort(key=lambda group: (-len(group), int(group[0])))
    ordered = np.full(len(labels), -1)
    for at, group in enumerate(groups):
        ordered[group] = at
    words = name_groups([[said(points.records[int(at)]) for at in group] for group in groups])
    clusters = [
        Cluster(" ".join(found) or f"cluster {number}", found, _typical(points, group))
        for number, (group, found) in enumerate(zip(groups, words, strict=True), start=1)
    ]
    rest = tuple(points.records[int(at)] for at in np.flatnonzero(ordered == -1))
    return Clusters(tuple(clusters), rest, points.space, ordered)


def find_outliers(
    index: ExploredIndex,
    k: int,
    *,
    space: str | None,
    modalities: Collection[Modality] | None,
    filter: Any,  # noqa: A002  (what every store calls it)
) -> list[Outlier]:
    """Return the contents that are farthest from their nearest contents, with modalities balanced."""
    points = gather_points(index, space=space, modalities=modalities, filter=filter)
    k = whole_number("k", k, 1)
    if len(points.records) < 2:
        return []
    _, similarities = nearest(points.balanced, NEIGHBORS)
    distances = 1 - similarities.mean(axis=1)
    scores = (distances - distances.mean()) / max(float(distances.std()), 1e-12)
    order = np.argsort(-scores, kind="stable")[:k]
    return [Outlier(points.records[int(at)], float(scores[at])) for at in order]


def said(record: IndexRecord) -> str:
    """Return the words of a record: its text, caption, transcript or labels; empty where it has only a file's name."""
    return "" if record.text == default_text(record.modality, record.source) else record.text


def _typical(points: Points, group: np.ndarray) -> tuple[IndexRecord, ...]:
    """Return the records of a cluster, those nearest to its mean first."""
    vectors = points.balanced[group]
    order = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")
    return tuple(points.records[int(group[at])] for at in order)
