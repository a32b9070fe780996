"""The contract of stores that keep token vectors or sparse vectors too, as tests; those that keep none skip them."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import numpy as np
import pytest

from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import SparseRow, SparseVectors, TokenVectors, VectorStore
from senseweave.testing.store_samples import METADATA, NOTHING, half_vectors, random_records, sparse_dot, sparse_rows


class FurtherVectorsContract:
    """Tests of what `TokenVectors` and `SparseVectors` promise; a part of `StoreContract`."""

    def test_token_vectors_are_compared_by_maxsim(self, store: VectorStore, make: Callable[..., str]) -> None:
        """Those of a model alone, with their metadata; larger vectors count for more, and a second save replaces."""
        if not isinstance(store, TokenVectors):
            pytest.skip("the store keeps no token vectors")
        records = random_records(4)
        name = make(records)
        ids = [record.id for record in records]
        vectors = half_vectors(4)
        query = half_vectors(1)[0]
        assert store.compare_tokens(name, "aa11", query, ids) == []
        saved = [Record(each, vector, "", {"content": each}) for each, vector in zip(ids[:3], vectors, strict=False)]
        store.save_tokens(name, "aa11", saved)
        store.save_tokens(name, "bb22", [Record(ids[1], -3 * vectors[3], "", {"content": "other"})])
        store.save_tokens(name, "aa11", [Record(ids[0], 2 * vectors[3], "", {"content": "new"})])
        expected = {
            ids[0]: ("new", (query @ (2 * vectors[3]).T).max(axis=1).sum()),
            ids[2]: (ids[2], (query @ vectors[2].T).max(axis=1).sum()),
        }
        found = store.compare_tokens(name, "aa11", query, [ids[0], ids[2], ids[3], "no such id"])
        assert {record.id: record.metadata["content"] for record in found} == {
            each: content for each, (content, _) in expected.items()
        }
        for record in found:
            assert record.similarity == pytest.approx(expected[record.id][1], rel=1e-3, abs=1e-3)
        assert store.count(name) == 4

    def test_token_vectors_go_with_their_record(self, store: VectorStore, make: Callable[..., str]) -> None:
        """When it is deleted or replaced, and with the collection; of a record that is not there nothing is kept."""
        if not isinstance(store, TokenVectors):
            pytest.skip("the store keeps no token vectors")
        records = random_records(4)
        name = make(records)
        ids = [record.id for record in records]
        query = half_vectors(1)[0]

        def kept() -> list[str]:
            found = store.compare_tokens(name, "aa11", query, [*ids, "no such id"])
            return sorted(record.id for record in found)

        tokens = [Record(each, query, "", {"content": each}) for each in [*ids, "no such id"]]
        store.save_tokens(name, "aa11", tokens)
        assert kept() == sorted(ids)
        store.delete(name, ids[:1])
        store.upsert(name, records[1:2])
        assert kept() == sorted(ids[2:])
        store.drop(name)
        store.make(name, METADATA, 8)
        store.upsert(name, records)
        assert kept() == []

    def test_sparse_vectors_are_found_by_exact_dot_products(self, store: VectorStore) -> None:
        """Those that share a term with the query, greatest first; a second save replaces, and deletes count."""
        if not isinstance(store, SparseVectors):
            pytest.skip("the store keeps no sparse vectors")
        name = f"contract-{uuid.uuid4().hex[:12]}"
        assert store.make_sparse(name, METADATA) == METADATA
        assert store.make_sparse(name, {"about": "something else"}) == METADATA
        try:
            assert store.collections()[name] == METADATA
            rows = sparse_rows(300)
            store.save_sparse(name, rows)
            rows[7] = SparseRow(rows[7].id, rows[150].terms, rows[150].weights, {"digest": "new"})
            rows[8] = SparseRow(rows[8].id, *NOTHING, {})
            store.save_sparse(name, rows[7:9])
            store.delete(name, [rows[3].id, "no such id"])
            del rows[3]
            assert store.count(name) == len(rows)
            for query in sparse_rows(5, seed=1):
                expected = sorted(((sparse_dot(query, row), row.id) for row in rows), reverse=True)
                expected = [(score, each) for score, each in expected if score > 0]
                for k in (1, 10, 1000):
                    found = store.find_sparse(name, query.terms, query.weights, k)
                    assert [score for _, score in found] == pytest.approx(
                        [score for score, _ in expected[:k]], abs=1e-4
                    )
                    by_id = {each: score for score, each in expected}
                    assert len({each for each, _ in found}) == len(found)
                    assert all(score == pytest.approx(by_id[each], abs=1e-4) for each, score in found)
            assert store.find_sparse(name, np.array([4_000_000], np.int64), np.ones(1, np.float32), 5) == []
        finally:
            store.drop(name)
        assert name not in store.collections()

    def test_sparse_vectors_are_listed_and_sampled(self, store: VectorStore) -> None:
        """With their metadata, those without a term too."""
        if not isinstance(store, SparseVectors):
            pytest.skip("the store keeps no sparse vectors")
        name = f"contract-{uuid.uuid4().hex[:12]}"
        store.make_sparse(name, METADATA)
        try:
            assert store.sample_sparse(name, 5) == []
            rows = {row.id: row for row in [*sparse_rows(600), SparseRow("nothing", *NOTHING, {"digest": "none"})]}
            store.save_sparse(name, list(rows.values()))
            listed = [record for at in range(0, 700, 250) for record in store.get(name, limit=250, offset=at)]
            assert {record.id: record.metadata for record in listed} == {row.id: row.metadata for row in rows.values()}
            (record,) = store.get(name, ids=["nothing"])
            assert record.metadata == {"digest": "none"}
            assert len({row.id for row in store.sample_sparse(name, 550)}) == 550
            sampled = store.sample_sparse(name, 1000)
            assert sorted(row.id for row in sampled) == sorted(rows)
            for row in sampled:
                np.testing.assert_array_equal(row.terms, rows[row.id].terms)
                np.testing.assert_allclose(row.weights, rows[row.id].weights, rtol=1e-6)
        finally:
            store.drop(name)
