"""Options that mean the same in every family are refused early where they cannot be right."""

from __future__ import annotations

import pytest

from senseweave.encoders.options import check_options


@pytest.mark.parametrize(
    "options",
    [
        {"max_length": None, "dtype": None, "prompts": None},
        {"max_length": 8, "batch_tokens": 64, "window_seconds": 2.5, "timeout": 3, "dtype": "bfloat16"},
        {"prompts": {}, "layers": [-1, 0]},
        {"prompts": {"query": "q: "}, "layers": (1,)},
    ],
)
def test_what_can_be_right_is_taken(options):
    check_options(options)


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
        ({"layers": -1}, TypeError, "layers must be a sequence of whole numbers"),
        ({"layers": ()}, ValueError, "layers must name at least one layer"),
    ],
)
def test_what_cannot_be_right_is_refused_with_what_was_expected(options, error, message):
    with pytest.raises(error, match=message):
        check_options(options)
