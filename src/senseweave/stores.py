"""Stores by name: `senseweave.stores.Chroma(...)`, `Memory()`, and those that other packages bring.

A package names its stores in the entry-point group `senseweave.stores`, each a class that follows
`senseweave.retrieval.stores.base.VectorStore`. Give an open store to `senseweave.Index`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from senseweave.extras import require

GROUP: Final = "senseweave.stores"
BUILT_IN: Final = {
    "Chroma": ("senseweave.retrieval.stores.chroma", "ChromaStore"),
    "Memory": ("senseweave.retrieval.stores.memory", "MemoryStore"),
    "PgVector": ("senseweave.retrieval.stores.pgvector", "PgVectorStore"),
    "VectorStore": ("senseweave.retrieval.stores.base", "VectorStore"),
}
"""The stores of this package, and the protocol that all follow; another package cannot take their names."""

LIBRARIES: Final = {"PgVector": ("psycopg", "pgvector")}
"""What a store cannot do without: a library, and the extra that installs it."""


def __getattr__(name: str) -> Any:
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
