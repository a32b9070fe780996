"""Routes: search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from senseweave.errors import MediaError
from senseweave.serving.bodies import JSONRoute
from senseweave.serving.errors import ApiError, PlainJSON, input_error
from senseweave.serving.inputs import read_query
from senseweave.serving.schemas import MOST_PARTS, SearchAnswer, SearchRequest, hit_as_dict
from senseweave.serving.services import Services, Shared
from senseweave.serving.work import off_loop

router = APIRouter(prefix="/api", tags=["search"], route_class=JSONRoute)


@router.post("/search", response_model=SearchAnswer)
async def search(asked: SearchRequest, shared: Shared) -> Any:
    """Search by words, or by several weighted parts in JSON."""
    return await _answer(shared, asked, [])


@router.post("/search/upload", response_model=SearchAnswer)
async def search_by_upload(
    shared: Shared,
    files: Annotated[list[UploadFile], File(description="Images, recordings, videos or documents to search by.")],
    request: Annotated[str, Form(description="The search as JSON, as for `/api/search`.")] = "{}",
) -> Any:
    """Search by uploaded files; parts in `request` may name them by number, with a weight."""
    if len(files) > MOST_PARTS:
        raise ApiError(422, "too_many_files", f"a search has at most {MOST_PARTS} files, not {len(files)}")
    try:
        asked = SearchRequest.model_validate_json(request)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None
    return await _answer(shared, asked, [await file.read() for file in files])


async def _answer(shared: Services, asked: SearchRequest, uploads: Sequence[bytes]) -> PlainJSON:
    options = asked.options
    if options.get("rerank") is not None and options["rerank"] not in shared.settings.rerankers:
        known = ", ".join(shared.settings.rerankers) or "none"
        raise ApiError(422, "unknown_reranker", f"the server was started with these rerankers: {known}")
    started = time.perf_counter()
    try:
        query = await off_loop(read_query, shared, asked.query, asked.parts, uploads)
        hits = await shared.index.asearch(query, **options)
    except (MediaError, TypeError, ValueError) as error:
        raise input_error(error) from None
    shown = [hit_as_dict(rank, hit) for rank, hit in enumerate(hits, start=1 + options["offset"])]
    answer = {"hits": shown, "seconds": round(time.perf_counter() - started, 4)}
    if not shown and (note := await off_loop(shared.empty_note)):
        answer["note"] = note
    return PlainJSON(answer)
