"""Options are checked against the annotations of a family's `build` before a model is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pytest

import senseweave as sw
from senseweave.encoders.options import check_options


def build(
    name: str,
    *,
    max_length: int = 512,
    batch_tokens: int = 64,
    batch_images: int = 8,
    window_seconds: float = 10.0,
    timeout: float = 60.0,
    temperature: float = 1.0,
    device: str | None = None,
    dtype: str | None = None,
    prompts: Mapping[str, str] | None = None,
    layers: Sequence[int] = (-1,),
    trust_remote_code: bool = False,
    layer: int | Literal["matrix"] = -1,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Stand for a family's `build`, with every kind of annotation."""


def build_for_type_checkers(name: str, *, path: Unimported = None) -> Any:  # noqa: F821
    """Stand for a plugin whose annotations are imported for type checkers only."""


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": None, "prompts": None},
        {"dimensions": 64, "temperature": 2, "trust_remote_code": True, "device": "cpu"},
        {"layer": "matrix", "options": {"max_length": 3}},
        {"max_length": 8, "batch_tokens": 64, "window_seconds": 2.5, "timeout": 3, "dtype": "bfloat16"},
        {"prompts": {}, "layers": [-1, 0]},
        {"prompts": {"query": "q: "}, "layers": (1,)},
    ],
)
def test_values_of_the_annotated_type_are_kept(options):
    assert check_options(build, options) == options


def test_none_stands_for_the_default_unless_the_annotation_admits_it():
    assert check_options(build, {"max_length": None, "device": None}) == {"device": None}


def test_annotations_that_only_a_type_checker_knows_are_left_to_the_family():
    options = {"path": 3, "dimensions": 8}
    assert check_options(build_for_type_checkers, options) == options
    with pytest.raises(TypeError, match="dimensions must be a whole number"):
        check_options(build_for_type_checkers, {"dimensions": "8"})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"max_length": 0}, ValueError, "max_length must be positive, not 0"),
        ({"max_length": "512"}, TypeError, "max_length must be a whole number, not '512'"),
        ({"batch_images": 1.5}, TypeError, "batch_images must be a whole number"),
        ({"batch_tokens": True}, TypeError, "batch_tokens must be a whole number"),
        ({"dimensions": "64"}, TypeError, "dimensions must be a whole number, not '64'"),
        ({"window_seconds": 0}, ValueError, "window_seconds must be positive"),
        ({"window_seconds": float("nan")}, ValueError, "window_seconds must be positive"),
        ({"window_seconds": "2"}, TypeError, "window_seconds must be a number of seconds"),
        ({"device": 0}, TypeError, "device must be a string"),
        ({"dtype": "fp16"}, ValueError, "dtype must be one of float32, bfloat16, float16, not 'fp16'"),
        ({"prompts": "query: "}, TypeError, "prompts must be a mapping from roles to texts"),
        ({"prompts": {"query": 3}}, TypeError, "prompts must be a mapping from roles to texts"),
        ({"prompts": {"passage": "x"}}, ValueError, r"must have roles as keys \(query, document\), not 'passage'"),
        ({"prompts": 3}, TypeError, "prompts must be a mapping from roles to texts"),
        ({"options": 3}, TypeError, "options must be a mapping, not 3"),
        ({"temperature": "hot"}, TypeError, "temperature must be a number, not 'hot'"),
        ({"temperature": True}, TypeError, "temperature must be a number, not True"),
        ({"trust_remote_code": "no"}, TypeError, "trust_remote_code must be True or False, not 'no'"),
        ({"trust_remote_code": 1}, TypeError, "trust_remote_code must be True or False, not 1"),
        ({"layers": [1, True]}, TypeError, "layers must be a sequence of whole numbers"),
        ({"layers": -1}, TypeError, "layers must be a sequence of whole numbers"),
        ({"layers": ()}, ValueError, "layers must name at least one layer"),
    ],
)
def test_other_values_are_refused_with_what_was_expected(options, error, message):
    with pytest.raises(error, match=message):
        check_options(build, options)


@pytest.mark.parametrize("value", ["no", 1, 0.0])
@pytest.mark.parametrize("option", ["normalize", "fast_decode"])
def test_what_is_neither_yes_nor_no_is_refused(option, value):
    with pytest.raises(TypeError, match=f"{option} must be True or False, not {value!r}"):
        sw.load("starter", **{option: value})
