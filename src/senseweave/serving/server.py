"""Run a server of an index until it is told to stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from senseweave.serving.settings import ServeSettings

SHUTDOWN_SECONDS: Final = 20
"""How long requests may take to end after Ctrl-C or SIGTERM."""
CONNECTIONS: Final = 1000
"""Connections at a time; further ones are answered with 503."""


def make_server(app: ASGIApp, settings: ServeSettings, **options: Any) -> uvicorn.Server:
    """Return a server that is not started yet.

    Args:
        app: What answers: `create_app` of an index.
        settings: Where to listen, who is let in and what is allowed.
        options: Of `uvicorn.Config`, in place of the defaults.
    """
    defaults: dict[str, Any] = {
        "host": settings.host.strip("[]"),
        "port": settings.port,
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "ws": "none",
        "proxy_headers": False,
        "limit_concurrency": CONNECTIONS,
        "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
    }
    return uvicorn.Server(uvicorn.Config(app, **{**defaults, **options}))


def serve(app: ASGIApp, settings: ServeSettings, announce: Callable[[str], None]) -> None:
    """Serve an application until Ctrl-C or SIGTERM; requests that are being answered end first.

    Args:
        app: What answers: `create_app` of an index.
        settings: Where to listen, who is let in and what is allowed.
        announce: Called with the URL once connections are accepted.

    Raises:
        OSError: If the port is taken, or the address is none of this machine.
    """
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, settings.port), family=family, backlog=2048) as listening:
        server = make_server(app, settings)

        def stop(*_: object) -> None:
            server.should_exit = True

        # uvicorn raises the signal that ended it again, when requests are answered: the index is still to be closed.
        handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            port = listening.getsockname()[1]
            announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
            server.run(sockets=[listening])
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
