"""Make the map of an index: every content of one space as a point, near what means something similar."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np

from senseweave.display import printable, shorten
from senseweave.explore.clusters import Clusters, cluster_points, said
from senseweave.explore.explored_index import ExploredIndex
from senseweave.explore.layout import place_points
from senseweave.explore.map.drawing import draw_map
from senseweave.explore.map.page import Column, write_page
from senseweave.explore.map.previews import make_previews
from senseweave.explore.points import Points, gather_points, mixing
from senseweave.media import MODALITIES, Modality
from senseweave.redaction import quoted, without_secrets
from senseweave.retrieval.listing import IndexRecord

CHARACTERS: Final = 240
"""Characters of a text that are shown."""
PREVIEWS: Final = 12 * 1024**2
"""Most bytes of previews in a page."""
VALUES: Final = 200
"""A metadata name with more different values colors nothing: its points would all differ."""
CLUSTER_SIZE: Final = 5
"""Smallest number of contents of a cluster."""


@dataclass(frozen=True)
class IndexMap:
    """A map that was written.

    Attributes:
        path: Of the page or picture.
        points: Number of contents.
        space: Name of the space whose vectors were placed.
        mixing: How well modalities mix among the ten nearest contents, 1 as by chance and 0 not at all (NaN if there
            is a single modality): of the vectors as they are, balanced, and on the map.
        clusters: The clusters that points are colored by.
    """

    path: Path
    points: int
    space: str
    mixing: tuple[float, float, float]
    clusters: Clusters

    def __str__(self) -> str:
        return f"{self.points} contents of the space {self.space} in {self.path}"


def write_map(
    index: ExploredIndex,
    path: str | Path,
    *,
    color: str,
    title: str | None,
    space: str | None,
    modalities: Collection[Modality] | None,
    filter: Any,  # noqa: A002  (what every store calls it)
    previews: int,
) -> IndexMap:
    """Write a map of an index to a page (`.html`) or a picture (`.png`).

    Raises:
        ValueError: If the path has another ending, the index holds nothing, or has no such metadata to color by.
    """
    place = Path(path)
    if place.suffix.lower() not in (".html", ".htm", ".png"):
        msg = f"a map is a page or a picture: end its name in .html or .png, not {quoted(place.name)}"
        raise ValueError(msg)
    points = gather_points(index, space=space, modalities=modalities, filter=filter)
    if not points.records:
        msg = "there is nothing to draw a map of: the index holds no such records"
        raise ValueError(msg)
    clusters = cluster_points(points, CLUSTER_SIZE)
    columns = color_columns(points, clusters)
    names = [column["title"] for column in columns]
    if color not in names:
        msg = f"color must be one of {', '.join(names)}, not {quoted(color)}"
        raise ValueError(msg)
    columns.insert(0, columns.pop(names.index(color)))
    places = spread(place_points(points.balanced))
    heading = printable(title or "Map of an index")
    if place.suffix.lower() == ".png":
        draw_map(places, np.array(columns[0]["codes"]), columns[0]["names"], heading).save(place)
    else:
        counts = Counter(points.modalities.tolist())
        found = ", ".join(f"{counts[name]} {name}" for name in MODALITIES if counts[name])
        shown = [shorten(" ".join(said(record).split()), CHARACTERS) for record in points.records]
        page = write_page(
            heading,
            places,
            columns,
            [_name(record) for record in points.records],
            shown,
            make_previews(points.records, previews),
            f"{len(points.records)} contents: {found}",
        )
        place.write_bytes(page.encode("utf-8", "backslashreplace"))
    kinds = points.modalities
    figures = (mixing(points.vectors, kinds), mixing(points.balanced, kinds), mixing(places, kinds))
    return IndexMap(Path(os.path.abspath(place)), len(points.records), points.space, figures, clusters)


def color_columns(points: Points, clusters: Clusters) -> list[Column]:
    """Return what points can be colored by: modality, cluster, and metadata with few different values."""
    kinds: list[str] = [name for name in MODALITIES if (points.modalities == name).any()]
    columns: list[Column] = [
        {"title": "modality", "names": kinds, "codes": [kinds.index(name) for name in points.modalities.tolist()]},
        {
            "title": "cluster",
            "names": [cluster.name for cluster in clusters.clusters],
            "codes": clusters.labels.astype(int).tolist(),
        },
    ]
    own = Counter(name for record in points.records for name in record.provenance.own)
    for name in sorted(own):
        values = [record.provenance.own.get(name) for record in points.records]
        listed = sorted({str(value) for value in values if value is not None})
        if 1 < len(listed) <= VALUES and name not in ("modality", "cluster"):
            places = {value: at for at, value in enumerate(listed)}
            codes = [-1 if value is None else places[str(value)] for value in values]
            columns.append({"title": name, "names": [shorten(value, CHARACTERS) for value in listed], "codes": codes})
    return columns


def spread(places: np.ndarray) -> np.ndarray:
    """Return places moved and scaled into the square from -1 to 1, float32."""
    least, most = places.min(axis=0), places.max(axis=0)
    half = max(float((most - least).max()) / 2, 1e-9)
    moved: np.ndarray = (places - (least + most) / 2) / half
    return moved.astype(np.float32)


def _name(record: IndexRecord) -> str:
    """Return the name of a content: its file, with page, part and span."""
    provenance = record.provenance
    source = without_secrets(record.source)
    parts: Sequence[str] = [
        PurePath(source).name or source,
        provenance.part or "",
        f", page {provenance.page}" if provenance.page is not None else "",
        f", {provenance.span[0]:g} to {provenance.span[1]:g} s" if provenance.span is not None else "",
    ]
    return "".join(parts)
