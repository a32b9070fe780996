"""Routes: the page to search on, and the form that asks for the token."""

from __future__ import annotations

import html
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from senseweave.serving.errors import ApiError
from senseweave.serving.guard import COOKIE
from senseweave.serving.services import Shared

router = APIRouter(include_in_schema=False)

FOLDER: Final = Path(__file__).parent / "static"
TYPES: Final = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "cards.js": "text/javascript; charset=utf-8",
    "explore.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""Files that the page consists of."""
MESSAGE: Final = "<!-- message -->"
WRONG: Final = '<p class="error" role="alert">That is not the token of this server.</p>'


@router.head("/")
@router.get("/")
async def page() -> HTMLResponse:
    """Return the page."""
    return HTMLResponse(_read("page.html"))


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Return a file of the page."""
    if name not in TYPES:
        raise ApiError(404, "no_such_file", "there is no such file")
    return Response(_read(name), media_type=TYPES[name], headers={"cache-control": "no-cache"})


@router.get("/login")
async def ask() -> HTMLResponse:
    """Return the form that asks for the token."""
    return HTMLResponse(_read("login.html"))


@router.post("/login")
async def login(request: Request, shared: Shared, token: Annotated[str, Form()] = "") -> Response:
    """Give a browser that knows the token a cookie, which no script and no other site can use."""
    if not shared.doorkeeper.knows(token.strip()):
        return HTMLResponse(_read("login.html").replace(MESSAGE, WRONG), 401)
    answer = RedirectResponse("/", 303)
    is_secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, shared.doorkeeper.cookie, httponly=True, samesite="strict", secure=is_secure)
    return answer


def notice(error: ApiError) -> HTMLResponse:
    """Return an error as a page, for a browser."""
    said = f'<p class="error" role="alert">{html.escape(error.message)}</p>'
    return HTMLResponse(_read("notice.html").replace(MESSAGE, said), error.status)


@cache
def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
