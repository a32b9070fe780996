"""Routes: add and delete; not there on a read-only server."""

from __future__ import annotations

import json
import logging
import os
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Query, UploadFile

import senseweave as sw
from senseweave.concurrency import WRITING, run_in
from senseweave.display import printable
from senseweave.media.forms.local_names import source_path
from senseweave.retrieval import Report
from senseweave.serving.bodies import JSONRoute
from senseweave.serving.errors import ApiError, PlainJSON, input_error
from senseweave.serving.options import read_add_form
from senseweave.serving.schemas import AddAnswer, DeleteAnswer, TextsRequest
from senseweave.serving.services import Services, Shared
from senseweave.serving.work import off_loop

LOG = logging.getLogger("senseweave.serving")
router = APIRouter(prefix="/api", tags=["changes"], route_class=JSONRoute)


@router.post("/texts", response_model=AddAnswer)
async def add_texts(asked: TextsRequest, shared: Shared) -> Any:
    """Add texts."""
    for text in asked.texts:
        if text.source is not None and source_path(text.source) is not None:
            raise ApiError(422, "invalid_source", "source must be a label or a URL, not the path of a file")
    try:
        media = [sw.Text(text.text, source=text.source, metadata=text.metadata) for text in asked.texts]
        report = await shared.index.aadd(media, on_error="skip", **asked.options)
    except (TypeError, ValueError) as error:
        raise input_error(error) from None
    return PlainJSON(_counted(report))


@router.post("/files", response_model=AddAnswer)
async def add_files(
    shared: Shared,
    files: Annotated[list[UploadFile], File(description="Files of any type that `senseweave index` reads.")],
    options: Annotated[dict[str, Any], Depends(read_add_form)],
    metadata: Annotated[str, Form(description="Flat values kept with every record, as JSON.")] = "{}",
) -> Any:
    """Upload files and add them; the server keeps them, so that hits can show them."""
    uploads = shared.uploads
    if uploads is None:
        raise ApiError(403, "no_uploads", "this server keeps no uploads")
    try:
        values = json.loads(metadata)
    except (ValueError, RecursionError):
        raise ApiError(422, "invalid_metadata", "metadata is not JSON") from None
    if not isinstance(values, dict):
        raise ApiError(422, "invalid_metadata", "metadata must be an object of flat values")
    try:
        kept = await off_loop(uploads.keep, [(file.filename, file.file) for file in files])
    except OSError as error:
        LOG.error("an upload cannot be kept: %s", error)
        raise ApiError(507, "not_kept", "the server cannot keep uploads now; its log says why") from None
    try:
        report = await shared.index.aadd(kept, metadata=values, on_error="skip", **options)
    except (TypeError, ValueError) as error:
        raise input_error(error) from None
    finally:
        await off_loop(uploads.release, kept)
    return PlainJSON(_counted(report))


@router.delete("/records/{identifier}", response_model=DeleteAnswer)
async def delete_record(identifier: str, shared: Shared) -> Any:
    """Delete a record, with all records of the same content."""
    record = await off_loop(shared.files.find, identifier)
    return await _delete(shared, record.source, ids=[identifier])


@router.delete("/sources", response_model=DeleteAnswer)
async def delete_source(source: Annotated[str, Query(min_length=1)], shared: Shared) -> Any:
    """Delete all records of a source."""
    return await _delete(shared, source, sources=[source])


async def _delete(shared: Services, place: str, **chosen: Any) -> PlainJSON:
    removed = await run_in(WRITING, lambda: shared.index.delete(**chosen))
    if shared.uploads is not None:
        await off_loop(shared.uploads.remove_unused, place)
    return PlainJSON({"deleted": removed})


def _counted(report: Report) -> dict[str, Any]:
    def name(source: str) -> str:
        return os.path.basename(source) if source_path(source) is not None else source

    failed = [{"source": name(error.source), "reason": printable(error.reason)} for error in report.failed]
    partial = {name(source): list(notes) for source, notes in report.partial.items()}
    return {"counts": report.counts, "failed": failed, "partial": partial}
