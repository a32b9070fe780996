"""Routes: what is in the index, and its media."""

from __future__ import annotations

import json
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from senseweave.media import Modality
from senseweave.media.export import Exported
from senseweave.redaction import redacted
from senseweave.retrieval import METHODS, FusionMethod
from senseweave.serving.errors import ApiError, PlainJSON, input_error
from senseweave.serving.ranges import SANDBOX, file_response
from senseweave.serving.schemas import (
    InfoAnswer,
    RecordModel,
    RecordsAnswer,
    SourcesAnswer,
    WaveformAnswer,
    binary,
    record_as_dict,
)
from senseweave.serving.services import Services, Shared
from senseweave.serving.work import off_loop

router = APIRouter(prefix="/api", tags=["records"])

Limit = Annotated[int, Query(ge=1, le=1000, description="Most entries.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="Entries to leave out.")]
Filter = Annotated[str | None, Query(alias="filter", description="A condition on metadata, as JSON.")]
Seconds = Annotated[float | None, Query(ge=0, description="Seconds of the source.")]


@router.get("/info", response_model=InfoAnswer)
async def info(shared: Shared) -> Any:
    """Return how many records there are, of which modalities, and what the server allows."""
    facts = await off_loop(shared.index.info)
    note = None if facts["records"] else await off_loop(shared.empty_note)
    return PlainJSON(
        {
            "records": facts["records"],
            "modalities": facts["modalities"],
            "spaces": facts["spaces"],
            "read_only": shared.settings.read_only,
            "uploads": _may_upload(shared),
            "rerankers": list(shared.settings.rerankers),
            "methods": {name: _summary(method) for name, method in METHODS.items()},
            "max_upload_bytes": shared.settings.upload_policy.max_bytes,
            **({"note": note} if note else {}),
        }
    )


@router.get("/sources", response_model=SourcesAnswer)
async def sources(shared: Shared, where: Filter = None, limit: Limit = 100, offset: Offset = 0) -> Any:
    """List the sources of records that match a filter, by name."""
    listed = await off_loop(_checked, lambda: shared.index.contents(_condition(where)))
    page = [{"source": redacted(entry.source), "records": entry.records} for entry in listed[offset : offset + limit]]
    return PlainJSON({"sources": page, "total": len(listed)})


@router.get("/records", response_model=RecordsAnswer)
async def records(
    shared: Shared,
    where: Filter = None,
    modality: Modality | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Any:
    """List records that match a filter."""

    def listed() -> PlainJSON:
        chosen = None if modality is None else [modality]
        found = shared.index.records(filter=_condition(where), modalities=chosen)
        page = [record_as_dict(record) for record in islice(found, offset, offset + limit + 1)]
        return PlainJSON({"records": page[:limit], "next_offset": offset + limit if len(page) > limit else None})

    return await off_loop(_checked, listed)


@router.get("/records/{identifier}", response_model=RecordModel)
async def record(identifier: str, shared: Shared) -> Any:
    """Return a record."""
    return PlainJSON(record_as_dict(await off_loop(shared.files.find, identifier)))


@router.head("/records/{identifier}/original", include_in_schema=False)
@router.get(
    "/records/{identifier}/original",
    response_class=Response,
    responses=binary("*/*")
    | {206: {"description": "The range that was asked for."}, 304: {"description": "As it was."}},
)
async def original(identifier: str, shared: Shared, request: Request) -> Response:
    """Send the file of a record, or the range of it that is asked for; only if it is as it was indexed."""
    opened = await off_loop(lambda: shared.files.take(shared.files.find(identifier)))
    return file_response(request, opened)


@router.get(
    "/records/{identifier}/thumbnail",
    response_class=Response,
    responses=binary("image/jpeg", "image/svg+xml"),
)
async def thumbnail(
    identifier: str, shared: Shared, width: Annotated[int, Query(ge=1, le=1280, description="In pixels.")] = 320
) -> Response:
    """Return a small picture of an image, a page, a video or a recording."""
    return _sent(await off_loop(lambda: shared.previews.thumbnail(shared.files.find(identifier), width)))


@router.get("/records/{identifier}/waveform", response_model=WaveformAnswer)
async def waveform(identifier: str, shared: Shared) -> Any:
    """Return the loudness of a recording in equal steps of its span, from 0 to 1."""
    return PlainJSON({"peaks": await off_loop(lambda: shared.previews.waveform(shared.files.find(identifier)))})


@router.get(
    "/records/{identifier}/clip",
    response_class=Response,
    responses=binary("audio/wav", "video/mp4", "video/webm", "video/x-matroska"),
)
async def clip(identifier: str, shared: Shared, start: Seconds = None, end: Seconds = None) -> Response:
    """Return the span of a recording as WAV, or of a video from the key frame before the span on."""
    return _sent(await off_loop(lambda: shared.previews.clip(shared.files.find(identifier), start, end)))


def _summary(method: FusionMethod) -> str:
    """Return what a fusion method does, in the first sentence that it says of itself."""
    return " ".join((method.__doc__ or method.name).split("\n\n")[0].split())


def _sent(file: Exported) -> Response:
    headers = {"cache-control": "private, max-age=300", "content-security-policy": SANDBOX}
    return Response(file.data, media_type=file.mime_type, headers=headers)


def _may_upload(shared: Services) -> bool:
    return not shared.settings.read_only and shared.settings.uploads is not None


def _condition(where: str | None) -> Any:
    try:
        return json.loads(where) if where else None
    except (ValueError, RecursionError):
        raise ApiError(422, "invalid_filter", "filter is not JSON") from None


def _checked(function: Any) -> Any:
    """Return what a function returns; what is wrong with a filter is the client's error."""
    try:
        return function()
    except (TypeError, ValueError) as error:
        raise input_error(error) from None
