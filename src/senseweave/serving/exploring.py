"""Routes: what is twice in the index, what belongs together, and a map of it."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from senseweave.media import Modality
from senseweave.redaction import redacted
from senseweave.serving.errors import ApiError, PlainJSON
from senseweave.serving.page import notice
from senseweave.serving.services import Services, Shared

router = APIRouter(tags=["explore"])

MAP_POLICY: Final = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
"""Content-Security-Policy of the map, which has one of its own that allows its own script and style alone. Sandboxed,
its script is of no origin and reaches nothing of the server."""


Only = Annotated[list[Modality], Query(description="Only this modality; may be repeated.")]
SpaceName = Annotated[str | None, Query(description="Space whose vectors are compared; the one with most records.")]


@router.get("/api/duplicates", response_model=dict[str, Any])
async def duplicates(
    shared: Shared,
    modality: Only = [],  # noqa: B006  (FastAPI copies it)
    threshold: Annotated[float | None, Query(ge=0, le=1, description="Least score of a copy; measured ones.")] = None,
) -> Any:
    """List groups of copies, of each the best first; nothing is deleted."""
    return await _explored(shared, "duplicates", modality=modality, threshold=threshold)


@router.get("/api/clusters", response_model=dict[str, Any])
async def clusters(
    shared: Shared,
    modality: Only = [],  # noqa: B006
    min_size: Annotated[int, Query(ge=2, le=1000, description="Smallest number of contents of a group.")] = 3,
    outliers: Annotated[int, Query(ge=0, le=1000, description="Number of contents far from all others to list.")] = 0,
    space: SpaceName = None,
) -> Any:
    """List groups of contents that mean something similar, the largest first, named by their words."""
    options = {"min-size": min_size, "outliers": outliers, "space": space}
    return await _explored(shared, "clusters", modality=modality, **options)


@router.get("/map", response_class=HTMLResponse)
async def map_page(
    request: Request,
    shared: Shared,
    modality: Only = [],  # noqa: B006
    color: Annotated[str, Query(description="modality, cluster, or a name of metadata.")] = "modality",
    space: SpaceName = None,
) -> HTMLResponse:
    """Return a page with everything in the index on one map; a browser gets an error as a page, too."""
    try:
        page = await shared.explorer.run("map", *_arguments(modality=modality, color=color, space=space))
    except ApiError as error:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return notice(error)
    return HTMLResponse(page, headers={"content-security-policy": MAP_POLICY})


async def _explored(shared: Services, command: str, **options: Any) -> PlainJSON:
    return PlainJSON(redacted(json.loads(await shared.explorer.run(command, *_arguments(**options)))))


def _arguments(**options: Any) -> list[str]:
    """Return options as a command line takes them: joined to their names, so that no value is taken for an option."""
    given = [
        (name, part) for name, value in options.items() for part in (value if isinstance(value, list) else [value])
    ]
    if any("\0" in str(value) for _, value in given):
        raise ApiError(422, "invalid_request", "an option holds a null character")
    return [f"--{name}={value}" for name, value in given if value is not None]
