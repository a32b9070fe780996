"""The options of searching and adding as clients send them, made of the signatures and docstrings of `Index`."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from fastapi import Form
from pydantic import BaseModel, ConfigDict, Field, create_model

from senseweave.retrieval import Index

BOUNDS: Final[Mapping[str, dict[str, Any]]] = {
    "k": {"ge": 1, "le": 1000},
    "offset": {"ge": 0, "le": 10_000},
    "rerank_depth": {"ge": 1, "le": 1000},
    "overlap": {"ge": 0, "allow_inf_nan": False},
    "characters": {"ge": 1},
    "character_overlap": {"ge": 0},
}
"""What a server allows of an option beyond what it means: one client must not keep all others waiting."""
NOT_OF_CLIENTS: Final = ("self", "inputs", "metadata", "on_error", "progress", "sync")
"""Arguments of `Index.add` that the API sets or has a field of its own for; `sync` is about folders."""
TEXT_OPTIONS: Final = ("characters", "character_overlap")
_PLAIN: Final = (str, int, float, bool, type(None))


def make_search_options() -> type[BaseModel]:
    """Return a model with a field for every argument of `Index.search` but the query."""
    return _make_model("SearchOptions", Index.search, _names(Index.search, without=("self", "query")))


def make_text_options() -> type[BaseModel]:
    """Return a model with a field for every argument of `Index.add` that says how texts are divided."""
    return _make_model("TextOptions", Index.add, TEXT_OPTIONS)


def make_add_form() -> Callable[..., dict[str, Any]]:
    """Return a dependency that reads every argument of `Index.add` that a client may choose from a form."""

    def read(**given: Any) -> dict[str, Any]:
        return given

    hints, descriptions = get_type_hints(Index.add), describe_arguments(Index.add)
    parameters = inspect.signature(Index.add).parameters
    form = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=parameters[name].default,
            annotation=Annotated[
                json_type(hints[name]), Form(description=descriptions.get(name), **BOUNDS.get(name, {}))
            ],
        )
        for name in _names(Index.add, without=NOT_OF_CLIENTS)
    ]
    read.__signature__ = inspect.Signature(form)  # type: ignore[attr-defined]
    return read


def _names(function: Any, without: Collection[str]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in without]


def _make_model(title: str, function: Any, names: Collection[str]) -> type[BaseModel]:
    hints, descriptions = get_type_hints(function), describe_arguments(function)
    parameters, fields = inspect.signature(function).parameters, dict[str, Any]()
    for name in names:
        described = Field(parameters[name].default, description=descriptions.get(name), **BOUNDS.get(name, {}))
        fields[name] = (json_type(hints[name]), described)
    return create_model(title, __config__=ConfigDict(extra="forbid"), **fields)


def json_type(annotation: Any) -> Any:
    """Return the part of a type that JSON can hold; classes of Python are left out of unions."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        kept = [kind for kind in map(json_type, arguments) if kind is not None]
        return Union[tuple(kept)]  # noqa: UP007  (of a list)
    if origin is Literal or annotation in _PLAIN or annotation is Any:
        return annotation
    if origin is not None and issubclass(origin, Mapping):
        return dict[tuple(map(json_type, arguments))]  # type: ignore[misc]
    if origin is not None and issubclass(origin, Collection):
        return list[json_type(arguments[0])]  # type: ignore[misc]
    return None


def describe_arguments(function: Any) -> dict[str, str]:
    """Return what a docstring in Google style says of each argument."""
    _, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\nArgs:\n")
    section = re.split(r"\n\n\w+:\n", rest)[0]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8,}.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


SearchOptions = make_search_options()
TextOptions = make_text_options()
read_add_form = make_add_form()
