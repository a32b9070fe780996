"""Send a file with ranges and validators (RFC 9110, sections 13 and 14), a block at a time and off the event loop."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from senseweave.serving.files import OpenFile
from senseweave.serving.work import off_loop

BLOCK: Final = 256 * 1024
INLINE: Final = re.compile(r"image/(png|jpeg|gif|webp|bmp|avif)|(audio|video)/[a-z0-9.+-]+|text/plain|application/pdf")
"""MIME types that a browser may show; everything else, such as HTML and SVG, is only downloaded."""
SANDBOX: Final = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
"""Content-Security-Policy of an original, which runs nothing and is nothing of the server's own origin."""


def file_response(request: Request, opened: OpenFile) -> Response:
    """Return a response with a file, or with the range of it that the request asks for."""
    etag = f'"{opened.sha256}"'
    headers = {
        "accept-ranges": "bytes",
        "etag": etag,
        "cache-control": "private, no-cache",
        "content-security-policy": SANDBOX,
        "content-disposition": _disposition(opened),
    }
    if _names(request.headers.get("if-none-match", ""), etag):
        opened.file.close()
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if request.headers.get("if-range", etag) != etag:
        wanted = None
    span = parse_range(wanted, opened.size)
    if span is None:
        opened.file.close()
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{opened.size}"})
    start, end = span
    headers["content-length"] = str(end - start)
    if (start, end) != (0, opened.size):
        headers["content-range"] = f"bytes {start}-{end - 1}/{opened.size}"
    status = 206 if "content-range" in headers else 200
    if request.method == "HEAD":
        opened.file.close()
        return Response(status_code=status, headers=headers, media_type=_media_type(opened))
    return StreamingResponse(_blocks(opened, start, end), status, headers, media_type=_media_type(opened))


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first and the end byte that a Range header asks for; all of the file for none or several ranges.

    Returns:
        `(start, end)` with the end left out, or None if the range is outside the file.
    """
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", (header or "").replace(" ", ""))
    if match is None or not any(match.groups()):
        return 0, size
    first, last = match.groups()
    if not first:
        return (max(size - int(last), 0), size) if int(last) and size else None
    start, end = int(first), min(int(last) + 1, size) if last else size
    return (start, end) if start < end else None


async def _blocks(opened: OpenFile, start: int, end: int) -> AsyncIterator[bytes]:
    def read(at: int) -> bytes:
        opened.file.seek(at)
        return opened.file.read(min(BLOCK, end - at))

    try:
        while start < end:
            block = await off_loop(read, start)
            if not block:  # the file was cut meanwhile; the client sees that bytes are missing
                return
            start += len(block)
            yield block
    finally:
        opened.file.close()


def _names(header: str, etag: str) -> bool:
    """Return whether a list of entity tags holds one; `*` is any (RFC 9110, 13.1.2)."""
    return header.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in header.split(","))


def _media_type(opened: OpenFile) -> str:
    return opened.mime_type if INLINE.fullmatch(opened.mime_type) else "application/octet-stream"


def _disposition(opened: OpenFile) -> str:
    kind = "inline" if INLINE.fullmatch(opened.mime_type) else "attachment"
    return f"{kind}; filename*=UTF-8''{quote(opened.name, safe='', errors='replace')}"
