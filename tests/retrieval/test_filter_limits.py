"""Long, deep and strange filters: answered exactly, in several queries if need be, or a ValueError that says why."""

import enum
import math

import chromadb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import senseweave as sw
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores import conditions
from senseweave.retrieval.stores.chroma import ChromaStore
from senseweave.retrieval.stores.conditions import (
    DEEPEST,
    MOST_COMPARISONS,
    MOST_VALUES,
    AllOf,
    AnyOf,
    Compare,
    any_of,
    divide,
    matches,
)
from senseweave.retrieval.stores.filters import compile_filter, parse_filter
from senseweave.stores import Memory

FEW = 40


@pytest.fixture(scope="module", params=["chroma", "memory"])
def numbered(request, tmp_path_factory, tiny):
    """Forty texts with a number, its name and its parity."""
    place = Memory() if request.param == "memory" else tmp_path_factory.mktemp("numbered") / "index"
    with sw.Index(place, spaces=[tiny.make_space(modalities=("text",))]) as index:
        index.add([sw.Text(f"text {n}", source=f"s{n}", metadata=values(n)) for n in range(FEW)])
        yield index


def values(number):
    return {"n": number, "name": f"n{number}", "even": number % 2 == 0}


def found(index, condition):
    return sorted(int(hit.text.split()[1]) for hit in index.search("text", k=FEW, filter=condition))


def nested(levels, kind="and"):
    condition = {"n": 1}
    for _ in range(levels):
        condition = {"not": condition} if kind == "not" else {kind: [condition, {"even": False}]}
    return condition


def alternating(levels):
    condition = {"n": 1}
    for level in range(levels):
        condition = {("and", "or")[level % 2]: [condition, {"n": {"gt": level}}]}
    return condition


def itself():
    condition = {"and": [{"n": 1}]}
    condition["and"].append(condition)
    return condition


def doubled(levels):
    condition = {"n": 1}
    for _ in range(levels):
        condition = {"or": [condition, condition]}
    return condition


LONG = {
    "1000 equalities": ({"or": [{"n": n} for n in range(3, 1003)]}, range(3, FEW)),
    "10,000 equalities": ({"or": [{"n": n} for n in range(3, 10_003)]}, range(3, FEW)),
    "2000 inequalities": ({"and": [{"n": {"ne": n}} for n in range(3, 2003)]}, range(3)),
    "100,000 values": ({"name": [f"n{n}" for n in range(100_000)]}, range(FEW)),
    "a set of 30,000 values": ({"name": {f"n{n}" for n in range(5, 30_005)}}, range(5, FEW)),
    "30,000 numbers": ({"n": {"in": range(5, 30_005)}}, range(5, FEW)),
    "a long list and another condition": ({"name": [f"n{n}" for n in range(30_000)], "even": True}, range(0, FEW, 2)),
    "1000 ranges": ({"or": [{"n": {"gt": n + 30}} for n in range(1000)]}, range(31, FEW)),
    "ranges and another condition": (
        {"even": True, "or": [{"n": {"gte": n}} for n in range(30, 530)]},
        range(30, FEW, 2),
    ),
    "a long or, negated": ({"not": {"or": [{"n": n} for n in range(3, 3003)]}}, range(3)),
    "a long list in a list of conditions": (
        {"or": [{"n": {"lt": 2}}, {"name": [f"n{n}" for n in range(20_000, 40_000)]}]},
        range(2),
    ),
    "40 levels of and": (nested(40), [1]),
    "90 negations": (nested(90, "not"), [1]),
}


@pytest.mark.parametrize(("condition", "expected"), LONG.values(), ids=LONG)
def test_a_long_filter_finds_exactly_what_it_says(condition, expected, numbered):
    assert found(numbered, condition) == list(expected)


class Color(str, enum.Enum):  # noqa: UP042  (a StrEnum prints as its value)
    """Prints as Color.red, and is the string red."""

    red = "n1"


EXACT = {
    "an enum": ({"name": Color.red}, [1]),
    "NumPy's numbers": ({"n": [np.int64(1), np.float32(2.0)]}, [1, 2]),
    "a bool is not a number": ({"n": [True, 3]}, [3]),
    "the largest number": ({"n": {"lt": 2**63 - 1}}, range(FEW)),
    "the least number": ({"n": {"gt": -(2**63) + 1}}, range(FEW)),
    "a NUL": ({"name": "n1\0"}, []),
    "a quote": ({"name": "n1' or '1'='1"}, []),
    "a field called like SQL": ({"n'; drop table embeddings; --": 1}, []),
    "an empty string": ({"name": ""}, []),
    "a long string": ({"name": "n" * 1_000_000}, []),
}


@pytest.mark.parametrize(("condition", "expected"), EXACT.values(), ids=EXACT)
def test_an_unusual_filter_finds_exactly_what_it_says(condition, expected, numbered):
    assert found(numbered, condition) == list(expected)


REFUSED = {
    "2000 fields": ({f"f{n}": n for n in range(2000)}, "200 comparisons"),
    "2000 ranges at once": ({"and": [{"n": {"gt": n}} for n in range(2000)]}, "200 comparisons"),
    "20,000 values to exclude": ({"name": {"nin": [f"n{n}" for n in range(20_000)]}}, "10,000 values at once"),
    "200,000 values": ({"n": list(range(200_000))}, "100,000 values"),
    "a range without end": ({"n": {"in": range(10**15)}}, "100,000 values"),
    "30,000 conditions": ({"or": [{"n": {"gt": n}} for n in range(30_000)]}, "20,000 parts"),
    "20,000 queries": (
        {"and": [{"or": [{f"f{m}": {"gt": n}} for n in range(3000)]} for m in range(3)]},
        "100 queries",
    ),
    "150 levels": (nested(150), "100 levels"),
    "5000 negations": (nested(5000, "not"), "100 levels"),
    "100,000 negations": (nested(100_000, "not"), "100 levels"),
    "levels that cannot be flattened": (alternating(30), f"{DEEPEST} levels"),
    "a filter in itself": (itself(), "100 levels"),
    "a part doubled 60 times": (doubled(60), "20,000 parts"),
    "a lone surrogate": ({"name": "\ud800"}, "surrogates"),
    "a lone surrogate in a list": ({"name": ["a", "\udfff"]}, "surrogates"),
    "a lone surrogate in a name": ({"\ud800": 1}, "a field of a filter is named"),
    "a name of 2000 characters": ({"n" * 2000: 1}, "a field of a filter is named"),
    "an empty name": ({"": 1}, "a field of a filter is named"),
    "an operator that is none": ({"$where": 1}, "unknown operator '\\$where'"),
    "a name of the store's own": ({"#document": "x"}, "a field of a filter is named"),
    "another name of the store's own": ({"chroma:document": "x"}, "a field of a filter is named"),
    "two million characters": ({"name": "n" * 2_000_000}, "1,000,000 characters"),
    "not a number": ({"n": math.nan}, "'n' must be compared with"),
    "infinity in a list": ({"n": [1.0, -math.inf]}, "'n' must be compared with"),
    "65 bits": ({"n": 2**64}, "at most 64 bits"),
    "ten thousand digits": ({"n": {"gt": 10**10_000}}, "at most 64 bits"),
    "ten thousand digits in a set": ({"n": {10**10_000, 1}}, "at most 64 bits"),
    "bytes": ({"name": b"n1"}, "'name' must be compared with"),
    "bytes as a list": ({"n": {"in": b"n1"}}, "'n' must be compared with a list"),
    "None": ({"n": None}, "'n' must be compared with"),
    "an object": ({"n": object()}, "'n' must be compared with"),
    "an array": ({"n": np.arange(3)}, "'n' must be compared with"),
    "a list of lists": ({"n": [[1]]}, "'n' must be compared with"),
    "a dict in a list": ({"n": [{"eq": 1}]}, "'n' must be compared with"),
    "an empty list": ({"n": []}, "at least one value"),
    "an empty condition": ({"n": {}}, "is empty"),
    "an empty or": ({"or": []}, "list of filters"),
    "a dict for a list": ({"and": {"n": 1}}, "list of filters"),
    "strings for filters": ({"or": ["n", "m"]}, "a filter must be a dict"),
    "bytes for a name": ({b"n": 1}, "field names of a filter must be str"),
    "a comparison of bytes": ({"n": {b"eq": 1}}, "unknown comparison"),
    "a string to order by": ({"n": {"gt": "1"}}, "with a number"),
    "a complex number": ({"n": 1j}, "'n' must be compared with"),
}


@pytest.mark.parametrize(("condition", "says"), REFUSED.values(), ids=REFUSED)
def test_a_filter_that_no_store_takes_is_one_line_that_names_the_limit(condition, says, numbered):
    for use in (lambda: numbered.search("text", filter=condition), lambda: numbered.delete(filter=condition)):
        with pytest.raises(ValueError, match=says) as raised:
            use()
        assert len(str(raised.value)) < 400
        assert "\n" not in str(raised.value)
        str(raised.value).encode()
    assert len(numbered) == FEW


def test_a_filter_for_a_framework_is_asked_in_one_query_or_refused():
    assert compile_filter({"or": [{"n": 1}, {"n": 2}]}) == {"n": {"$in": [1, 2]}}
    assert compile_filter({"and": [{"and": [{"n": 1}, {"m": {"gt": 2}}]}, {"s": "x"}]}) == {
        "$and": [{"n": {"$eq": 1}}, {"m": {"$gt": 2}}, {"s": {"$eq": "x"}}]
    }
    with pytest.raises(ValueError, match="one query of a store may have 200 comparisons and 10,000 values"):
        compile_filter({"name": [str(n) for n in range(20_000)]})


def test_chroma_takes_what_the_limits_allow(tmp_path):
    store = ChromaStore(tmp_path / "store")
    store.make("limits", {"about": "it"}, 4)
    records = [Record(str(n), np.eye(4, dtype=np.float32)[n % 4], "text", values(n)) for n in range(FEW)]
    store.upsert("limits", records)
    deep = Compare("n", "lt", 7)
    for level in range(DEEPEST):
        deep = (AnyOf, AllOf)[level % 2]((deep, Compare("n", "gte" if level % 2 else "lt", level % 2)))
    for condition in (
        AnyOf(tuple(Compare(f"f{n}", "eq", float(n)) for n in range(MOST_COMPARISONS))),
        AllOf(tuple(Compare(f"f{n}", "ne", str(n)) for n in range(MOST_COMPARISONS))),
        Compare("n", "in", tuple(range(MOST_VALUES))),
        AllOf(tuple(Compare(f"f{n}", "nin", tuple(range(50))) for n in range(MOST_COMPARISONS))),
        deep,
    ):
        expected = sorted(record.id for record in records if matches(condition, record.metadata))
        assert sorted(record.id for record in store.get("limits", condition=condition)) == expected
        (answer,) = store.query("limits", np.ones((1, 4), np.float32), FEW, condition=condition)
        assert sorted(record.id for record in answer) == expected
    store.close()


compares = st.builds(
    Compare, st.sampled_from("abc"), st.sampled_from(["eq", "ne", "gt", "lte"]), st.integers(0, 6)
) | st.builds(
    Compare,
    st.sampled_from("abc"),
    st.sampled_from(["in", "in", "nin"]),
    st.lists(st.integers(0, 6), min_size=1, max_size=6).map(tuple),
)
joins = st.recursive(
    compares,
    lambda parts: st.builds(
        lambda kind, several: kind(tuple(several)),
        st.sampled_from([AllOf, AnyOf]),
        st.lists(parts, min_size=1, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(joins, st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 6)), min_size=5, max_size=20))
def test_parts_of_a_divided_condition_hold_together_where_it_does(condition, rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditions, "MOST_COMPARISONS", 4)
        patch.setattr(conditions, "MOST_VALUES", 6)
        try:
            pieces = divide(condition)
        except ValueError:
            return
    for piece in pieces:
        assert conditions._fits(piece, 4, 6)
    for row in rows:
        assert any(matches(piece, row) for piece in pieces) == matches(condition, row)


@settings(max_examples=200, deadline=None)
@given(joins)
def test_joining_flat_keeps_what_a_filter_says(condition):
    def as_filter(part):
        if isinstance(part, Compare):
            return {part.field: {part.operator: list(part.value) if isinstance(part.value, tuple) else part.value}}
        return {"and" if isinstance(part, AllOf) else "or": [as_filter(inner) for inner in part.parts]}

    parsed = parse_filter(as_filter(condition))
    for row in ({"a": a, "b": b} for a in range(7) for b in range(7)):
        assert matches(parsed, row) == matches(condition, row)


def test_a_divided_filter_gives_the_nearest_once_and_deletes_all(tiny, monkeypatch):
    monkeypatch.setattr(conditions, "MOST_COMPARISONS", 3)
    for store in (Memory(), ChromaStore(chromadb.EphemeralClient())):
        index = sw.Index(store, spaces=[tiny.make_space("divided", modalities=("text",))])
        index.add([sw.Text(f"w{n} w{n % 7}", source=f"s{n}", metadata={"n": n}) for n in range(30)])
        overlapping = {"or": [{"n": {"gte": n}} for n in range(4, 20)]}
        hits = index.search("w3", k=9, filter=overlapping)
        assert [hit.id for hit in hits] == [hit.id for hit in index.search("w3", k=9, filter={"n": {"gte": 4}})]
        assert len({hit.id for hit in hits}) == 9
        assert index.delete(filter=overlapping) == 26
        assert sorted(index.sources()) == ["s0", "s1", "s2", "s3"]
        index.delete(sources=[f"s{n}" for n in range(30)])


def test_values_that_no_store_can_hold_are_not_asked_for():
    assert any_of("source", ["\udcff"]) == []
    assert any_of("source", ["a", "\udcff"]) == [Compare("source", "in", ("a",))]


@pytest.mark.parametrize("ids", [[f"{n:032x}" for n in range(100_000)], ["\ud800"], ["a\0b"], ["x" * 100_000]])
def test_ids_that_are_not_there_are_passed_over_however_many_and_strange(ids, numbered):
    assert numbered.delete(ids=ids) == 0
    assert numbered.record_modalities(ids) == {}
    assert numbered.delete(sources=ids) == 0
    assert len(numbered) == FEW


def test_long_strings_count_as_several_values():
    texts = [str(number) + "x" * 100_000 for number in range(1000)]
    pieces = divide(Compare("name", "in", tuple(texts)))
    assert [text for piece in pieces for text in piece.value] == texts
    assert 10 <= len(pieces) <= 12
    assert max(sum(map(len, piece.value)) for piece in pieces) < 11_000_000


@pytest.mark.parametrize("ids", [[1], ["x", None], [b"x"], 7, b"x", [["x"]]])
def test_ids_of_another_type_are_one_clear_line(ids, numbered):
    for use in (lambda: numbered.delete(ids=ids), lambda: numbered.record_modalities(ids)):
        with pytest.raises(TypeError, match="ids must be"):
            use()
