"""Routes: what is twice in the index, what belongs together, and a map of it."""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from senseweave.redaction import redacted
from senseweave.serving.errors import PlainJSON
from senseweave.serving.services import Shared

router = APIRouter(tags=["explore"])

MAP_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
"""Content-Security-Policy of the map, which has one of its own that allows its own script and style alone. Sandboxed,
its script is of no origin and reaches nothing of the server."""


@router.get("/api/duplicates")
async def duplicates(shared: Shared) -> Any:
    """List groups of copies, of each the best first; nothing is deleted."""
    return PlainJSON(redacted(json.loads(await shared.explorer.run("duplicates"))))


@router.get("/api/clusters")
async def clusters(shared: Shared) -> Any:
    """List groups of contents that mean something similar, the largest first, named by their words."""
    return PlainJSON(redacted(json.loads(await shared.explorer.run("clusters", "--min-size", "3"))))


@router.get("/map", response_class=HTMLResponse)
async def map_page(shared: Shared) -> HTMLResponse:
    """Return a page with everything in the index on one map."""
    return HTMLResponse(await shared.explorer.run("map"), headers={"content-security-policy": MAP_POLICY})
