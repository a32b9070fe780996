"""Token vectors that a multi-vector reranker finds in the store of an index, and leaves there."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.rerankers.multi_vector import MultiVectorModel
from senseweave.errors import RerankWarning, StoreError

pytest.importorskip("sentence_transformers")
pytest.importorskip("qdrant_client", reason="needs qdrant-client")

TEXTS = {"train": "the last train", "wall": "a red wall", "sound": "a sound", "sea": "the blue sea"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of two ColBERT that differ in how much they read, and of a ColPali."""
    tiny = str(Path(__file__).parents[1] / "encoders" / "tiny")
    sys.path.insert(0, tiny)
    saving = importlib.import_module("tiny_rerankers")
    sys.path.remove(tiny)
    folder = tmp_path_factory.mktemp("rerankers")
    return {
        "colbert": str(saving.save_colbert(folder / "colbert")),
        "shorter": str(saving.save_colbert(folder / "shorter", document_length=6)),
        "colpali": str(saving.save_colpali(folder / "colpali")),
    }


@pytest.fixture(params=["memory", "folder", "server"])
def place(request, tmp_path):
    if request.param == "server":
        from qdrant_server import qdrant_server

        with qdrant_server() as running:
            yield running.url
    else:
        yield ":memory:" if request.param == "memory" else tmp_path / "qdrant"


@pytest.fixture
def store(place):
    opened = sw.stores.Qdrant(place, keeps_tokens=True)
    yield opened
    opened.close()


@pytest.fixture
def index(store, space):
    with sw.Index(store, spaces=[space]) as made:
        made.add([sw.Text(text, source=source) for source, text in TEXTS.items()])
        yield made


@pytest.fixture
def embedded(monkeypatch):
    """What models embed as documents, in order."""
    seen = []
    embed_each = MultiVectorModel.embed_each

    def watched(self, items, role):
        seen.extend(items if role == "document" else [])
        return embed_each(self, items, role)

    monkeypatch.setattr(MultiVectorModel, "embed_each", watched)
    return seen


def ranking(hits):
    return {hit.source: hit.score for hit in hits}


@pytest.mark.parametrize("mean", [False, True], ids=["sum", "mean"])
def test_a_record_is_embedded_once_and_its_score_stays(index, models, embedded, mean):
    reranker = sw.load_reranker(models["colbert"])
    reranker.model._loaded().similarity_fn_name = "meanmaxsim" if mean else "maxsim"
    expected = dict(zip(TEXTS, reranker.score("the last train", list(TEXTS.values())).values, strict=True))
    embedded.clear()
    first = index.search("the last train", rerank=reranker)
    assert sorted(embedded) == sorted(TEXTS.values())
    embedded.clear()
    second = index.search("the last train", rerank=reranker)
    assert embedded == []
    assert ranking(first) == pytest.approx(expected, rel=2e-4)
    assert ranking(second) == pytest.approx(ranking(first), rel=1e-6)
    assert [hit.id for hit in second] == [hit.id for hit in first]
    assert second[0].calibration == reranker.name
    other = index.search("a red wall", rerank=reranker)
    assert embedded == []
    alone = dict(zip(TEXTS, reranker.score("a red wall", list(TEXTS.values())).values, strict=True))
    assert ranking(other) == pytest.approx(alone, rel=2e-4)


def test_what_is_new_or_changed_is_embedded_and_what_is_deleted_goes(index, store, models, embedded):
    index.search("the last train", rerank=models["colbert"])
    (tokens,) = [name for name in store.collections() if "-tokens-" in name]
    assert store.count(tokens) == len(TEXTS)
    embedded.clear()
    index.delete(sources=["wall"])
    index.add([sw.Text("green", source="new")])
    assert store.count(tokens) == len(TEXTS) - 1
    hits = index.search("the last train", rerank=models["colbert"])
    assert embedded == ["green"]
    assert {hit.source for hit in hits} == {*TEXTS, "new"} - {"wall"}
    assert store.count(tokens) == len(TEXTS)


def test_a_text_that_others_replaced_is_never_scored_by_its_vectors_of_before(index, models, embedded, monkeypatch):
    alone = sw.load_reranker(models["colbert"]).score("the last train", ["red"]).values[0]
    index.search("the last train", rerank=models["colbert"])
    embedded.clear()
    monkeypatch.setattr(
        "senseweave.retrieval.search.rerank.hit_words", lambda hit: "red" if hit.source == "sea" else hit.text
    )
    found = ranking(index.search("the last train", rerank=models["colbert"]))
    assert embedded == ["red"]
    assert found["sea"] == pytest.approx(alone, rel=2e-4)


def test_a_model_that_computes_something_else_never_reads_them(index, store, models, embedded):
    index.search("the last train", rerank=models["colbert"])
    embedded.clear()
    shorter = sw.load_reranker(models["shorter"])
    with pytest.warns(RerankWarning, match="tokens of .* candidates were not read"):
        found = index.search("the last train", rerank=shorter)
    assert sorted(embedded) == sorted(TEXTS.values())
    expected = dict(zip(TEXTS, shorter.score("the last train", list(TEXTS.values())).values, strict=True))
    assert ranking(found) == pytest.approx(expected, rel=2e-4)
    assert len([name for name in store.collections() if "-tokens-" in name]) == 2
    with pytest.warns(RerankWarning, match="tokens of .* candidates were not read"):  # what was cut is stored too
        index.search("the last train", rerank=shorter)
    index.delete(sources=["train"])
    assert [store.count(name) for name in store.collections() if "-tokens-" in name] == [len(TEXTS) - 1] * 2


def test_pages_and_pictures_are_seen_once(store, space, models, embedded, tmp_path, write_picture):
    with sw.Index(store, spaces=[space]) as index:
        index.add([write_picture(tmp_path / f"{colour}.png", colour) for colour in ("red", "blue")], ocr="off")
        first = index.search("red", rerank=models["colpali"])
        assert len(embedded) == 2
        second = index.search("red", rerank=models["colpali"])
        assert len(embedded) == 2
        assert ranking(second) == pytest.approx(ranking(first), rel=1e-6)


@pytest.mark.parametrize("method", ["save_tokens", "compare_tokens"])
def test_a_store_that_fails_to_keep_them_fails_no_search(index, store, models, embedded, monkeypatch, method):
    def fail(*arguments):
        raise StoreError("no space left")

    expected = ranking(index.search("the last train", rerank=models["colbert"]))
    index.delete(sources=["wall"])
    index.add([sw.Text(TEXTS["wall"], source="wall")])
    monkeypatch.setattr(store, method, fail)
    embedded.clear()
    assert ranking(index.search("the last train", rerank=models["colbert"])) == pytest.approx(expected, rel=2e-4)
    assert len(embedded) == (1 if method == "save_tokens" else len(TEXTS))


def test_a_store_keeps_none_unless_asked_to_and_removes_them_all_the_same(store, index, space, models, embedded):
    index.search("the last train", rerank=models["colbert"])
    store.keeps_tokens = False
    (tokens,) = [name for name in store.collections() if "-tokens-" in name]
    with sw.Index(store, spaces=[space]) as plain:
        embedded.clear()
        plain.search("the last train", rerank=models["colbert"])
        assert len(embedded) == len(TEXTS)
        plain.delete(sources=["wall"])
    assert store.count(tokens) == len(TEXTS) - 1


def test_vectors_beyond_what_qdrant_takes_are_left_out(store):
    from senseweave.retrieval.records.schema import Record

    store.make("notes", {}, 4)
    store.upsert("notes", [Record(name, np.ones(4, np.float32), name, {}) for name in ("large", "small")])
    large = Record("large", np.ones((8193, 128), np.float32), "", {"content": "a"})
    store.save_tokens("notes", "aa11", [large])
    assert list(store.collections()) == ["notes"]
    store.save_tokens("notes", "aa11", [large, Record("small", np.ones((2, 128), np.float32), "", {"content": "b"})])
    found = store.compare_tokens("notes", "aa11", np.ones((1, 128), np.float32), ["large", "small"])
    assert [(record.id, record.similarity) for record in found] == [("small", pytest.approx(128))]
