"""Routes: whether the server lives, whether it can answer, and what it counts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from senseweave.serving.errors import PlainJSON, error_response
from senseweave.serving.metrics import CONTENT_TYPE
from senseweave.serving.schemas import MessageAnswer, binary
from senseweave.serving.services import Shared
from senseweave.serving.work import off_loop

router = APIRouter(tags=["operation"])


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", response_model=MessageAnswer)
async def healthz() -> Any:
    """Return that the server lives."""
    return PlainJSON({"status": "ok"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", response_model=MessageAnswer)
async def readyz(shared: Shared) -> Any:
    """Return whether models are loaded and the index can be read."""
    if shared.state != "ready":
        text = "the models are being loaded" if shared.state == "loading" else "the models cannot be loaded"
        return error_response(503, shared.state, text)
    await off_loop(len, shared.index)
    return PlainJSON({"status": "ready"})


@router.get("/metrics", response_class=Response, responses=binary("text/plain"))
async def metrics(shared: Shared) -> Response:
    """Return counters for Prometheus."""
    records = await off_loop(len, shared.index)
    return Response(shared.metrics.render(records), media_type=CONTENT_TYPE)
