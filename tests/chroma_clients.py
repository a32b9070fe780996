"""Chroma clients that tests leave open: each keeps threads and files, and Chroma itself never lets go of one."""

import sys
from collections.abc import Collection


def open_clients() -> frozenset[str]:
    """Return the identifiers under which Chroma keeps what clients of this process share: folders, and one for memory.

    Nothing is imported for the answer: without chromadb there are none.
    """
    shared = sys.modules.get("chromadb.api.shared_system_client")
    return frozenset() if shared is None else frozenset(shared.SharedSystemClient._identifier_to_system)


def close_clients(kept: Collection[str] = ()) -> None:
    """Close all clients except those of identifiers to keep, however many share one; closing them again is harmless.

    Stores of frameworks do not close their clients, and neither does a test that drops an index.
    """
    for identifier in open_clients().difference(kept):
        registry = sys.modules["chromadb.api.shared_system_client"].SharedSystemClient
        registry._identifier_to_refcount.pop(identifier, None)
        system = registry._identifier_to_system.pop(identifier)
        if system._running:
            system.stop()
