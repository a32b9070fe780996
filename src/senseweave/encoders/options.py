"""Options that mean the same in every family, checked in one place before any model is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from senseweave.encoders.parts.prompts import check_roles
from senseweave.encoders.runtime.torch_runtime import DTYPES

COUNTS = (
    "dimensions", "max_length", "batch_tokens", "batch_texts", "batch_images", "batch_windows", "batch_clips", "frames",
)  # fmt: skip
SECONDS = ("window_seconds", "segment_seconds", "batch_seconds", "timeout")
TEXTS = ("device", "revision", "prompt", "language", "template")


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse values that no family could use; None leaves an option at what the model or family says.

    Raises:
        TypeError: If a value is of another type than the option has.
        ValueError: If it is impossible.
    """
    for name, value in options.items():
        if value is None:
            continue
        if name in COUNTS:
            _require(isinstance(value, Integral) and not isinstance(value, bool), name, "a whole number", value)
            _require_positive(name, value)
        elif name in SECONDS:
            _require(isinstance(value, Real) and not isinstance(value, bool), name, "a number of seconds", value)
            _require_positive(name, value)
        elif name in TEXTS:
            _require(isinstance(value, str), name, "a string", value)
        elif name == "dtype" and value not in DTYPES:
            msg = f"dtype must be one of {', '.join(DTYPES)}, not {value!r}"
            raise ValueError(msg)
        elif name == "prompts":
            _check_prompts(value)
        elif name == "layers":
            whole = isinstance(value, Sequence) and all(isinstance(layer, Integral) for layer in value)
            _require(whole, name, "a sequence of whole numbers, for example (-1,) for the last layer", value)
            if not len(value):
                msg = "layers must name at least one layer, for example (-1,) for the last"
                raise ValueError(msg)


def _check_prompts(prompts: Any) -> None:
    expected = 'a mapping from roles to texts, for example {"query": "query: ", "document": ""}'
    _require(isinstance(prompts, Mapping), "prompts", expected, prompts)
    check_roles(prompts)
    _require(all(isinstance(prompt, str) for prompt in prompts.values()), "prompts", expected, prompts)


def _require(right: bool, name: str, expected: str, value: object) -> None:
    if not right:
        msg = f"{name} must be {expected}, not {value!r}"
        raise TypeError(msg)


def _require_positive(name: str, value: Any) -> None:
    if not value > 0 and name != "dimensions":  # the space checks both of its bounds
        msg = f"{name} must be positive, not {value!r}"
        raise ValueError(msg)
