"""The contract of every vector store, as tests: subclass it and say how the store is opened."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, ClassVar

import numpy as np
import pytest

from senseweave.errors import StoreError
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import VectorStore
from senseweave.retrieval.stores.conditions import Compare, matches
from senseweave.retrieval.stores.filters import COMPARISONS, parse_filter
from senseweave.testing.further_vectors_contract import FurtherVectorsContract
from senseweave.testing.store_inputs import StoreInputs
from senseweave.testing.store_samples import (
    FRACTIONS,
    IDS,
    METADATA,
    RANDOM_VALUES,
    check_whole,
    conditions,
    cosine,
    filter_records,
    random_condition,
    random_metadata,
    random_records,
    same_direction,
    share_found,
    whole_record,
)

Open = Callable[[], VectorStore]
MANY = 1200
"""Records, more than any store lists or writes by one request."""
WRITERS = 8


class StoreContract(StoreInputs, FurtherVectorsContract):
    """Tests of a store; each makes collections of its own, and drops them.

        class TestMyStore(StoreContract):
            @pytest.fixture
            def open_store(self, tmp_path):
                return lambda: MyStore(tmp_path)

    Attributes:
        recall: The smallest mean share of the true ten nearest records that a search has to find.
        lasts: Whether records are still there when the store is opened again.
        closes: Whether a closed store raises; False for one that has nothing to let go of.
        fractions: Whether comparisons tell 2 from 2.5 where one name holds both.
    """

    recall: ClassVar[float] = 0.99
    lasts: ClassVar[bool] = True
    closes: ClassVar[bool] = True
    fractions: ClassVar[bool] = True
    pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

    @pytest.fixture
    def open_store(self) -> Open:
        """Return a function that opens the store, always at the same place."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: Open) -> Iterator[VectorStore]:
        """Yield the store, and close it."""
        opened = open_store()
        yield opened
        opened.close()

    @pytest.fixture
    def make(self, store: VectorStore) -> Iterator[Callable[..., str]]:
        """Yield a function that makes a collection of records and returns its name."""
        names = []

        def made(records: Sequence[Record] = (), dimension: int = 8) -> str:
            name = f"contract-{uuid.uuid4().hex[:12]}"
            store.make(name, METADATA, dimension)
            names.append(name)
            store.upsert(name, records)
            return name

        yield made
        for name in names:
            if name in store.collections():
                store.drop(name)

    def test_it_is_a_vector_store_that_says_where_it_is(self, store: VectorStore) -> None:
        """Its attributes are there, and `place` is text."""
        assert isinstance(store, VectorStore)
        assert isinstance(store.place, str)
        assert store.place

    def test_the_metadata_of_a_collection_are_kept_and_replaced_whole(
        self, store: VectorStore, make: Callable[..., str]
    ) -> None:
        """`save_metadata` leaves nothing of what was before; `make` of a collection that is there changes nothing."""
        name = make()
        assert store.collections()[name] == METADATA
        assert store.make(name, {"about": "something else"}, 8) == METADATA
        changed = {"about": "new", "long": "0123456789" * 2000}
        store.save_metadata(name, changed)
        assert store.collections()[name] == changed

    def test_the_version_tells_of_what_is_made_described_and_dropped(
        self, store: VectorStore, make: Callable[..., str]
    ) -> None:
        """Several indexes may share an open store: what one of them changes, the others read again."""
        versions = [store.version]
        name = make(random_records(1))
        versions.append(store.version)
        store.save_metadata(name, {"about": "new"})
        versions.append(store.version)
        store.drop(name)
        versions.append(store.version)
        assert len(set(versions)) == len(versions)

    def test_a_dropped_collection_is_gone_and_made_anew_empty(
        self, store: VectorStore, make: Callable[..., str]
    ) -> None:
        """Records do not come back with the name."""
        name = make(random_records(5))
        store.drop(name)
        assert name not in store.collections()
        store.make(name, METADATA, 8)
        assert store.count(name) == 0
        assert store.get(name) == []

    def test_an_upsert_replaces_a_record_whole(self, store: VectorStore, make: Callable[..., str]) -> None:
        """Neither the text, nor the vector, nor a metadata value of before is left."""
        name = make(filter_records())
        vector = np.eye(8, dtype=np.float32)[3]
        store.upsert(name, [Record("0", vector, "new", {"m": 1})])
        (record,) = store.get(name, ids=["0"], vectors=True)
        assert (record.text, record.metadata) == ("new", {"m": 1})
        assert same_direction(record, vector)
        assert store.count(name) == len(filter_records())

    def test_metadata_are_changed_and_removed_by_name(self, store: VectorStore, make: Callable[..., str]) -> None:
        """What is not named stays, and so do the text and the vector; ids that are not there are passed over."""
        records = random_records(3)
        name = make(records)
        store.update_metadata(
            name, {records[1].id: {"number": None, "t.v": "ÿ", "even": 7}, "no such id": {"number": 1}}
        )
        found = {record.id: record for record in store.get(name, vectors=True)}
        expected = {**records[1].metadata, "t.v": "ÿ", "even": 7}
        del expected["number"]
        assert found[records[1].id].metadata == expected
        assert found[records[1].id].text == records[1].text
        assert same_direction(found[records[1].id], records[1].vector)
        assert found[records[0].id].metadata == records[0].metadata
        assert len(found) == 3

    def test_values_come_back_as_they_were_written(self, store: VectorStore, make: Callable[..., str]) -> None:
        """Strings of all scripts, whole numbers of 63 bits, floats and bools, each with its type."""
        records = filter_records()
        found = {record.id: record for record in store.get(make(records), vectors=True)}
        for record in records:
            stored = found[record.id]
            assert stored.metadata == record.metadata
            assert {n: type(v) for n, v in stored.metadata.items()} == {n: type(v) for n, v in record.metadata.items()}
            assert stored.text == record.text
            assert same_direction(stored, record.vector)
            assert stored.similarity == 0.0

    def test_records_are_found_by_any_id(self, store: VectorStore, make: Callable[..., str]) -> None:
        """An id is any text, and near spellings are different ids."""
        name = make([Record(each, np.ones(8, np.float32), each, {"number": at}) for at, each in enumerate(IDS)])
        assert sorted(record.id for record in store.get(name)) == sorted(IDS)
        for at, each in enumerate(IDS):
            (record,) = store.get(name, ids=[each])
            assert (record.id, record.text, record.metadata) == (each, each, {"number": at})
        store.delete(name, IDS[1:])
        assert [record.id for record in store.get(name)] == IDS[:1]

    def test_ids_that_are_not_there_are_passed_over(self, store: VectorStore, make: Callable[..., str]) -> None:
        """In `get` and `delete`, alone and among others; no ids are no records."""
        records = random_records(3)
        name = make(records)
        assert [record.id for record in store.get(name, ids=["none", records[1].id])] == [records[1].id]
        assert store.get(name, ids=[]) == []
        store.delete(name, ["none", records[1].id])
        store.delete(name, ["none"])
        store.delete(name, [])
        assert store.count(name) == 2

    def test_a_listing_has_an_order_and_its_pages_add_up(self, store: VectorStore, make: Callable[..., str]) -> None:
        """Pages neither overlap nor leave out a record, whatever their size, and beyond the end is nothing."""
        name = make(random_records(25))
        everything = [record.id for record in store.get(name)]
        assert len(set(everything)) == 25
        assert [record.id for record in store.get(name)] == everything
        for size in (1, 7, 25, 40):
            pages = [store.get(name, limit=size, offset=offset) for offset in range(0, 26, size)]
            assert [record.id for page in pages for record in page] == everything
        assert store.get(name, limit=5, offset=25) == []
        assert [record.id for record in store.get(name, offset=20)] == everything[20:]
        even = parse_filter({"even": True})
        assert [record.id for record in store.get(name, condition=even, limit=4, offset=9)] == [
            record.id for record in store.get(name, condition=even)
        ][9:13]
        store.delete(name, everything[:10])
        assert [record.id for record in store.get(name, limit=5, offset=10)] == everything[20:]

    def test_every_condition_holds_for_the_records_that_it_should(
        self, store: VectorStore, make: Callable[..., str]
    ) -> None:
        """In a listing, in a search, and beside ids, as `matches` says."""
        records = filter_records()
        name = make(records)
        wrong = []
        for shown, condition in conditions():
            expected = sorted(record.id for record in records if matches(condition, record.metadata))
            listed = sorted(record.id for record in store.get(name, condition=condition))
            (found,) = store.query(name, np.ones((1, 8), np.float32), len(records), condition=condition)
            if listed != expected or sorted(record.id for record in found) != expected:
                wrong.append((shown, expected, listed, sorted(record.id for record in found)))
        assert wrong == []

    def test_random_conditions_hold_as_in_python(self, store: VectorStore, make: Callable[..., str]) -> None:
        """Nested, over hostile texts, over values of several types under one name, and over fields that lack."""
        choose = Random(7)
        metadata = random_metadata(choose, 60, RANDOM_VALUES)
        name = make([Record(f"{at:02}", np.ones(8, np.float32), "x", values) for at, values in enumerate(metadata)])
        for _ in range(120):
            condition = random_condition(choose, RANDOM_VALUES)
            expected = [f"{at:02}" for at, values in enumerate(metadata) if matches(condition, values)]
            assert sorted(record.id for record in store.get(name, condition=condition)) == expected, condition

    def test_whole_numbers_are_told_from_fractions(self, store: VectorStore, make: Callable[..., str]) -> None:
        """By every comparison."""
        if not self.fractions:
            pytest.skip("the store looks at the whole part of a fraction")
        ones = np.ones(8, np.float32)
        name = make([Record(str(value), ones, "x", {"n": value}) for value in FRACTIONS])
        for value in FRACTIONS:
            for operator in COMPARISONS:
                condition = Compare("n", operator, (value,) if operator in ("in", "nin") else value)
                expected = sorted(str(each) for each in FRACTIONS if matches(condition, {"n": each}))
                assert sorted(record.id for record in store.get(name, condition=condition)) == expected

    def test_a_search_finds_what_comparing_all_vectors_finds(
        self, store: VectorStore, make: Callable[..., str]
    ) -> None:
        """With its cosine similarity, nearest first, with and without a condition, and with vectors if asked."""
        records = random_records(600, dimension=32)
        name = make(records, dimension=32)
        queries = np.random.default_rng(1).normal(size=(20, 32)).astype(np.float32)
        for given in (None, {"even": True}, {"number": {"lt": 60}}):
            condition = parse_filter(given)
            kept = [record for record in records if matches(condition, record.metadata)]
            found = store.query(name, queries, 10, condition=condition, with_vectors=True)
            assert [len(each) for each in found] == [10] * 20
            assert np.mean([share_found(kept, q, each) for q, each in zip(queries, found, strict=True)]) >= self.recall
            by_id = {record.id: record for record in kept}
            for query, each in zip(queries, found, strict=True):
                similarities = [record.similarity for record in each]
                assert similarities == sorted(similarities, reverse=True)
                for record in each:
                    assert record.similarity == pytest.approx(cosine(query, by_id[record.id].vector), abs=1e-3)
                    assert same_direction(record, by_id[record.id].vector)
                    assert record.metadata == by_id[record.id].metadata

    def test_a_search_for_more_than_there_is_returns_all(self, store: VectorStore, make: Callable[..., str]) -> None:
        """Also of an empty collection, and where nothing matches; each query has its own list, and none has none."""
        name, empty = make(random_records(7)), make()
        queries = np.eye(8, dtype=np.float32)[:3]
        for k in (8, 1000, 1_000_000):
            assert [len(found) for found in store.query(name, queries, k)] == [7, 7, 7]
            assert store.query(empty, queries, k) == [[], [], []]
        assert store.query(name, queries, 5, condition=parse_filter({"none": 1})) == [[], [], []]
        assert store.query(name, queries[:0], 5) == []
        assert [len(found) for k in (0, -1) for found in store.query(name, queries, k)] == [1] * 6
        assert store.get(empty) == []
        assert store.count(empty) == 0

    def test_many_records_are_written_read_and_removed_by_one_call(
        self, store: VectorStore, make: Callable[..., str]
    ) -> None:
        """A store divides what its server would not take at once; texts may be long."""
        records = random_records(MANY)
        records[5] = Record(records[5].id, records[5].vector, "long " * 200_000, records[5].metadata)
        name = make(records)
        ids = [record.id for record in records]
        assert store.count(name) == MANY
        assert sorted(record.id for record in store.get(name)) == sorted(ids)
        assert len(store.get(name, ids=ids)) == MANY
        assert len(store.get(name, ids=[ids[5]])[0].text or "") == 1_000_000
        store.update_metadata(name, {each: {"seen": True} for each in ids[:150]})
        seen = store.get(name, condition=parse_filter({"seen": True}))
        assert sorted(record.id for record in seen) == sorted(ids[:150])
        store.delete(name, ids[1:])
        assert [record.id for record in store.get(name)] == ids[:1]

    @pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf], ids=str)
    def test_a_vector_that_is_not_finite_is_refused_with_its_batch(
        self, store: VectorStore, make: Callable[..., str], number: float
    ) -> None:
        """Nothing of the call is written."""
        name = make(random_records(2))
        broken = np.ones(8, np.float32)
        broken[2] = number
        with pytest.raises((ValueError, StoreError)):
            store.upsert(name, [*random_records(4)[2:], Record("broken", broken, "x", {})])
        assert store.count(name) == 2

    def test_a_collection_that_is_not_there_is_a_store_error(self, store: VectorStore) -> None:
        """Whatever is asked of it."""
        name = f"contract-{uuid.uuid4().hex[:12]}"
        asked: list[Callable[[], Any]] = [
            lambda: store.count(name),
            lambda: store.get(name),
            lambda: store.get(name, ids=["1"]),
            lambda: store.query(name, np.ones((1, 8), np.float32), 3),
            lambda: store.upsert(name, random_records(1)),
            lambda: store.update_metadata(name, {"1": {"a": 1}}),
            lambda: store.delete(name, ["1"]),
            lambda: store.save_metadata(name, {"a": 1}),
            lambda: store.drop(name),
        ]
        for ask in asked:
            with pytest.raises(StoreError):
                ask()
        assert name not in store.collections()

    def test_writers_in_threads_lose_and_mix_nothing(self, store: VectorStore, make: Callable[..., str]) -> None:
        """Eight threads write records of their own and, over and over, some that all share.

        Readers meanwhile see a text with its own metadata. A vector may still be that of the write before: an index
        gives an id to one content alone.
        """
        name = make()
        failures: list[BaseException] = []
        ended = threading.Event()

        def write(writer: int) -> None:
            try:
                for turn in range(6):
                    own = [whole_record(f"{writer}-{turn}-{n}", writer, turn) for n in range(3)]
                    shared = [whole_record(f"shared-{n}", writer, turn) for n in range(3)]
                    with store.writing():
                        store.upsert(name, own + shared)
            except BaseException as error:
                failures.append(error)

        def read() -> None:
            try:
                while not ended.is_set():
                    for record in store.get(name):
                        check_whole(record)
            except BaseException as error:
                failures.append(error)

        writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
        reader = threading.Thread(target=read)
        for thread in (reader, *writers):
            thread.start()
        for thread in writers:
            thread.join()
        ended.set()
        reader.join()
        assert failures == []
        found = store.get(name, vectors=True)
        assert len(found) == WRITERS * 6 * 3 + 3
        for record in found:
            check_whole(record)
            assert same_direction(record, whole_record("", record.metadata["writer"], record.metadata["turn"]).vector)

    def test_what_one_opening_wrote_another_finds(self, open_store: Open) -> None:
        """After the first has been closed."""
        if not self.lasts:
            pytest.skip("the store lasts no longer than its process")
        store, records, name = open_store(), filter_records(), f"contract-{uuid.uuid4().hex[:12]}"
        store.make(name, METADATA, 8)
        store.upsert(name, records)
        store.close()
        again = open_store()
        try:
            assert again.collections()[name] == METADATA
            assert {record.id: record.metadata for record in again.get(name)} == {
                record.id: record.metadata for record in records
            }
            (found,) = again.query(name, records[3].vector[None], 1)
            assert found[0].id == records[3].id
        finally:
            again.drop(name)
            again.close()

    def test_a_closed_store_says_so(self, open_store: Open) -> None:
        """And is closed twice without harm."""
        if not self.closes:
            pytest.skip("the store has nothing to let go of")
        store = open_store()
        store.close()
        store.close()
        with pytest.raises(StoreError, match="closed"):
            store.collections()
