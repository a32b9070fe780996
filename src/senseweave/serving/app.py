"""The application: an index behind HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer

from senseweave import __version__
from senseweave.retrieval import Index
from senseweave.serving import embeddings, errors, exploring, health, page, reading, searching, writing
from senseweave.serving.guard import Guard
from senseweave.serving.metrics import Measured
from senseweave.serving.schemas import ERRORS, ErrorAnswer
from senseweave.serving.services import Services
from senseweave.serving.settings import ServeSettings
from senseweave.serving.work import off_loop


def create_app(index: Index, settings: ServeSettings | None = None) -> FastAPI:
    """Return an ASGI application that serves an index; the caller closes the index.

    Args:
        index: An open index.
        settings: Who is let in and what is allowed; by default everything, to programs of this machine.
    """
    shared = Services.build(index, settings or ServeSettings())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(off_loop(shared.load))
        yield
        loading.cancel()

    # The interactive pages of FastAPI fetch scripts from elsewhere; the description is at /openapi.json.
    app = FastAPI(
        title="senseweave",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses={status: {"model": ErrorAnswer, "description": text} for status, text in ERRORS.items()},
    )
    known = [] if shared.settings.token is None else [Depends(HTTPBearer(auto_error=False))]
    app.state.services = shared
    errors.install(app)
    for routes in (page, searching, reading, exploring, embeddings, health):
        app.include_router(routes.router, dependencies=known)
    if not shared.settings.read_only:
        app.include_router(writing.router, dependencies=known)
    app.add_middleware(Guard, settings=shared.settings, doorkeeper=shared.doorkeeper)
    app.add_middleware(Measured, metrics=shared.metrics)
    return app
