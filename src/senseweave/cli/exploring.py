"""The commands that explore an index: `duplicates`, `clusters` and `map`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from senseweave.cli import render
from senseweave.cli.filters import parse_filters
from senseweave.cli.hits import flat
from senseweave.cli.options import (
    AsJson,
    Filters,
    IndexPlace,
    OnlyModalities,
    chosen_modalities,
    open_index,
)
from senseweave.cli.output import print_json
from senseweave.errors import SenseweaveError
from senseweave.redaction import without_secrets

if TYPE_CHECKING:
    from senseweave.explore.duplicates.report import Duplicates
    from senseweave.retrieval.listing import IndexRecord

SHOWN = 5
"""Contents of a cluster that are listed."""

SpaceName = Annotated[
    str | None, typer.Option("--space", help="Space whose vectors are compared. [default: the one with most records]")
]


def duplicates(
    place: IndexPlace,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="Least score of a copy, from 0 to 1. [default: measured, by modality]"),
    ] = None,
    modality: OnlyModalities = None,
    conditions: Filters = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete all copies but the best from the index; the files stay.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List copies: equal, encoded again, resized, cropped or cut, and nearly equal texts; the best of each first."""
    with open_index(place, spaces=[]) as index:
        try:
            with render.at_work("comparing contents"):
                found = index.duplicates(
                    threshold=threshold, modalities=chosen_modalities(modality), filter=parse_filters(conditions)
                )
        except ValueError as error:
            raise SenseweaveError(str(error)) from None
        deleted = found.delete() if delete else 0
        size = len(index)
    if as_json:
        print_json({**found.to_dict(), "deleted": deleted, "size": size})
        return
    _print_groups(found)
    if delete:
        render.line_of_outcome(f"{deleted} records deleted; {place} holds {size} records")


def clusters(
    place: IndexPlace,
    min_size: Annotated[int, typer.Option("--min-size", min=2, help="Smallest number of contents of a cluster.")] = 5,
    outliers: Annotated[
        int, typer.Option("--outliers", min=0, help="Also list so many contents that are far from everything.")
    ] = 0,
    space: SpaceName = None,
    modality: OnlyModalities = None,
    conditions: Filters = None,
    as_json: AsJson = False,
) -> None:
    """List groups of contents that mean something similar, whatever their modality, with their words."""
    with open_index(place, spaces=[]) as index:
        chosen, condition = chosen_modalities(modality), parse_filters(conditions)
        try:
            with render.at_work("grouping contents"):
                found = index.clusters(min_size=min_size, space=space, modalities=chosen, filter=condition)
                far = index.outliers(outliers, space=space, modalities=chosen, filter=condition) if outliers else []
        except ValueError as error:
            raise SenseweaveError(str(error)) from None
    if as_json:
        alone = [{"id": o.record.id, "source": o.record.source, "score": o.score} for o in far]
        print_json({**found.to_dict(), "outliers": alone})
        return
    for cluster in found:
        kinds = ", ".join(f"{count} {name}" for name, count in cluster.modalities.items())
        render.line_of_outcome(f"{cluster.name} ({kinds})")
        for record in cluster.records[:SHOWN]:
            render.line_of_outcome(f"  {_name(record)}")
        if len(cluster) > SHOWN:
            render.line_of_outcome(f"  and {len(cluster) - SHOWN} more")
    for outlier in far:
        render.line_of_outcome(f"far from everything ({outlier.score:.1f}): {_name(outlier.record)}")
    render.line_of_outcome(str(found))


def map_command(
    place: IndexPlace,
    out: Annotated[
        Path, typer.Argument(help="The page (.html) or picture (.png) to write; what is there is replaced.")
    ] = Path("map.html"),
    color: Annotated[
        str, typer.Option("--color", help="What colors points at first: modality, cluster, or a name of metadata.")
    ] = "modality",
    space: SpaceName = None,
    modality: OnlyModalities = None,
    conditions: Filters = None,
    as_json: AsJson = False,
) -> None:
    """Draw all contents of an index on one map: a page that needs nothing from elsewhere, or a picture."""
    if not out.absolute().parent.is_dir():
        msg = f"{out}: there is no folder {out.parent}"
        raise SenseweaveError(msg)
    from senseweave.retrieval.stores.addresses import is_address

    with open_index(place, spaces=[]) as index:
        try:
            with render.at_work("drawing the map"):
                made = index.map(
                    out,
                    color=color,
                    title=without_secrets(place) if is_address(place) else Path(place).absolute().name,
                    space=space,
                    modalities=chosen_modalities(modality),
                    filter=parse_filters(conditions),
                )
        except ValueError as error:
            raise SenseweaveError(str(error)) from None
    before, balanced, placed = (None if value != value else round(value, 3) for value in made.mixing)
    if as_json:
        mixing = {"vectors": before, "balanced": balanced, "map": placed}
        print_json({"path": str(made.path), "points": made.points, "space": made.space, "mixing": mixing})
        return
    render.line_of_outcome(f"{made.points} contents drawn in {render.relative(str(made.path), None)}")
    if balanced is not None:
        render.line_of_outcome(
            f"neighbors of other modalities, 1 as by chance: {before} before the map was balanced, {placed} on it"
        )


def _name(record: IndexRecord) -> str:
    """Return the path of a content, with the span, page or file inside that tells it from others of its source."""
    origin = record.provenance
    where = render.span_or_page(origin.span, origin.page, origin.part)
    return f"{flat(render.relative(record.source, None))}  {where}".rstrip()


def _print_groups(found: Duplicates) -> None:
    for group in found:
        best = flat(render.relative(group.best.name, None))
        render.line_of_outcome(f"{group.modality}, {group.kind}: keep {best}")
        for copy in group.others:
            render.line_of_outcome(f"  {copy.score:.2f} {flat(render.relative(copy.name, None))}")
    for source, reason in found.unread.items():
        render.warning(f"{source}: {reason}; compared by its hash alone")
    render.line_of_outcome(str(found))
