"""Bodies of requests: how many bytes of them are in memory at once, and where JSON is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from senseweave.serving.work import off_loop

SMALL: Final = 64 * 1024
"""Bytes of a body that is read on the event loop, within a millisecond, and is not counted."""
LARGEST_AT_ONCE: Final = 4
"""How many bodies of the largest size are taken at a time."""


class Budget:
    """Bytes of bodies that may be in memory at once, for requests of one event loop."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        """Return whether there is room for a body, and take it if so; small ones always have room."""
        if size > SMALL and size > self._left:
            return False
        self._left -= size if size > SMALL else 0
        return True

    def give_back(self, size: int) -> None:
        """Make room again for a body that is answered."""
        self._left += size if size > SMALL else 0


class _JSONRequest(Request):
    async def json(self) -> Any:
        """Return the body as JSON; a large one is read in a thread."""
        body = await self.body()
        return json.loads(body) if len(body) <= SMALL else await off_loop(json.loads, body)


class JSONRoute(APIRoute):
    """A route whose JSON never keeps the event loop waiting."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route, which gets such a request."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(_JSONRequest(request.scope, request.receive))

        return handle_json
