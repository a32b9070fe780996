"""The part of the contract of every vector store that says what it is not given, and what it makes of odd records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from senseweave.errors import StoreError
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import VectorStore
from senseweave.testing.store_samples import UNFIT, random_records, same_direction


class StoreInputs:
    """Tests of what is written to a store; `StoreContract` has their fixtures `store` and `make`."""

    def test_a_record_that_is_named_twice_is_one(self, store: VectorStore, make: Callable[..., str]) -> None:
        """In one call the last of an id stays, whole; a listing gives each once, and deletes each once."""
        ones = np.ones(8, np.float32)
        name = make(
            [Record("a", ones, "old", {"m": 1}), Record("b", ones, "b", {}), Record("a", -ones, "new", {"n": 2})]
        )
        found = store.get(name, ids=["a", "b", "a", "a"], vectors=True)
        assert sorted((record.id, record.text, record.metadata) for record in found) == [
            ("a", "new", {"n": 2}),
            ("b", "b", {}),
        ]
        assert all(same_direction(record, -ones if record.id == "a" else ones) for record in found)
        store.delete(name, ["a", "a"])
        assert [record.id for record in store.get(name)] == ["b"]

    @pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
    def test_a_value_that_stores_do_not_keep_is_refused_with_its_call(
        self, store: VectorStore, make: Callable[..., str], unfit: Any
    ) -> None:
        """The message names the record; nothing of the call is written, and no value becomes another."""
        first, second, third = random_records(3)
        name = make([first])
        with pytest.raises(ValueError, match=f"record '{third.id}'.*'rating'"):
            store.upsert(name, [second, Record(third.id, third.vector, "x", {"rating": unfit})])
        with pytest.raises(ValueError, match="'rating'"):
            store.update_metadata(name, {first.id: {"rating": unfit}})
        assert [(record.id, record.metadata) for record in store.get(name)] == [(first.id, first.metadata)]

    def test_half_a_character_in_an_id_a_text_or_a_name_is_refused(
        self, store: VectorStore, make: Callable[..., str]
    ) -> None:
        """UTF-8 lacks it, so that most stores would fail in words of their own."""
        name, ones = make(random_records(1)), np.ones(8, np.float32)
        broken = [
            Record("\ud800", ones, "x", {}),
            Record("a", ones, "\ud800", {}),
            Record("a", ones, "x", {"\ud800": 1}),
        ]
        for record in broken:
            with pytest.raises(ValueError, match="surrogate"):
                store.upsert(name, [*random_records(2)[1:], record])
        assert store.count(name) == 1

    def test_numbers_of_numpy_become_numbers(self, store: VectorStore, make: Callable[..., str]) -> None:
        """A table's columns are of NumPy."""
        values = {"n": np.int64(3), "f": np.float32(0.5), "on": np.bool_(True)}
        (record,) = store.get(make([Record("a", np.ones(8, np.float32), "x", values)]))
        assert record.metadata == {"n": 3, "f": 0.5, "on": True}
        assert {type(value) for value in record.metadata.values()} == {int, float, bool}

    def test_a_record_may_have_no_text(self, store: VectorStore, make: Callable[..., str]) -> None:
        """None stays apart from an empty text."""
        ones: Any = np.ones(8, np.float32)
        name = make([Record("none", ones, None, {}), Record("empty", ones, "", {})])  # type: ignore[arg-type]
        assert {record.id: record.text for record in store.get(name)} == {"none": None, "empty": ""}

    def test_vectors_of_another_dimension_are_refused(self, store: VectorStore, make: Callable[..., str]) -> None:
        """Alone, among others, and as queries; nothing is written."""
        name, short = make(random_records(2)), Record("short", np.ones(3, np.float32), "x", {})
        for records in ([short], [*random_records(4)[2:], short]):
            with pytest.raises((ValueError, StoreError)):
                store.upsert(name, records)
        assert store.count(name) == 2
        for queries in (np.ones((1, 3)), np.ones(8), np.full((1, 8), np.nan), np.full((1, 8), np.inf)):
            with pytest.raises((ValueError, StoreError)):
                store.query(name, queries.astype(np.float32), 1)
        (found,) = store.query(name, np.ones((1, 8), np.float32), 5)
        assert len(found) == 2
