"""What every request passes first: host names, origins, the token, and limits on its body.

A web page of anybody can make the browser of a person who runs a server send requests to it. It can neither read the
answers (no CORS header is sent, and media are for this origin alone) nor change anything: the `Host` must be an address
or a known name, which ends DNS rebinding, and what changes state must not come from another origin.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from senseweave.serving.bodies import LARGEST_AT_ONCE, Budget
from senseweave.serving.errors import error_response
from senseweave.serving.settings import ServeSettings

COOKIE: Final = "senseweave"
OPEN_PATHS: Final = ("/healthz", "/readyz", "/login", "/static/")
"""Paths that need no token."""
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
COSTLY_PATHS: Final = ("/map", "/api/duplicates", "/api/clusters")
"""Paths that change nothing, but take the processor for long: no page of another site asks for them."""
PATIENCE_SECONDS: Final = 60.0
"""How long a body may take, whatever its size."""
SLOWEST_RATE: Final = 64 * 1024
"""Bytes a second of a large body, which holds the place of others: slower clients are refused."""
TOO_SLOW: Final = "the body of the request came too slowly"
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy (CSP Level 3): nothing from elsewhere, no script and no style inside the page."""
HEADERS: Final = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
"""Headers of every answer that does not set its own. Without any referrer, browsers would send forms of the page itself
with `Origin: null`, and nobody could sign in."""


class Doorkeeper:
    """Knows the token, and the cookie that a browser gets for it."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self.cookie = hmac.new(secrets.token_bytes(32), (token or "").encode(), hashlib.sha256).hexdigest()

    def knows(self, token: str) -> bool:
        """Return whether a token is the right one."""
        return self._token is not None and hmac.compare_digest(token.encode(errors="replace"), self._token.encode())

    def admits(self, headers: Headers) -> bool:
        """Return whether a request may go on: there is no token, or it has the token or the cookie."""
        if self._token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.knows(given.strip()):
            return True
        cookie = _read_cookie(headers.get("cookie", ""))
        return cookie is not None and hmac.compare_digest(cookie.encode(), self.cookie.encode())


class Guard:
    """Middleware that refuses requests which must not reach the application, and sets headers of security."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, doorkeeper: Doorkeeper) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._hosts = {
            "localhost",
            settings.host.lower().strip("[]"),
            *(name.lower() for name in settings.allowed_hosts),
        }
        self._budget = Budget(LARGEST_AT_ONCE * settings.upload_policy.max_bytes)
        self._upload_bytes = settings.upload_policy.max_bytes
        self._document_bytes = min(settings.upload_policy.max_text_bytes, self._upload_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        limit = self._limit(headers)
        refusal = self._refusal(scope, headers, limit)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        size = int(headers["content-length"]) if "content-length" in headers else _stated_size(headers, limit)
        if not self._budget.take(size):
            busy = error_response(503, "busy", "too many large requests at a time; try again")
            busy.headers["retry-after"] = "1"
            await busy(scope, receive, send_guarded)
            return
        try:
            await self._app(scope, _bounded(receive, limit, size), send_guarded)
        finally:
            self._budget.give_back(size)

    def _refusal(self, scope: Scope, headers: Headers, limit: int) -> Any:
        if not self._is_known_host(headers.getlist("host")):
            return error_response(
                421, "unknown_host", "unknown Host; name it by --allowed-host when the server is started"
            )
        is_safe = scope["method"] in SAFE_METHODS and scope["path"] not in COSTLY_PATHS
        if not is_safe and not _is_same_origin(headers):
            return error_response(
                403, "cross_site", "what changes something or takes long must not come from another site"
            )
        if not scope["path"].startswith(OPEN_PATHS) and not self._doorkeeper.admits(headers):
            if scope["method"] == "GET" and scope["path"] == "/":
                return _redirect("/login")
            answer = error_response(401, "unauthorized", "send the server's token: Authorization: Bearer TOKEN")
            answer.headers["www-authenticate"] = "Bearer"
            return answer
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdecimal():
            return error_response(400, "invalid_request_error", "Content-Length must be a number")
        if int(length) > limit:
            return error_response(413, "too_large", _too_large(limit))
        return None

    def _is_known_host(self, given: Iterable[str]) -> bool:
        hosts = list(given)
        if len(hosts) != 1:
            return False
        try:
            name = urlsplit(f"//{hosts[0]}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or _is_address(name)

    def _limit(self, headers: Headers) -> int:
        is_form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        return self._upload_bytes if is_form else self._document_bytes


def _stated_size(headers: Headers, limit: int) -> int:
    """Return the most bytes that a body without Content-Length may have; 0 where there is none (RFC 9112, 6.3)."""
    return limit if "transfer-encoding" in headers else 0


def _bounded(receive: Receive, limit: int, size: int) -> Receive:
    """Return what receives a body of at most `limit` bytes, in the time that `size` bytes may take."""
    total, is_whole = 0, size == 0
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS + size / SLOWEST_RATE

    async def receive_bounded() -> Message:
        nonlocal total, is_whole
        try:
            async with asyncio.timeout_at(None if is_whole else deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, TOO_SLOW, {"connection": "close"}) from None
        is_whole = not message.get("more_body", False)
        total += len(message.get("body", b""))
        if total > limit:
            raise HTTPException(413, _too_large(limit))
        return message

    return receive_bounded


def _too_large(limit: int) -> str:
    return f"the request has more than {limit:,} bytes, which the server allows"


def _is_same_origin(headers: Headers) -> bool:
    """Return whether a request comes from the server's own page or from no page at all.

    Every browser sends `Origin` with a POST to another origin, and `Sec-Fetch-Site` (Fetch Metadata) with each.
    """
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.lower().partition("://")[2] == headers["host"].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _read_cookie(header: str) -> str | None:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None else None


def _redirect(place: str) -> Any:
    from starlette.responses import RedirectResponse

    return RedirectResponse(place, 303)
