"""Stores by name: `senseweave.stores.Chroma(...)`, `Memory()`, `Qdrant(...)`, and those that other packages bring.

`connect("http://host:8000")` opens the store of a server by its address.

A package names its stores in the entry-point group `senseweave.stores`, each a class that follows
`senseweave.retrieval.stores.base.VectorStore`. Give an open store to `senseweave.Index`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from senseweave.extras import require

if TYPE_CHECKING:
    from senseweave.retrieval.stores.base import VectorStore

GROUP: Final = "senseweave.stores"
BUILT_IN: Final = {
    "Chroma": ("senseweave.retrieval.stores.chroma", "ChromaStore"),
    "Memory": ("senseweave.retrieval.stores.memory", "MemoryStore"),
    "PgVector": ("senseweave.retrieval.stores.pgvector", "PgVectorStore"),
    "Qdrant": ("senseweave.retrieval.stores.qdrant", "QdrantStore"),
    "VectorStore": ("senseweave.retrieval.stores.base", "VectorStore"),
}
"""The stores of this package, and the protocol that all follow; another package cannot take their names."""

LIBRARIES: Final = {"PgVector": ("psycopg", "pgvector")}
"""What a store cannot do without: a library, and the extra that installs it."""


def connect(address: str) -> VectorStore:
    """Open the store of a server, for `senseweave.Index`; the caller closes the store.

        index = sw.Index(sw.stores.connect("http://chroma.internal:8000"))

    Args:
        address: `http://HOST:PORT` or `https://HOST:PORT` of a Chroma server, with `?tenant=NAME&database=NAME` where
            it has several, its token in the environment variable `SENSEWEAVE_CHROMA_TOKEN`;
            `qdrant+http://HOST:6333` or `qdrant+https://HOST:6333`, its key in `SENSEWEAVE_QDRANT_KEY`; or
            `postgresql://USER@HOST/DATABASE`, its password in `PGPASSWORD` or `~/.pgpass`.

    Raises:
        StoreError: If the address is of no known kind or holds a password, or the server does not answer.
    """
    from senseweave.retrieval.stores.addresses import plain_address, read_address

    scheme, parts = read_address(address)
    if scheme.store == "Chroma":
        from senseweave.retrieval.stores.chroma_server import open_server

        return open_server(address, parts)
    if scheme.store == "Qdrant":
        from senseweave.retrieval.stores import qdrant_server

        return qdrant_server.open_server(parts)
    store: VectorStore = __getattr__(scheme.store)(plain_address(parts, parts.scheme))
    return store


def __getattr__(name: str) -> Any:
    if name.startswith("__"):  # such as `__path__`, which `from senseweave.stores import ...` asks for
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    if name in BUILT_IN:
        if name in LIBRARIES:
            library, extra = LIBRARIES[name]
            require(library, extra=extra, feature=f"senseweave.stores.{name}")
        module, attribute = BUILT_IN[name]
        return getattr(import_module(module), attribute)
    for point in entry_points(group=GROUP):
        if point.name == name:
            return point.load()
    msg = f"there is no store {name!r}; installed are {', '.join(__dir__())}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})
