"""A Chroma server by its address."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import SplitResult, parse_qs

from senseweave.errors import StoreError
from senseweave.extras import require
from senseweave.redaction import without_secrets
from senseweave.retrieval.stores.addresses import CHROMA_TOKEN
from senseweave.retrieval.stores.chroma import ChromaStore
from senseweave.retrieval.stores.store_errors import readable

OPTIONS: Final = frozenset({"tenant", "database"})


def open_server(address: str, parts: SplitResult) -> ChromaStore:
    """Open the store of a server.

    Args:
        address: `http://HOST:PORT`, with `?tenant=NAME&database=NAME` where the server has several.
        parts: The address in its parts.

    Raises:
        StoreError: If the address has an unknown option, or the server does not answer.
    """
    chromadb = require("chromadb", extra="chroma", feature="an index on a Chroma server")
    options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if not options.keys() <= OPTIONS or parts.fragment:
        msg = (
            f"{without_secrets(address)}: the address of a Chroma server has no options but "
            f"{' and '.join(sorted(OPTIONS))}; set a token in the environment: {CHROMA_TOKEN}"
        )
        raise StoreError(msg)
    is_secure, token = parts.scheme == "https", os.environ.get(CHROMA_TOKEN)
    port = parts.port or (443 if is_secure else 80)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    if parts.path.strip("/"):  # below a path of a proxy; Chroma then takes the whole address
        host = f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    headers = {"Authorization": f"Bearer {token}"} if token else None
    with readable(without_secrets(address), lambda: (token,) if token else ()):
        client = chromadb.HttpClient(host=host, port=port, ssl=is_secure, headers=headers, **options)
    return ChromaStore(client, name=without_secrets(address))
