"""The command `serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from senseweave.cli import render
from senseweave.cli.options import (
    Device,
    IndexPlace,
    NamedSpaces,
    Trusted,
    choose_device,
    existing_index,
    open_index,
    trusted_kinds,
)
from senseweave.errors import SenseweaveError
from senseweave.extras import require

NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
"""Modules of the extra `serve`."""


def serve(
    place: IndexPlace,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; others than this machine's need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            "--token", envvar="SENSEWEAVE_TOKEN", show_envvar=True, help="What clients must send.", metavar="TOKEN"
        ),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Switch adding and deleting off.")] = False,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option("--allowed-host", help="A name by which clients call the server; may be repeated."),
    ] = None,
    uploads: Annotated[
        Path | None,
        typer.Option(
            "--uploads",
            help="Folder that keeps uploaded files. [default: INDEX.uploads beside a folder, none at an address]",
        ),
    ] = None,
    max_upload: Annotated[int, typer.Option("--max-upload", min=1, help="Megabytes of an upload, at most.")] = 256,
    embed: Annotated[
        list[str] | None,
        typer.Option(
            "--embed", help="A further model for /v1/embeddings; may be repeated. [default: those of the index]"
        ),
    ] = None,
    rerank: Annotated[
        list[str] | None, typer.Option("--rerank", help="A reranker that searches may ask for; may be repeated.")
    ] = None,
    space: NamedSpaces = None,
    device: Device = None,
    trust: Trusted = None,
) -> None:
    """Serve an index: a page to search on, an HTTP API, and embeddings in OpenAI's form, until Ctrl-C."""
    for module in NEEDED:
        require(module, extra="serve", feature="senseweave serve")
    from senseweave.media import MediaPolicy
    from senseweave.retrieval.stores.addresses import is_address
    from senseweave.serving.app import create_app
    from senseweave.serving.server import serve as run
    from senseweave.serving.settings import UPLOADS_SUFFIX, ServeSettings
    from senseweave.spaces.loading import load

    choose_device(device)
    address = place if is_address(place) else None
    if uploads is None and address is None:
        folder = existing_index(place)
        uploads = folder.with_name(folder.name + UPLOADS_SUFFIX)
    try:
        settings = ServeSettings(
            host=host,
            port=port,
            token=token,
            read_only=read_only,
            allowed_hosts=frozenset(allowed_host or ()),
            uploads=uploads.absolute() if uploads else None,
            address=address,
            upload_policy=MediaPolicy(max_bytes=max_upload * 1024**2),
            spaces={name: load(name) for name in embed or ()},
            rerankers=tuple(rerank or ()),
        )
    except ValueError as error:
        raise SenseweaveError(str(error)) from None
    for name in settings.rerankers:
        _find_reranker(name)
    with open_index(place, spaces=space or None, trust=trusted_kinds(trust)) as index:
        models = ", ".join(index.spaces)  # what the index asks for is judged before anybody can connect
        what = f"{len(index)} records of {place} ({models})"
        run(
            create_app(index, settings),
            settings,
            lambda url: render.line_of_outcome(f"serving {what} on {url}; Ctrl-C ends it"),
        )


def _find_reranker(name: str) -> None:
    """Find a reranker, so that a wrong name ends the command and not the searches of clients.

    Raises:
        SenseweaveError: If there is no such model.
    """
    from senseweave.retrieval.search.rerank import ModelReranker, as_reranker

    found = as_reranker(name)
    if isinstance(found, ModelReranker):
        _ = found.model
