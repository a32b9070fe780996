"""Filters are parsed into conditions, which Chroma and stores without filters of their own understand alike."""

import numpy as np
import pytest

from senseweave.retrieval.stores.conditions import AllOf, AnyOf, Compare, any_of, matches
from senseweave.retrieval.stores.filters import compile_filter, modality_filter, parse_filter


@pytest.mark.parametrize("given", [None, {}])
def test_no_filter_is_no_condition_and_matches_everything(given):
    assert parse_filter(given) is None
    assert compile_filter(given) is None
    assert matches(None, {}) is True


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        ({"a": 1}, Compare("a", "eq", 1)),
        ({"a": np.float32(0.5)}, Compare("a", "eq", 0.5)),
        ({"a": [1, 2]}, Compare("a", "in", (1, 2))),
        ({"a": {"y", "x"}}, Compare("a", "in", ("x", "y"))),
        ({"a": {"nin": ["x", 1]}}, AllOf((Compare("a", "nin", ("x",)), Compare("a", "nin", (1,))))),
        ({"a": ["x", 1]}, AnyOf((Compare("a", "in", ("x",)), Compare("a", "in", (1,))))),
        ({"a": {"$gte": 1, "lt": 3}}, AllOf((Compare("a", "gte", 1), Compare("a", "lt", 3)))),
        ({"a": 1, "b": 2}, AllOf((Compare("a", "eq", 1), Compare("b", "eq", 2)))),
        ({"or": [{"a": 1}, {"b": 2}]}, AnyOf((Compare("a", "eq", 1), Compare("b", "eq", 2)))),
        ({"$and": [{"a": 1}, {"b": 2}]}, AllOf((Compare("a", "eq", 1), Compare("b", "eq", 2)))),
        ({"and": [{"a": 1}]}, Compare("a", "eq", 1)),
        ({"not": {"a": 1}}, Compare("a", "ne", 1)),
        ({"not": {"not": {"a": 1}}}, Compare("a", "eq", 1)),
        ({"not": {"a": 1, "b": 2}}, AnyOf((Compare("a", "ne", 1), Compare("b", "ne", 2)))),
        ({"not": {"a": {"gt": 1, "lte": 3}}}, AnyOf((Compare("a", "lte", 1), Compare("a", "gt", 3)))),
        ({"not": {"or": [{"a": 1}, {"b": 2}]}}, AllOf((Compare("a", "ne", 1), Compare("b", "ne", 2)))),
        ({"not": {"and": [{"a": 1}, {"b": 2}]}}, AnyOf((Compare("a", "ne", 1), Compare("b", "ne", 2)))),
        ({"not": {"a": ["x"]}}, Compare("a", "nin", ("x",))),
    ],
)
def test_a_filter_is_parsed_into_comparisons_without_negation(given, condition):
    assert parse_filter(given) == condition


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a", "a filter must be a dict with at least one field, not 'a'"),
        ([], r"a filter must be a dict with at least one field, not \[\]"),
        ({"not": {}}, "a filter must be a dict with at least one field"),
        ({1: 2}, "the field names of a filter must be str, not 1"),
        ({"or": {"a": 1}}, "'or' takes a list of filters"),
        ({"and": "ab"}, "'and' takes a list of filters"),
        ({"and": 3}, "'and' takes a list of filters"),
        ({"$or": []}, r"'\$or' takes a list of filters"),
        ({"$nor": [{"a": 1}]}, r"unknown operator '\$nor'"),
        ({"a": {"like": "x"}}, "unknown comparison 'like' on 'a'"),
        ({"a": {}}, "the condition on 'a' is empty"),
        ({"a": []}, "'a' must be compared with a list of at least one value"),
        ({"a": {"in": "abc"}}, "'a' must be compared with a list of at least one value"),
        ({"a": {"in": 3}}, "'a' must be compared with a list of at least one value"),
        ({"a": {"gt": "x"}}, "'a' must be compared by gt, gte, lt and lte with a number, not 'x'"),
        ({"a": {"lte": True}}, "'a' must be compared by gt, gte, lt and lte with a number, not True"),
        ({"a": None}, "'a' must be compared with a str, int, finite float or bool, not None"),
        ({"a": float("nan")}, "'a' must be compared with a str, int, finite float or bool, not nan"),
        ({"a": [[1]]}, "'a' must be compared with a str, int, finite float or bool"),
    ],
)
def test_a_filter_that_cannot_be_parsed_is_an_error_that_names_the_part(given, message):
    with pytest.raises(ValueError, match=message):
        parse_filter(given)


@pytest.mark.parametrize(
    ("given", "matching"),
    [
        ({"a": 1}, [{"a": 1}, {"a": 1.0}]),
        ({"a": {"ne": 1}}, [{"a": 2}, {"a": "1"}, {"a": True}, {}]),
        ({"a": True}, [{"a": True}]),
        ({"a": {"in": [1, 2]}}, [{"a": 1}, {"a": 1.0}, {"a": 2}]),
        ({"a": {"nin": [1]}}, [{"a": 2}, {"a": "1"}, {"a": True}, {}]),
        ({"a": {"gt": 1}}, [{"a": 2}]),
        ({"a": {"gte": 1}}, [{"a": 1}, {"a": 1.0}, {"a": 2}]),
        ({"a": {"lt": 2}}, [{"a": 1}, {"a": 1.0}]),
        ({"a": {"lte": 1}}, [{"a": 1}, {"a": 1.0}]),
        ({"a": {"gte": 1, "lt": 2}}, [{"a": 1}, {"a": 1.0}]),
        ({"or": [{"a": 2}, {"a": "1"}]}, [{"a": 2}, {"a": "1"}]),
    ],
)
def test_records_match_by_value_and_type_and_an_absent_field_only_by_inequality(given, matching):
    records = [{"a": 1}, {"a": 1.0}, {"a": 2}, {"a": "1"}, {"a": True}, {}]
    found = [record for record in records if matches(parse_filter(given), record)]
    assert list(map(repr, found)) == list(map(repr, matching))


def test_chroma_gets_the_same_condition_in_its_own_words():
    assert compile_filter({"a": [1, 2]}) == {"a": {"$in": [1, 2]}}
    assert compile_filter({"a": {"nin": [1]}}) == {"a": {"$nin": [1]}}
    assert compile_filter({"a": 1, "b": {"gt": 2}}) == {"$and": [{"a": {"$eq": 1}}, {"b": {"$gt": 2}}]}
    assert compile_filter({"or": [{"a": 1}, {"b": 2}]}) == {"$or": [{"a": {"$eq": 1}}, {"b": {"$eq": 2}}]}


def test_many_values_become_several_conditions():
    values = [str(number) for number in range(1001)]
    assert any_of("a", values) == [Compare("a", "in", tuple(values[:1000])), Compare("a", "in", ("1000",))]
    assert any_of("a", []) == []


def test_records_that_name_no_modality_or_an_unknown_modality_are_text():
    records = [{"modality": "image"}, {"modality": "text"}, {"modality": "CT"}, {}]
    assert [record for record in records if matches(parse_filter(modality_filter("text")), record)] == records[1:]
    assert [record for record in records if matches(parse_filter(modality_filter("image")), record)] == records[:1]


def test_conditions_are_values_that_can_be_keys():
    condition = AllOf((Compare("a", "eq", 1), AnyOf((Compare("b", "in", ("x",)), Compare("c", "gt", 2)))))
    other = parse_filter({"a": 1, "or": [{"b": ["x"]}, {"c": {"gt": 2}}]})
    assert {condition: "kept"}[other] == "kept"
