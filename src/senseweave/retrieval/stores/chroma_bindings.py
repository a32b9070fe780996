"""Chroma's compiled library in forked children, where the parent's copy waits forever for threads that are not there.

Its threads are global to the library, so that a new client does not help: after any call in the parent every call in a
child hangs (chroma-core/chroma, seen with 1.5). A second copy of the library has threads and SQLite of its own.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from importlib.machinery import ExtensionFileLoader
from threading import Lock
from typing import Any, Final

from senseweave.errors import StoreError
from senseweave.forking import abandon

LIBRARY: Final = "chromadb_rust_bindings.chromadb_rust_bindings"

_stale = False
_path: str | None = None


def renew_bindings() -> None:
    """Load Chroma's library once more if this process was forked after the first time, and let chromadb use it.

    Raises:
        StoreError: If it cannot be loaded again.
    """
    global _stale, _path
    if not _stale:
        return
    _path = _path or sys.modules[LIBRARY].__file__  # of the first copy; the file of a second copy is gone
    api = sys.modules["chromadb.api.rust"]
    try:
        library = _second_copy(_path)
    except (ImportError, OSError, AttributeError) as error:
        msg = (
            f"Chroma does not work in this forked process, and its library cannot be loaded again ({error}); "
            "start processes with the method 'spawn', or import chromadb in the child only"
        )
        raise StoreError(msg) from error
    api.chromadb_rust_bindings = library  # type: ignore[attr-defined]
    _stale = False


def is_parents(server: Any) -> bool:
    """Return whether the server object of a client or a collection belongs to the process that this was forked from.

    Clients of a server, which connect anew by themselves, and mere memory do not tell, and count as this process's.
    """
    bindings = getattr(server, "bindings", None)
    if bindings is None:
        return False
    return _stale or not isinstance(bindings, sys.modules["chromadb.api.rust"].chromadb_rust_bindings.Bindings)


def _second_copy(path: str | None) -> Any:
    """Import an extension module from a copy of its file: the system loads a file once per process."""
    with tempfile.NamedTemporaryFile(suffix=".so") as copy:
        with open(str(path), "rb") as file:
            shutil.copyfileobj(file, copy, 1 << 20)
        copy.flush()
        loader = ExtensionFileLoader(LIBRARY, copy.name)
        spec = importlib.util.spec_from_file_location(LIBRARY, copy.name, loader=loader)
        assert spec is not None
        library = importlib.util.module_from_spec(spec)
        loader.exec_module(library)
        return library


def _leave_to_parent() -> None:
    """Forget the parent's clients in a forked child, and keep them: their destructors would wait for their threads."""
    global _stale
    shared = sys.modules.get("chromadb.api.shared_system_client")
    if shared is None:
        return
    _stale = "chromadb.api.rust" in sys.modules
    registry: Any = shared.SharedSystemClient
    abandon(registry._identifier_to_system)
    registry._identifier_to_system, registry._identifier_to_refcount = {}, {}
    registry._refcount_lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
