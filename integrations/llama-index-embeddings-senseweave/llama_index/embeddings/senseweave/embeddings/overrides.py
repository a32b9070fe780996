"""Calls the methods by which a subclass embeds texts in its own way, such as with a prefix, in every place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from senseweave.interop import Role, Steps

Embedding = list[float]

PUBLIC = ("get_{}_embedding_batch", "get_{}_embedding")
BARE = ("_get_{}_embeddings", "_get_{}_embedding")
"""Methods of a model that embed texts: with events, cache and rate limit, or without. The first takes a list."""

_LIBRARIES = ("llama_index.core.", "llama_index.embeddings.senseweave.")


def is_overridden(model: Any, name: str) -> bool:
    """Return whether a method of a model is a user's own."""
    home = next((base for base in type(model).__mro__ if name in vars(base)), None)
    return home is not None and not home.__module__.startswith(_LIBRARIES)


def override_name(model: Any, role: Role) -> str:
    """Return the name of the class if it computes the vectors of texts in its own way, for the keys of caches."""
    names = [name.format(_kind(role)) for name in BARE]
    own = any(is_overridden(model, each) for name in names for each in (name, _twin(name)))
    return f"{type(model).__module__}.{type(model).__qualname__}" if own else ""


async def embed_own(
    steps: Steps, model: Any, texts: Sequence[str], role: Role, names: Sequence[str] = PUBLIC, *, within: str = ""
) -> list[Embedding] | None:
    """Return the vectors of texts by a user's own method; None where there is none.

    Args:
        steps: Direct, or off the event loop: there the async twin comes first, and others run in a thread.
        model: The model.
        texts: The texts.
        role: `query` or `document`.
        names: The methods to look for.
        within: The method that asks. If it is the user's own too, it was called by `super()`, and none is returned.
    """
    if within and is_overridden(model, within):
        return None
    for position, name in enumerate(name.format(_kind(role)) for name in names):
        if steps.asynchronous and is_overridden(model, _twin(name)):
            method = getattr(model, _twin(name))
            return await method(list(texts)) if position == 0 else [await method(text) for text in texts]
        if is_overridden(model, name):
            method = getattr(model, name)
            if position == 0:
                return await steps.work(method, list(texts))
            return [await steps.work(method, text) for text in texts]
    return None


def _kind(role: Role) -> str:
    return "query" if role == "query" else "text"


def _twin(name: str) -> str:
    return name.replace("get", "aget", 1)
