"""A real server of an index on loopback, in a thread."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from starlette.types import ASGIApp

import senseweave as sw
from senseweave.serving.app import create_app
from senseweave.serving.server import make_server
from senseweave.serving.settings import ServeSettings

Start = Callable[..., httpx.Client]
"""Starts a server with some settings and returns a client of it."""


@contextlib.contextmanager
def running(app: ASGIApp, settings: ServeSettings) -> Iterator[str]:
    """Serve an application on a free port until the block ends, and give the server's URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = make_server(app, settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def served(index: sw.Index, **settings: Any) -> Iterator[httpx.Client]:
    """Serve an index with some settings, and give a client of it."""
    made = ServeSettings(**settings)
    with (
        running(create_app(index, made), made) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as client,
    ):
        yield client
