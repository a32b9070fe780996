"""The options of a search as a model of JSON, made of the signature and the docstring of `Index.search`."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from senseweave.retrieval import Index

BOUNDS: Final[Mapping[str, dict[str, Any]]] = {
    "k": {"ge": 1, "le": 1000},
    "offset": {"ge": 0, "le": 10_000},
    "rerank_depth": {"ge": 1, "le": 1000},
}
"""What a server allows of an option beyond what it means: one client must not keep all others waiting."""
_PLAIN: Final = (str, int, float, bool, type(None))


def make_search_options() -> type[BaseModel]:
    """Return a model with a field for every argument of `Index.search` but the query."""
    hints, descriptions = get_type_hints(Index.search), describe_arguments(Index.search)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(Index.search).parameters.items():
        if name not in ("self", "query"):
            described = Field(parameter.default, description=descriptions.get(name), **BOUNDS.get(name, {}))
            fields[name] = (json_type(hints[name]), described)
    return create_model("SearchOptions", __config__=ConfigDict(extra="forbid"), **fields)


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
