"""Options of a family, checked against the annotations of its `build` before any model is built."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Final, Union

from senseweave.encoders.parts.prompts import check_roles
from senseweave.encoders.runtime.torch_runtime import DTYPES
from senseweave.redaction import REDACTED, is_secret_option

POSITIVE: Final = (
    "max_length", "batch_tokens", "batch_texts", "batch_images", "batch_windows", "batch_clips", "frames",
    "window_seconds", "segment_seconds", "batch_seconds", "timeout",
)  # fmt: skip
"""Options that must be greater than 0 in every family. A space checks both bounds of `dimensions` itself."""


def check_options(build: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options to pass to a family's `build`, after checking each against its annotation.

    An option of None is left out where the annotation does not admit None, so that the default of `build` holds.
    Annotations other than bool, int, float, str, and mappings and sequences of them are left to the family.

    Args:
        build: The function whose keyword-only parameters are the options; `dimensions` is an option of every family.
        options: Names of these parameters, with values.

    Raises:
        TypeError: If a value is of another type than the option has.
        ValueError: If no family could use the value.
    """
    annotations = {"dimensions": int | None, **_annotations(build)}
    checked = {}
    for name, value in options.items():
        kinds = _alternatives(annotations.get(name, Any))
        if value is not None:
            if len(types := [kind for kind in kinds if kind is not NoneType]) == 1:
                _check_type(name, value, types[0])
            _check_value(name, value)
        elif not (NoneType in kinds or Any in kinds):
            continue
        checked[name] = value
    return checked


def _annotations(build: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function, or none where they name what only a type checker imports."""
    try:
        return typing.get_type_hints(build)
    except NameError:
        return {}


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation itself."""
    return typing.get_args(annotation) if typing.get_origin(annotation) in (Union, UnionType) else (annotation,)


def _check_type(name: str, value: Any, kind: Any) -> None:
    origin = typing.get_origin(kind)
    if kind is bool:
        _require(isinstance(value, bool), name, "True or False", value)
    elif kind is int:
        _require(_is_whole(value), name, "a whole number", value)
    elif kind is float:
        expected = "a number of seconds" if name == "timeout" or name.endswith("_seconds") else "a number"
        _require(isinstance(value, Real) and not isinstance(value, bool), name, expected, value)
    elif kind is str:
        _require(isinstance(value, str), name, "a string", value)
    elif origin is Mapping:
        expected = "a mapping"
        if name == "prompts":
            expected += ' from roles to texts, for example {"query": "query: ", "document": ""}'
        texts = typing.get_args(kind)[1] is not str or _holds_texts(value)
        _require(isinstance(value, Mapping) and texts, name, expected, value)
    elif origin is Sequence and typing.get_args(kind) == (int,):
        whole = isinstance(value, Sequence) and all(_is_whole(number) for number in value)
        _require(whole, name, "a sequence of whole numbers, for example (-1,) for the last layer", value)


def _check_value(name: str, value: Any) -> None:
    """Check what an option means in every family that has it."""
    if name in POSITIVE and not value > 0:
        msg = f"{name} must be positive, not {value!r}"
        raise ValueError(msg)
    if name == "dtype" and value not in DTYPES:
        msg = f"dtype must be one of {', '.join(DTYPES)}, not {value!r}"
        raise ValueError(msg)
    if name == "prompts":
        check_roles(value)
    if name == "layers" and not len(value):
        msg = "layers must name at least one layer, for example (-1,) for the last"
        raise ValueError(msg)


def _holds_texts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values())


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _require(right: bool, name: str, expected: str, value: object) -> None:
    if not right:
        msg = f"{name} must be {expected}, not {REDACTED if is_secret_option(name) else repr(value)}"
        raise TypeError(msg)
