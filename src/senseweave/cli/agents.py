"""The command `mcp`."""

from __future__ import annotations

from typing import Annotated

import typer

from senseweave.cli import render
from senseweave.cli.options import (
    Device,
    IndexPlace,
    NamedSpaces,
    Trusted,
    choose_device,
    open_index,
    trusted_kinds,
)
from senseweave.errors import SenseweaveError
from senseweave.extras import require

NEEDED = ("mcp", "fastapi", "uvicorn", "prometheus_client")
"""Modules of the extra `mcp`."""


def mcp(
    place: IndexPlace,
    http: Annotated[
        bool, typer.Option("--http", help="Listen on a port (streamable HTTP) instead of standard input.")
    ] = False,
    host: Annotated[
        str, typer.Option("--host", help="With --http: address to listen on; others than this machine's need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="With --http: port to listen on.")] = 8766,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", envvar="SENSEWEAVE_TOKEN", show_envvar=True, help="With --http: what clients must send."
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option("--allowed-host", help="With --http: a name by which clients call the server; may be repeated."),
    ] = None,
    space: NamedSpaces = None,
    device: Device = None,
    trust: Trusted = None,
) -> None:
    """Give agents an index to search and look at, by the Model Context Protocol; nothing can be changed.

    A client such as a desktop assistant starts the command itself and speaks to it by standard input and output.
    """
    for module in NEEDED:
        require(module, extra="mcp", feature="senseweave mcp")
    from senseweave.serving.agents import create_agent_app, serve_agent
    from senseweave.serving.server import serve
    from senseweave.serving.settings import ServeSettings

    choose_device(device)
    try:
        settings = ServeSettings(
            host=host, port=port, token=token, read_only=True, allowed_hosts=frozenset(allowed_host or ())
        )
    except ValueError as error:
        raise SenseweaveError(str(error)) from None
    with open_index(place, spaces=space or None, trust=trusted_kinds(trust)) as index:
        models = ", ".join(index.spaces)  # what the index asks for is judged before anybody can connect
        if not http:
            serve_agent(index, settings)
            return
        what = f"{len(index)} records of {place} ({models}) to agents"
        app = create_agent_app(index, settings)
        serve(app, settings, lambda url: render.line_of_outcome(f"serving {what} on {url}/mcp; Ctrl-C ends it"))
