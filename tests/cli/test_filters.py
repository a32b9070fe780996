"""Filters as they are written in a shell."""

from typing import Any

import pytest

from senseweave.cli.filters import filter_fields, parse_filters
from senseweave.errors import SenseweaveError


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("author=Ann", {"author": {"eq": "Ann"}}),
        ("author == Ann Lee", {"author": {"eq": "Ann Lee"}}),
        ("year>=2020", {"year": {"gte": 2020}}),
        ("year < 2020.5", {"year": {"lt": 2020.5}}),
        ("tag!=draft", {"tag": {"ne": "draft"}}),
        ('year="2020"', {"year": {"eq": "2020"}}),
        ("done=true", {"done": {"eq": True}}),
        ('author=["Ann", "Bob"]', {"author": {"in": ["Ann", "Bob"]}}),
        ('author!=["Ann"]', {"author": {"nin": ["Ann"]}}),
        ("formula=a=b", {"formula": {"eq": "a=b"}}),
        ('{"or": [{"a": 1}, {"b": 2}]}', {"or": [{"a": 1}, {"b": 2}]}),
    ],
)
def test_a_condition_is_read_as_it_is_written(written: str, expected: dict[str, Any]) -> None:
    assert parse_filters([written]) == expected


def test_several_conditions_must_all_hold() -> None:
    assert parse_filters(["a=1", "b>2"]) == {"and": [{"a": {"eq": 1}}, {"b": {"gt": 2}}]}
    assert parse_filters([]) is None


@pytest.mark.parametrize("written", ["author", "=Ann", '{"author": '])
def test_what_is_no_condition_is_an_error_that_quotes_it(written: str) -> None:
    with pytest.raises(SenseweaveError, match="--filter"):
        parse_filters([written])


def test_the_fields_of_a_filter_are_found_at_any_depth() -> None:
    given = {"a": 1, "or": [{"b": {"gt": 2}}, {"not": {"c": 3}}]}
    assert filter_fields(given) == {"a", "b", "c"}
