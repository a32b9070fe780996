"""Errors as JSON, in OpenAI's form, without the paths of files and without secrets."""

from __future__ import annotations

import json
import logging
import math
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from senseweave.display import shorten
from senseweave.errors import MediaError, PolicyError, SenseweaveError, StoreError, UnsupportedModalityError
from senseweave.redaction import without_secrets

LOG = logging.getLogger("senseweave.serving")
MOST_CHARACTERS: Final = 2000
"""Of a message, which quotes what was sent."""
MOST_FAULTS: Final = 8
"""Faults of a request that are listed: one of a million numbers is not answered with a million sentences."""


class ApiError(Exception):
    """A request that cannot be answered, with the status and what to do instead."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class PlainJSON(JSONResponse):
    """JSON in ASCII, which also holds what UTF-8 cannot; numbers that are not finite are null, as JSON has none."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of a value."""
        try:
            return self._dump(content)
        except ValueError:
            return self._dump(_finite(content))

    def _dump(self, content: Any) -> bytes:
        text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=str)
        return text.encode("ascii")


def error_response(status: int, code: str, message: str) -> PlainJSON:
    """Return an error as JSON: `{"error": {"message", "type", "code"}}`."""
    kind = "invalid_request_error" if 400 <= status < 500 else "server_error"
    return PlainJSON(
        {"error": {"message": shorten(message, MOST_CHARACTERS), "type": kind, "code": code, "param": None}}, status
    )


def install(app: FastAPI) -> None:
    """Let an application answer every error as JSON."""

    @app.exception_handler(ApiError)
    async def _known(request: Request, error: ApiError) -> PlainJSON:
        return error_response(error.status, error.code, error.message)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> PlainJSON:
        response = error_response(error.status_code, "http_error", str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> PlainJSON:
        found = error.errors()
        more = [f"and {len(found) - MOST_FAULTS} more"] if len(found) > MOST_FAULTS else []
        return error_response(422, "invalid_request", "; ".join([*map(_place, found[:MOST_FAULTS]), *more]))

    @app.exception_handler(SenseweaveError)
    async def _ours(request: Request, error: SenseweaveError) -> PlainJSON:
        return _from_library(error)

    @app.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> PlainJSON:
        # The server logs its traceback itself.
        return error_response(500, "internal_error", "the server failed; its log says why")


def input_error(error: Exception) -> ApiError:
    """Return an error of what a client sent, whose message quotes nothing but that.

    Args:
        error: A `MediaError` of an upload, or a `TypeError` or `ValueError` of an argument.
    """
    status = 413 if isinstance(error, PolicyError) else 422
    return ApiError(status, "invalid_input", without_secrets(str(error)))


def _from_library(error: SenseweaveError) -> PlainJSON:
    if isinstance(error, UnsupportedModalityError):
        return error_response(422, "unsupported_modality", str(error))
    if isinstance(error, MediaError):  # of a file of this machine, whose path is nobody's business
        LOG.warning("%s", error)
        return error_response(422, "unreadable", "the media cannot be read")
    LOG.error("%s", error)
    if isinstance(error, StoreError):
        return error_response(503, "store_unavailable", "the index cannot be used now; the server's log says why")
    return error_response(500, "internal_error", f"the server failed ({type(error).__name__}); its log says why")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, (list, tuple)) else value


def _place(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"] if part != "body")
    return f"{where}: {error['msg']}" if where else str(error["msg"])
