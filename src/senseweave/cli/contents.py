"""The commands about what is in an index: `info`, `list`, `delete`, `export` and `import`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from senseweave.cli import render
from senseweave.cli.filters import parse_filters
from senseweave.cli.hits import print_paths, print_sources, source_as_dict
from senseweave.cli.options import (
    EMPTY,
    AsJson,
    EndWithNull,
    Filters,
    IndexPlace,
    IntoPlace,
    ModelOptions,
    OnlyModalities,
    OnlyPaths,
    Trusted,
    chosen_modalities,
    is_being_written,
    load_space,
    open_index,
    opened_place,
    trusted_kinds,
)
from senseweave.cli.output import print_json
from senseweave.errors import SenseweaveError
from senseweave.media.forms.local_names import source_path, stored_name
from senseweave.suggestions import did_you_mean

if TYPE_CHECKING:
    from senseweave.retrieval import Index
    from senseweave.retrieval.contents import SourceSummary


def info(
    place: Annotated[
        str | None,
        typer.Argument(help="Folder or address of an index, as for `search`.", show_default=False, metavar="[INDEX]"),
    ] = None,
    kinds: Annotated[
        bool,
        typer.Option("--kinds", help="Show the kinds of files that are read, what reads them, and what is missing."),
    ] = False,
    presets: Annotated[
        bool, typer.Option("--presets", help="Show the models that an index takes by a need, such as --space photos.")
    ] = False,
    cache: Annotated[
        bool, typer.Option("--cache", help="Show the folder of files made of models, its size, and how large it gets.")
    ] = False,
    space: Annotated[
        str | None,
        typer.Option("--space", help="Load a model, and show what computes it and what a lower precision costs."),
    ] = None,
    option: ModelOptions = None,
    as_json: AsJson = False,
) -> None:
    """Show what is in an index: records per modality, spaces, fingerprints; or a model, the cache, kinds, presets."""
    if kinds + presets + cache + (place is not None) + (space is not None) != 1:
        msg = "info needs an index, or one of --space, --cache, --kinds and --presets, not both"
        raise SenseweaveError(msg)
    if option and space is None:
        msg = "--option is for the model of --space"
        raise SenseweaveError(msg)
    if space is not None:
        described = load_space(space, option).info()
        if as_json:
            print_json(described)
        else:
            render.space(described)
        return
    if cache:
        from senseweave.encoders.runtime.backends.eviction import describe_cache

        kept = describe_cache()
        if as_json:
            print_json(kept)
        else:
            render.cache(kept)
        return
    if presets:
        from senseweave.spaces.presets import PRESETS

        if as_json:
            print_json([preset.describe() for preset in PRESETS])
        else:
            render.presets(PRESETS)
        return
    if place is None:
        from senseweave.media.file_kinds import FILE_KINDS

        if as_json:
            print_json([kind.describe() for kind in FILE_KINDS])
        else:
            render.file_kinds(FILE_KINDS)
        return
    with open_index(place, spaces=[]) as index:
        facts = index.info()
    if as_json:
        print_json(facts)
    else:
        render.info(facts)


def list_command(
    place: IndexPlace,
    modality: OnlyModalities = None,
    conditions: Filters = None,
    paths: OnlyPaths = False,
    null: EndWithNull = False,
    as_json: AsJson = False,
) -> None:
    """List the sources in an index, with the number of their records; the exit code is 1 if there are none."""
    chosen = chosen_modalities(modality)
    with open_index(place, spaces=[]) as index:
        sources = index.contents(parse_filters(conditions))
    if chosen is not None:
        for entry in sources:
            entry.records = {name: count for name, count in entry.records.items() if name in chosen}
        sources = [entry for entry in sources if entry.records]
    if as_json:
        print_json([source_as_dict(entry) for entry in sources])
    elif paths or null:
        print_paths((entry.source for entry in sources), null=null)
    else:
        print_sources(render.console, sources)
    if not sources:
        found = "holds nothing of this kind" if chosen or conditions else "is empty"
        writing = "; another process is writing to it" if is_being_written(place) else ""
        render.warning(f"{place} {found}{writing}")
        raise typer.Exit(EMPTY)


def delete(
    place: IndexPlace,
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders (all that is below), URLs or labels, as `senseweave list` shows them."),
    ] = None,
    ids: Annotated[list[str] | None, typer.Option("--id", help="Id of a record; may be repeated.")] = None,
    conditions: Filters = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be deleted, and delete nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete records from an index by source, id or metadata; the files themselves stay."""
    if sum(bool(given) for given in (sources, ids, conditions)) != 1:
        msg = "name what to delete by one of: sources, --id, --filter"
        raise SenseweaveError(msg)
    condition = parse_filters(conditions)
    with open_index(place, spaces=[]) as index:
        matching = _matching(index, sources) if sources else index.contents(condition)
        if dry_run and not ids:
            if as_json:
                print_json([source_as_dict(entry) for entry in matching])
            else:
                print_sources(render.console, matching)
            return
        if dry_run:
            msg = "--dry-run lists sources; leave it out with --id"
            raise SenseweaveError(msg)
        if ids:
            deleted = index.delete(ids=ids)
        elif sources:
            deleted = index.delete(sources=[entry.source for entry in matching])
        else:
            deleted = index.delete(filter=condition)
        size = len(index)
    if as_json:
        print_json({"deleted": deleted, "size": size})
    else:
        render.line_of_outcome(f"{deleted} records deleted; {place} holds {size} records")
    if not deleted:
        raise typer.Exit(EMPTY)


def export(
    place: IndexPlace,
    file: Annotated[Path, typer.Argument(help="File of JSON lines; compressed if its name ends in .gz.")],
) -> None:
    """Write every record of an index, with its vector, to a file that `import` reads."""
    with open_index(place, spaces=[]) as index:
        count = index.export(file)
    render.line_of_outcome(f"{count} records of {place} written to {file}")


def import_command(
    file: Annotated[Path, typer.Argument(help="A file that `export` wrote.")],
    into: IntoPlace,
    trust: Trusted = None,
) -> None:
    """Read a file that `export` wrote into an index; all of it is checked before anything is written."""
    from senseweave.retrieval import Index

    if not file.is_file():
        msg = f"{file}: no such file; it is written by: senseweave export INDEX FILE"
        raise SenseweaveError(msg)
    with opened_place(into) as opened, Index(opened, spaces=[]) as index:
        count = index.import_(file, trust=trusted_kinds(trust))
        size = len(index)
    render.line_of_outcome(f"{count} records read from {file}; {into} holds {size} records")


def _matching(index: Index, given: list[str]) -> list[SourceSummary]:
    """Return the sources of an index that some names stand for: themselves, or all below them.

    Raises:
        SenseweaveError: If a name stands for none of them.
    """
    known = {entry.source: entry for entry in index.contents()}
    chosen: dict[str, SourceSummary] = {}
    for name in given:
        path = os.path.abspath(name)
        below = path.rstrip(os.sep) + os.sep
        names = (name, stored_name(path))
        found = [source for source in known if source in names or (source_path(source) or "").startswith(below)]
        if not found:
            shown = [render.relative(source, None) for source in known]
            msg = f"{name}: is not in the index; `senseweave list` shows what is"
            raise SenseweaveError(msg + did_you_mean(name, shown))
        chosen |= {source: known[source] for source in found}
    return list(chosen.values())
