"""Routes: add and delete; not there on a read-only server."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, UploadFile

import senseweave as sw
from senseweave.concurrency import WRITING, run_in
from senseweave.display import printable
from senseweave.media.forms.local_names import source_path
from senseweave.retrieval import Report
from senseweave.serving.bodies import JSONRoute
from senseweave.serving.errors import ApiError, PlainJSON, input_error
from senseweave.serving.schemas import AddAnswer, DeleteAnswer, TextsRequest
from senseweave.serving.services import Services, Shared
from senseweave.serving.work import off_loop

router = APIRouter(prefix="/api", tags=["changes"], route_class=JSONRoute)


@router.post("/texts", response_model=AddAnswer)
async def add_texts(asked: TextsRequest, shared: Shared) -> Any:
    """Add texts."""
    for text in asked.texts:
        if text.source is not None and source_path(text.source) is not None:
            raise ApiError(422, "invalid_source", "source must be a label or a URL, not the path of a file")
    try:
        media = [sw.Text(text.text, source=text.source, metadata=text.metadata) for text in asked.texts]
        report = await shared.index.aadd(media, on_error="skip")
    except (TypeError, ValueError) as error:
        raise input_error(error) from None
    return PlainJSON(_counted(report))


@router.post("/files", response_model=AddAnswer)
async def add_files(
    shared: Shared,
    files: Annotated[list[UploadFile], File(description="Files of any type that `senseweave index` reads.")],
    metadata: Annotated[str, Form(description="Flat values kept with every record, as JSON.")] = "{}",
) -> Any:
    """Upload files and add them; the server keeps them, so that hits can show them."""
    folder = shared.settings.uploads
    if folder is None:
        raise ApiError(403, "no_uploads", "this server keeps no uploads")
    try:
        values = json.loads(metadata)
    except ValueError:
        raise ApiError(422, "invalid_metadata", "metadata is not JSON") from None
    if not isinstance(values, dict):
        raise ApiError(422, "invalid_metadata", "metadata must be an object of flat values")
    kept = [await off_loop(_keep, folder, file) for file in files]
    try:
        report = await shared.index.aadd(kept, metadata=values, on_error="skip")
    except (TypeError, ValueError) as error:
        raise input_error(error) from None
    finally:
        await off_loop(_remove_unused, shared, kept)
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
    path = source_path(place)
    await off_loop(_remove_unused, shared, [Path(path)] if path is not None else [])
    return PlainJSON({"deleted": removed})


def _keep(folder: Path, upload: UploadFile) -> Path:
    """Write an upload to a file that is named as it was, in a folder that is named by its hash."""
    file = upload.file
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    place = folder / digest[:16] / _safe_name(upload.filename)
    place.parent.mkdir(parents=True, exist_ok=True)
    file.seek(0)
    new = place.with_name(f".{secrets.token_hex(8)}.new")
    with new.open("wb") as target:
        while block := file.read(1 << 20):
            target.write(block)
    new.replace(place)
    return place.absolute()


def _safe_name(given: str | None) -> str:
    """Return a name that stays in its folder and is shown as it is: its last part, without what a shell would obey."""
    name = re.split(r"[/\\]", given or "")[-1]
    name = re.sub(r"[^\w.() +-]", "_", printable(name)).strip(". ")
    stem, dot, suffix = name.rpartition(".")
    return (stem[:80] + dot + suffix[:12] if stem else name[:80]) or "upload"


def _remove_unused(shared: Services, paths: Collection[Path]) -> None:
    """Remove uploads of which the index has no record."""
    folder = shared.settings.uploads
    inside = [path for path in paths if folder is not None and path.is_relative_to(folder.absolute())]
    used = shared.index.sources(below=inside) if inside else {}
    for path in inside:
        if str(path) not in used:
            path.unlink(missing_ok=True)
            if path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()


def _counted(report: Report) -> dict[str, Any]:
    def name(source: str) -> str:
        return os.path.basename(source) if source_path(source) is not None else source

    failed = [{"source": name(error.source), "reason": printable(error.reason)} for error in report.failed]
    partial = {name(source): list(notes) for source, notes in report.partial.items()}
    return {"counts": report.counts, "failed": failed, "partial": partial}
