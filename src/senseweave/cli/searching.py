"""The command `search`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from senseweave.cli import render
from senseweave.cli.collector import resume_collections
from senseweave.cli.filters import filter_fields, parse_filters
from senseweave.cli.hits import hit_as_dict, print_hits, print_paths
from senseweave.cli.options import (
    EMPTY,
    AsJson,
    Device,
    EndWithNull,
    Filters,
    IndexPlace,
    NamedSpaces,
    OnlyModalities,
    OnlyPaths,
    Trusted,
    choose_device,
    chosen_modalities,
    is_being_written,
    numbers_by_modality,
    open_index,
    trusted_kinds,
)
from senseweave.cli.output import print_json
from senseweave.errors import SenseweaveError
from senseweave.suggestions import did_you_mean

if TYPE_CHECKING:
    from senseweave.retrieval import Hit, Index


def search(
    place: IndexPlace,
    query: Annotated[str | None, typer.Argument(help="A question or description; always read as text.")] = None,
    k: Annotated[int, typer.Option("-k", "--top", min=1, help="Number of hits.")] = 5,
    modality: OnlyModalities = None,
    image: Annotated[Path | None, typer.Option("--image", help="Search by this image.")] = None,
    audio: Annotated[Path | None, typer.Option("--audio", help="Search by this recording.")] = None,
    video: Annotated[Path | None, typer.Option("--video", help="Search by this video.")] = None,
    conditions: Filters = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", help="Only hits with at least this score; 0 is chance.")
    ] = None,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Number of the best hits to leave out.")] = 0,
    group: Annotated[
        bool, typer.Option("--group", help="One hit for each source, with the best of its spans.")
    ] = False,
    diversity: Annotated[
        float | None, typer.Option("--diversity", min=0, max=1, help="How much hits should differ, from 0 to 1.")
    ] = None,
    rerank: Annotated[
        str | None,
        typer.Option(
            "--rerank",
            help="Cross-encoder, ColBERT, ColPali, SPLADE or vision-language model that reorders the best hits: "
            "a hub id or a folder.",
        ),
    ] = None,
    rerank_depth: Annotated[
        int, typer.Option("--rerank-depth", min=1, help="Number of the best hits that --rerank reads.")
    ] = 50,
    words: Annotated[
        bool,
        typer.Option(
            "--words", help='Search by words too: names, part numbers, file names, "quotations" and beginnings*.'
        ),
    ] = False,
    fusion: Annotated[str | None, typer.Option("--fusion", help="Fusion method that makes scores comparable.")] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option("--weight", help="With --fusion weighted_rrf: weight of a modality, image=2; may be repeated."),
    ] = None,
    quota: Annotated[
        list[str] | None,
        typer.Option("--quota", help="Least number of hits of a modality, image=2; may be repeated."),
    ] = None,
    space: NamedSpaces = None,
    device: Device = None,
    trust: Trusted = None,
    paths: OnlyPaths = False,
    null: EndWithNull = False,
    as_json: AsJson = False,
) -> None:
    """Search an index by a question, an image, a recording or a video, or by several of them together.

    Each hit takes two lines: rank, score, modality and path; below them its text, transcript or labels. The exit code
    is 1 if the index is empty.
    """
    asked = _query(query, image, audio, video)
    condition = parse_filters(conditions)
    choose_device(device)
    if rerank is not None:  # by a network that may take long, and much memory
        resume_collections()
    modalities = chosen_modalities(modality)
    weights, quotas = numbers_by_modality("--weight", weight, float), numbers_by_modality("--quota", quota, int)
    with open_index(place, spaces=space or None, trust=trusted_kinds(trust)) as index:
        if len(index) == 0:
            if is_being_written(place):
                advice = "another process is writing to it: try again when its first files are in"
            else:
                advice = f"add files with: senseweave index FILES --into {place}"
            render.failure(f"{place}: the index is empty; {advice}")
            raise typer.Exit(EMPTY)
        hits = index.search(
            asked,
            k=k,
            modalities=modalities,
            filter=condition,
            fusion=fusion,
            min_score=min_score,
            offset=offset,
            group=group,
            diversity=diversity,
            rerank=rerank,
            rerank_depth=rerank_depth,
            weights=weights,
            quota=quotas,
            words=words,
        )
        if not hits:
            render.warning(f"nothing found{_unknown_field(index, condition)}")
    if as_json:
        print_json([hit_as_dict(rank, hit) for rank, hit in enumerate(hits, start=1 + offset)])
    elif paths or null:
        _print_files(hits, null=null)
    else:
        print_hits(render.console, hits, first=1 + offset)


def _query(text: str | None, image: Path | None, audio: Path | None, video: Path | None) -> Any:
    """Return the query that is asked for: a single part, or a `Query` of several.

    Raises:
        SenseweaveError: If nothing is asked for.
    """
    import senseweave as sw

    media = {sw.Image: image, sw.Audio: audio, sw.Video: video}
    parts: list[Any] = [text] if text is not None else []
    parts += [kind(path) for kind, path in media.items() if path is not None]
    if not parts:
        msg = 'pass a query: a text, --image, --audio or --video; example: senseweave search DIR "a dog on the grass"'
        raise SenseweaveError(msg)
    return parts[0] if len(parts) == 1 else sw.Query(parts)


def _print_files(hits: Sequence[Hit], *, null: bool) -> None:
    left_out = print_paths((hit.source for hit in hits), null=null)
    if left_out:
        render.warning(f"{left_out} hits are no files (URLs, texts and bytes) and are left out")


def _unknown_field(index: Index, condition: Mapping[str, Any] | None) -> str:
    """Return which field of a filter no record has, with the closest that there is."""
    if condition is None:
        return ""
    known = {name for source in index.contents() for name in source.fields}
    unknown = sorted(filter_fields(condition) - known)
    if not unknown:
        return ""
    return f": no record has a field {unknown[0]!r}{did_you_mean(unknown[0], known)}"
