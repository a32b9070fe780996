"""Records, filters and ids for the contract of stores, and what is checked of the records that come back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from random import Random
from typing import Any, Final

import numpy as np

from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import SparseRow, StoredRecord
from senseweave.retrieval.stores.conditions import AllOf, AnyOf, Compare, Condition
from senseweave.retrieval.stores.filters import COMPARISONS, parse_filter

METADATA: Final = {"about": "größe 中文 \U0001f600", "n": 3, "ratio": 0.25, "on": True, "json": '{"a": "b"}'}
"""Metadata of a collection."""
LARGE: Final = 2**62 + 1

VALUES: Final[list[dict[str, Any]]] = [
    {"s": "x", "n": 1, "on": True, "day": "2024-02-29"},
    {"s": "X", "n": 1.0, "on": False, "day": "2024-03-01"},
    {"s": "1", "n": 0, "on": True},
    {"s": "", "n": -2.0},
    {"s": "größe", "n": 2},
    {"s": "gro\u0308ße", "n": 3.0, "f": 2.5},
    {"s": "中文 \U0001f600 עברית", "n": LARGE},
    {"s": "with 'quotes\" and \\ and %25", "n": LARGE - 1},
    {"s": "a\nb\tc", "f": 1e-300},
    {"n": "1", "s": "true"},
    {"n": True},
    {"n": False},
    {"a.b": 1, "a": "outer", "x[0]": "y", "x": "z"},
    {'say "hi"': "quoted", "back\\slash": 2, "100%": 3, "it's": 4, "größe": "L", "with space": 5},
    {"a.b": 2, "100%": 3.0, "größe": "M"},
    {},
]
"""Metadata of records, among them values that are alike."""

FILTERS: Final[list[dict[str, Any]]] = [
    {"s": "x"}, {"s": ""}, {"s": "1"}, {"s": "größe"}, {"s": "gro\u0308ße"}, {"s": "中文 \U0001f600 עברית"},
    {"s": "with 'quotes\" and \\ and %25"}, {"s": "a\nb\tc"}, {"s": {"ne": "x"}}, {"s": ["x", "1", "none"]},
    {"s": {"nin": ["x", ""]}}, {"s": "true"},
    {"n": 1}, {"n": 1.0}, {"n": 0}, {"n": 2}, {"n": -2}, {"n": -2.0}, {"f": 2.5}, {"f": 1e-300}, {"n": LARGE},
    {"n": "1"}, {"n": True},
    {"n": False}, {"n": {"ne": 1}}, {"n": {"ne": True}}, {"n": [1, 2]}, {"n": [1.0, 3.0]}, {"f": [0.5, 2.5]},
    {"f": {"ne": 2.5}}, {"n": [1, "1", True]},
    {"n": {"nin": [1, 2]}}, {"n": {"gt": 1}}, {"n": {"gte": 1}}, {"n": {"lt": 1}}, {"n": {"lte": 1.0}},
    {"n": {"gte": 0, "lt": 3}}, {"f": {"gt": 1e-301, "lt": 2.5}}, {"n": {"gt": 0}}, {"n": {"lt": 0}},
    {"not": {"n": {"gt": 1}}},
    {"on": True}, {"on": False}, {"on": {"ne": True}}, {"on": [True, False]}, {"on": {"nin": [True]}}, {"on": 1},
    {"day": "2024-02-29"}, {"day": {"in": ["2024-02-29", "2024-03-01"]}}, {"day": {"ne": "2024-03-01"}},
    {"none": 1}, {"none": {"ne": 1}}, {"none": {"nin": ["a", "b"]}}, {"none": {"gt": 1}}, {"not": {"none": {"lt": 1}}},
    {"a.b": 1}, {"a.b": {"gt": 1}}, {"a": "outer"}, {"x[0]": "y"}, {"x": "z"}, {'say "hi"': "quoted"},
    {"back\\slash": 2}, {"100%": 3}, {"it's": {"gte": 4}}, {"größe": ["L", "M"]}, {"with space": 5},
    {"s": "x", "n": 1}, {"or": [{"s": "x"}, {"n": 2}]}, {"not": {"or": [{"s": "x"}, {"n": 2}]}},
    {"or": [{"n": 0}, {"and": [{"on": False}, {"n": {"gt": 0}}, {"not": {"s": "x"}}]}]},
    {"and": [{"or": [{"s": "x"}, {"s": "X"}]}, {"or": [{"on": True}, {"day": "2024-03-01"}]}]},
    {"s": [f"value {number}" for number in range(500)] + ["x"]},
]  # fmt: skip
"""Filters as users write them."""

CONDITIONS: Final[list[Condition]] = [
    Compare("n", "eq", LARGE - 1),
    Compare("n", "in", tuple(range(-50, 2))),
    Compare("n", "nin", (1, 0)),
    AllOf((Compare("n", "gte", 0), Compare("n", "lte", 2), Compare("on", "ne", False))),
    AnyOf((Compare("s", "eq", "x"), AllOf((Compare("n", "gt", 1), Compare("s", "ne", "größe"))))),
    AllOf((AnyOf((Compare("on", "eq", True), Compare("none", "ne", 1))), AnyOf((Compare("n", "lt", 2),)))),
]
"""Conditions as an index makes them."""

FRACTIONS: Final[list[float]] = [0, 0.5, 1, 1.5, 2, 2.5, -0.5, -1]
"""Values of one name, whole numbers and others."""

HOSTILE: Final = [
    "", "1", "true", "null", "NaN", "'; DROP TABLE x; --", 'a"b', "%s", "{}", "a\\b", "$ne", "x' OR 'a'='a", "a\0b",
    "\x1a0", "ä 日本 🦊", "a%22b", "[1]",
]  # fmt: skip
"""Texts that another language than ours would read as its own."""

RANDOM_VALUES: Final[dict[str, Sequence[Any]]] = {
    "whole": [0, 1, -3, 2.0, 7, 1.0, -1.0, 2**40],
    "part": [0.5, -0.25, 2.75, 1e-9],
    "text": HOSTILE,
    "flag": [True, False],
    "mixed": [0, 1, True, False, "1", "true", "", 2.0],
    "source": ["/a/b.txt", "https://host/x?y=z", "", 1, True],
    "a.b[0]": HOSTILE[:9],
}
"""Values by their field, for random conditions; no field has fractions beside whole numbers."""

UNFIT: Final[dict[str, Any]] = {
    "not a number": math.nan, "infinite": -math.inf, "more than 64 bits": 2**70, "a list": ["a"], "an empty list": [],
    "an object": {"a": 1}, "a date": date(2024, 2, 29), "bytes": b"a", "half a character": "\ud800",
}  # fmt: skip
"""Metadata values that no store keeps as they are."""

IDS: Final = [
    "plain", "0", "1", "with space", "größe", "gro\u0308ße", "a/b?c#d&e=f", "'; DROP TABLE records; --", '"quoted"',
    "back\\slash", "%20", "..", "*", "\U0001f600", "中文", "0123456789abcdef" * 2, "x" * 500,
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "3F2504E0-4F89-41D3-9A0C-0305E82C3301", "3f2504e04f8941d39a0c0305e82c3301",
]  # fmt: skip
"""Ids of records."""


def filter_records() -> list[Record]:
    """Return records with the metadata of `VALUES`, by their number."""
    vectors = np.random.default_rng(7).normal(size=(len(VALUES), 8)).astype(np.float32)
    return [
        Record(str(number), vector / np.linalg.norm(vector), f"text {number} größe", dict(values))
        for number, (values, vector) in enumerate(zip(VALUES, vectors, strict=True))
    ]


def random_records(count: int, dimension: int = 8) -> list[Record]:
    """Return records with random vectors of length 1; the first are the same for every count."""
    random = np.random.default_rng(0)
    records = []
    for number in range(count):
        vector = random.normal(size=dimension).astype(np.float32)
        metadata = {"number": number, "even": number % 2 == 0, "word": f"word {number % 5}"}
        records.append(Record(f"id {number}", vector / np.linalg.norm(vector), f"text {number}", metadata))
    return records


def conditions() -> Iterator[tuple[str, Condition]]:
    """Yield the conditions of the contract, each with what errors call it."""
    for given in FILTERS:
        condition = parse_filter(given)
        assert condition is not None
        yield repr(given), condition
    for condition in CONDITIONS:
        yield repr(condition), condition


def random_metadata(choose: Random, count: int, values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return metadata of records, each with some of the fields."""
    return [
        {field: choose.choice(fitting) for field, fitting in values.items() if choose.random() < 0.7}
        for _ in range(count)
    ]


def random_condition(choose: Random, values: Mapping[str, Sequence[Any]], depth: int = 0) -> Condition:
    """Return a condition on some fields, which compares them with their own values and with those of other fields."""
    if depth < 3 and choose.random() < 0.4:
        parts = tuple(random_condition(choose, values, depth + 1) for _ in range(choose.randint(1, 3)))
        return AllOf(parts) if choose.random() < 0.5 else AnyOf(parts)
    field = choose.choice([*values, "no such field"])
    fitting = values.get(field, [0])
    numbers = [value for value in fitting if isinstance(value, (int, float)) and not isinstance(value, bool)]
    operator = choose.choice(COMPARISONS if numbers else ("eq", "ne", "in", "nin"))
    if operator in ("gt", "gte", "lt", "lte"):
        return Compare(field, operator, choose.choice(numbers))
    others = [value for value in [*HOSTILE, True, False] if value not in fitting]
    if operator in ("eq", "ne"):
        return Compare(field, operator, choose.choice([*fitting, *fitting, *others]))
    kind = type(choose.choice(fitting))
    same = [value for value in fitting if type(value) is kind]
    return Compare(
        field, operator, tuple(choose.sample(same, choose.randint(1, len(same)))) * choose.choice([1, 1, 30])
    )


def cosine(vector: np.ndarray, other: np.ndarray) -> float:
    """Return the cosine of the angle between two vectors."""
    return float(vector @ other / np.linalg.norm(vector) / np.linalg.norm(other))


def half_vectors(count: int, dimension: int = 8) -> list[np.ndarray]:
    """Return arrays of several vectors of any length each, whose numbers are as half precision has them."""
    generator = np.random.default_rng(7)
    shapes = [(2 + n % 3, dimension) for n in range(count)]
    return [generator.normal(size=shape).astype(np.float16).astype(np.float32) for shape in shapes]


NOTHING: Final = np.zeros(0, np.int32), np.zeros(0, np.float32)
"""The terms and weights of a sparse vector that has none."""


def sparse_rows(count: int, seed: int = 0) -> list[SparseRow]:
    """Return rows of 5 to 40 random terms each, of a vocabulary of 200 whose greatest number is large."""
    random = np.random.default_rng(seed)
    vocabulary = np.append(np.arange(199), 3_000_000).astype(np.int32)
    rows = []
    for number in range(count):
        terms = np.sort(random.choice(vocabulary, random.integers(5, 40), replace=False))
        weights = random.random(len(terms)).astype(np.float32) + np.float32(0.01)
        rows.append(SparseRow(f"row {number}", terms, weights, {"digest": f"{number:032x}"}))
    return rows


def sparse_dot(row: SparseRow, other: SparseRow) -> float:
    """Return the dot product of two sparse vectors; 0 where they share no term."""
    _, at, other_at = np.intersect1d(row.terms, other.terms, return_indices=True)
    return float(row.weights[at].astype(np.float64) @ other.weights[other_at])


def same_direction(record: StoredRecord, vector: np.ndarray) -> bool:
    """Return whether a record has a vector, of float32, and it points where another does: stores may scale it."""
    stored = record.vector
    return stored is not None and stored.dtype == np.float32 and cosine(stored, vector) > 1 - 1e-5


def share_found(records: Sequence[Record], query: np.ndarray, found: Sequence[StoredRecord]) -> float:
    """Return the share of the records nearest to a query that were found."""
    similarities = [cosine(query, record.vector) for record in records]
    nearest = {records[at].id for at in np.argsort(similarities)[::-1][: len(found)]}
    return len(nearest & {record.id for record in found}) / len(found)


def whole_record(identifier: str, writer: int, turn: int) -> Record:
    """Return a record whose vector, text and metadata say the same."""
    vector = np.zeros(8, np.float32)
    vector[writer], vector[(writer + 1) % 8] = 1.0, turn / 10
    return Record(identifier, vector, f"{writer} {turn}", {"writer": writer, "turn": turn})


def check_whole(record: StoredRecord) -> None:
    """Check that the text of a record of `whole_record` is that of its metadata."""
    assert record.text == f"{record.metadata['writer']} {record.metadata['turn']}"
