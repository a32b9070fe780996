"""senseweave in LangChain: text, images, audio and video in one embedding class, one store and one ranking.

Importing this module loads no model library and no vector store: each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "MediaEmbeddings": "langchain_senseweave.base",
    "SenseweaveEmbeddings": "langchain_senseweave.embeddings",
}

__all__ = [*_HOMES, "__version__"]

if TYPE_CHECKING:
    from langchain_senseweave.base import MediaEmbeddings as MediaEmbeddings
    from langchain_senseweave.embeddings import SenseweaveEmbeddings as SenseweaveEmbeddings


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
