# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""The base of every component of this package: its parameters are its state in YAML, in a pickle and in a copy."""

import functools
import inspect
from collections.abc import Callable, Coroutine, Sequence
from copy import deepcopy
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from haystack import default_from_dict, default_to_dict

import senseweave as sw
from senseweave.interop import Lock, in_thread, trust

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

OPENING = Lock()
"""Held while a store connects: two threads that use one store for the first time would make two connections."""


class Configured:
    """Base of the components: each keeps every parameter of its constructor as an attribute of that name.

    A component is serialized as those parameters and created from them again. Pickles and copies hold no model, no
    open store and no connection, and belong to no pipeline.

    A component calls what it overrides as `Configured.method(self)`: the decorator `component` rebuilds the class,
    which breaks `super()` inside it.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let asynchronous calls heed a subclass that overrides the direct method alone."""
        super().__init_subclass__(**kwargs)
        for name in ("run", "embed_media"):
            twin = f"{name}_async"
            if name in vars(cls) and twin not in vars(cls) and hasattr(cls, twin):
                setattr(cls, twin, run_in_thread(vars(cls)[name]))

    def to_dict(self) -> dict[str, Any]:
        """Serialize the component.

        :returns: A dictionary with every parameter, which shares nothing with the component.
        """
        return deepcopy(default_to_dict(self, **self._parameters()))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Deserialize the component.

        :param data: What `to_dict` returned; the component shares nothing with it.
        :returns: The component.
        """
        return default_from_dict(cls, deepcopy(data))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.to_dict())

    def _parameters(self) -> dict[str, Any]:
        """Return the parameters of the constructor as they are now, choices as strings."""
        values = {name: getattr(self, name) for name in _constructor_parameters(type(self).__init__)}
        return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}

    @property
    def _policy(self) -> sw.MediaPolicy:
        """What may be read, of a component with the parameters `root_path` and `network`."""
        return sw.MediaPolicy(root=self.root_path, network=self.network)


class Lifecycle(Configured):
    """Base of the components that hold a model or a store."""

    _is_warm = False

    def warm_up(self) -> None:
        """Load the model or open the store. Calling it again does nothing."""

    async def warm_up_async(self) -> None:
        """Like `warm_up`, in a thread, so that the event loop is not blocked."""
        if not self._is_warm:
            await in_thread(self.warm_up)

    def close(self) -> None:
        """Release the model or the store; the next run loads or opens it again."""

    async def close_async(self) -> None:
        """Like `close`, in a thread."""
        await in_thread(self.close)


class Container(Lifecycle):
    """Base of the components that hold other components, which are warmed up and closed with them."""

    _held: Sequence[Any] = ()

    def warm_up(self) -> None:
        """Warm up the components that it holds."""
        for component in self._held:
            if hasattr(component, "warm_up"):
                component.warm_up()

    async def warm_up_async(self) -> None:
        """Like `warm_up`; what has no asynchronous way of its own is warmed up in a thread."""
        for component in self._held:
            if hasattr(component, "warm_up") or hasattr(component, "warm_up_async"):
                await call_async(component, "warm_up")

    def close(self) -> None:
        """Close the components that it holds; the next run opens them again."""
        for component in self._held:
            if hasattr(component, "close"):
                component.close()


async def call_async(component: Any, method: str, **inputs: Any) -> Any:
    """Return what a component's method gives, called in a thread where there is none of the same name with `_async`.

    Nor is that of a retriever over a local Qdrant called: it opens a second client, which cannot see the first one's
    Documents. That of a retriever over a local Chroma raises.
    """
    twin = getattr(component, f"{method}_async", None)
    stores = [getattr(component, name, None) for name in ("document_store", "_document_store")]
    if callable(twin) and not any(_is_local_qdrant(store) or _is_local_chroma(store) for store in stores):
        return await twin(**inputs)
    return await in_thread(getattr(component, method), **inputs)


def keep_parameters(init: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """Return the constructor of a component that keeps its parameters as attributes, paths as strings, before it runs.

    :param init: The constructor, all of whose parameters are keywords; it has to check or complete them only.
    """
    defaults = {name: parameter.default for name, parameter in _constructor_parameters(init).items()}

    @functools.wraps(init)
    def keep(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        for name, value in {**defaults, **kwargs}.items():
            setattr(self, name, str(value) if isinstance(value, Path) else value)
        init(self, *args, **kwargs)

    return keep


def run_in_thread(run: Callable[Concatenate[S, P], T]) -> Callable[..., Coroutine[Any, Any, T]]:
    """Return the `run_async` of a component whose `run` reads files or queries a store: `run` in a thread.

    :param run: The method `run`, already decorated with its output types.
    :returns: A coroutine function of the same signature and output types, as Haystack demands of the two.
    """

    @functools.wraps(run)
    async def run_async(self: S, *args: P.args, **kwargs: P.kwargs) -> T:
        return await in_thread(run, self, *args, **kwargs)

    run_async.__name__ = f"{run.__name__}_async"
    run_async.__qualname__ = f"{run.__qualname__}_async"
    run_async.__doc__ = f"Like `run`, in a thread, so that the event loop is not blocked.\n\n{run.__doc__}"
    return run_async


def check_list(given: Any, kinds: Any, expected: str, instead: str = "") -> None:
    """Check that an input is a list of values of some types.

    :param given: The input.
    :param kinds: The types, as `isinstance` takes them.
    :param expected: How the error begins: who expects a list of what, as which input.
    :param instead: How the error ends: what to do with something else.
    :raises TypeError: If it is not a list, or a value in it has another type; the error names the value.
    """
    wrong = [value for value in given if not isinstance(value, kinds)] if isinstance(given, list) else [given]
    if wrong:
        found = f"{'a list with ' if isinstance(given, list) else ''}{type(wrong[0]).__name__}"
        msg = f"{expected}, not {found}.{instead and f' {instead}'}"
        raise TypeError(msg)


def _is_local_chroma(store: Any) -> bool:
    """Return whether a store is Haystack's of a Chroma in this process, in memory or in a folder."""
    is_chroma = any(base.__name__ == "ChromaDocumentStore" for base in type(store).__mro__)
    return is_chroma and (store._host is None or store._port is None)


def _is_local_qdrant(store: Any) -> bool:
    """Return whether a store is Haystack's of a Qdrant in this process, in memory or in a folder."""
    is_qdrant = any(kind.__name__ == "QdrantDocumentStore" for kind in type(store).__mro__)
    return is_qdrant and (store.location == ":memory:" or store.path is not None)


def _rebuild(kind: type[Configured], data: dict[str, Any]) -> Configured:
    """Return a component from its own pickle or copy; whoever gives a pickle is trusted with more than a model."""
    with trust():
        return kind.from_dict(data)


def _constructor_parameters(init: Callable[..., None]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a constructor by name."""
    return {name: parameter for name, parameter in inspect.signature(init).parameters.items() if name != "self"}
