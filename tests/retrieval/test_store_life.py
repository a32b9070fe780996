"""A whole index over every kind of store: its life, conversions, several processes, kills and forks."""

import subprocess
import sys
import threading
import uuid
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from children import run_in_child
from store_kinds import KINDS, open_store

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval.records.schema import Record

HERE = str(Path(__file__).parent)
TEXTS = 40
SECONDS = 100

WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
import senseweave as sw
from tiny_space import make_space
store = eval(sys.argv[2])
index = sw.Index(store, spaces=[make_space(modalities=("text",))], prefix=sys.argv[3])
writes = 0
real = type(store).upsert
def upsert(self, name, records):
    global writes
    for record in records:
        real(self, name, [record])
        writes += 1
        if writes == 10:
            print("wrote", flush=True)
            if sys.argv[5] == "wait":
                sys.stdin.readline()
type(store).upsert = upsert
texts = [sw.Text(f"{sys.argv[4]} number {n}", source=f"{sys.argv[4]}-{n}") for n in range(40)]
print(index.add(texts).added, flush=True)
store.close()
"""
"""Adds texts one by one, says when ten are written, and may wait there to be killed."""


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


@pytest.fixture
def expression(kind, request):
    return kind.expression(request)


@pytest.fixture
def store(expression):
    opened = open_store(expression)
    yield opened
    opened.close()


@pytest.fixture
def prefix():
    return f"life-{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def life(store, space, prefix):
    """An index over the store that shares it with nothing."""
    with sw.Index(store, spaces=[space], prefix=prefix) as opened:
        yield opened


def shown(hits):
    return [(hit.sources, hit.span, hit.page, hit.text, round(hit.score, 3)) for hit in hits]


def run_writer(expression, prefix, word, then="end"):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, HERE, expression, prefix, word, then],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_index_lives_as_it_does_in_a_folder_of_chroma(life, index, corpus_folder, space, store, prefix, tmp_path):
    (tmp_path / "again.png").write_bytes((corpus_folder / "red.png").read_bytes())
    index.add(tmp_path / "again.png")
    assert life.add(corpus_folder).added == 12
    assert life.add(tmp_path / "again.png").copies == 1
    for options in ({}, {"filter": {"modality": {"ne": "text"}}}, {"group": True}, {"diversity": 0.5}, {"words": True}):
        assert shown(life.search("red", k=6, **options)) == shown(index.search("red", k=6, **options))
    assert shown(life.search(sw.Image(corpus_folder / "red.png"), k=3)) == shown(
        index.search(sw.Image(corpus_folder / "red.png"), k=3)
    )
    assert life.add(corpus_folder).added == 0
    (corpus_folder / "garden.txt").write_text("potatoes need sand")
    (corpus_folder / "bread.txt").unlink()
    report = life.add(corpus_folder, sync=True)
    assert (report.added, report.deleted) == (1, 1)
    assert str(corpus_folder / "bread.txt") not in life.sources()
    assert life.search("potatoes", k=1)[0].text == "potatoes need sand"
    assert life.delete(sources=corpus_folder / "song.wav") == 3
    assert life.delete(filter={"modality": "image"}) == 5
    life.calibrate(labels=[("water", "garden.txt"), ("midnight", "trains.txt")])
    learned = [description.calibration for description in life._store.descriptions.values()]
    with sw.Index(store, spaces=[space], prefix=prefix) as again:
        assert [description.calibration for description in again._store.descriptions.values()] == learned
        assert len(again) == len(life) == 4
        assert again.info()["place"] == store.place


def test_indexes_over_one_open_store_know_its_statistics(life, store, space, prefix):
    with sw.Index(store, spaces=[space], prefix=prefix) as other:
        life.add([sw.Text("the last train", source="trains"), sw.Text("a loaf of bread", source="bread")])
        assert shown(other.search("last train")) == shown(life.search("last train"))
        assert {hit.calibration for hit in other.search("last train")} == {"above_chance"}
        other.calibrate(["when does it leave?", "what do I bake?"])
        found = life.search("last train", fusion="pseudo_positive")
        assert shown(found) == shown(other.search("last train", fusion="pseudo_positive"))


def test_who_searches_does_not_wait_for_a_writer_in_another_thread(life, store, space, prefix):
    life.add([sw.Text("the last train", source="trains")])
    with sw.Index(store, spaces=[space], prefix=prefix) as other, store.writing():
        other.add([sw.Text("a loaf of bread", source="bread")])
        found = []
        thread = threading.Thread(target=lambda: found.append(life.search("train", k=1)), daemon=True)
        thread.start()
        thread.join(SECONDS)
        assert not thread.is_alive()
    assert [hit.source for hit in found[0]] == ["trains"]


def test_an_index_is_verified_record_by_record(life, corpus_folder, store, prefix):
    life.add(corpus_folder)
    report = life.verify(sources=True)
    assert (report.records, report.problems) == (12, [])
    name = f"{prefix}tiny-text"
    (record,) = [record for record in store.get(name, vectors=True) if "midnight" in record.text]
    store.upsert(name, [Record(record.id, np.zeros(64, np.float32), "another text", record.metadata)])
    problems = [(problem.kind, problem.ids) for problem in life.verify(sources=True).problems]
    assert sorted(problems) == [("source changed", [record.id]), ("vector", [record.id])]
    with pytest.raises(StoreError, match="holds no senseweave index"):
        sw.Index.open(store, prefix=f"{prefix}none-")


def test_records_move_from_any_store_to_any_other_with_their_vectors(life, index, space, corpus_folder, tmp_path):
    index.calibrate(labels=[("water", "garden.txt"), ("midnight", "trains.txt")])
    index.export(tmp_path / "from-chroma.jsonl")
    assert life.import_(tmp_path / "from-chroma.jsonl") == 12
    life.export(tmp_path / "from-it.jsonl")
    with sw.Index(sw.stores.Memory(), spaces=[space]) as third:
        assert third.import_(tmp_path / "from-it.jsonl") == 12
        for query in (
            "red",
            "the last train",
            sw.Image(corpus_folder / "blue.png"),
            sw.Audio(corpus_folder / "low.wav"),
        ):
            expected = shown(index.search(query, k=12))
            assert shown(life.search(query, k=12)) == expected
            assert shown(third.search(query, k=12)) == expected
    vectors = {record.id: record.vector for record in index.records(vectors=True)}
    moved = {record.id: record.vector for record in life.records(vectors=True)}
    assert vectors.keys() == moved.keys()
    for identifier, vector in vectors.items():
        np.testing.assert_allclose(moved[identifier], vector, atol=1e-6)


def test_eight_threads_add_to_one_index(store, tiny, prefix):
    with sw.Index(store, spaces=[tiny.make_space(modalities=("text",))], prefix=prefix) as index:
        failures = []

        def add(writer):
            try:
                index.add([sw.Text(f"writer {writer} text {n}", source=f"{writer}-{n}") for n in range(5)])
                index.add([sw.Text("the same for all", source="shared")])
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=add, args=(writer,)) for writer in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(index) == 41
        assert index.verify().problems == []


@pytest.mark.integration
def test_two_processes_add_at_once(kind, expression, prefix, tiny):
    if not kind.shared:
        pytest.skip("serves one process")
    open_store(expression).close()
    writers = [run_writer(expression, prefix, word) for word in ("apple", "pear")]
    for writer in writers:
        said, errors = writer.communicate(timeout=SECONDS)
        assert writer.returncode == 0, errors
        assert said.split() == ["wrote", str(TEXTS)]
    check_all_there(expression, prefix, tiny, ["apple", "pear"])


@pytest.mark.integration
def test_a_writer_that_is_killed_leaves_whole_records_and_a_rerun_completes(kind, expression, prefix, tiny):
    if not kind.lasts:
        pytest.skip("lasts no longer than its process")
    killed = run_writer(expression, prefix, "apple", "wait")
    assert killed.stdout.readline() == "wrote\n"
    killed.kill()
    killed.communicate(timeout=SECONDS)
    store = open_store(expression)
    with sw.Index(store, spaces=[tiny.make_space(modalities=("text",))], prefix=prefix) as index:
        assert len(index) == 10
        assert index.verify().problems == []
    store.close()
    rerun = run_writer(expression, prefix, "apple")
    said, errors = rerun.communicate(timeout=SECONDS)
    assert rerun.returncode == 0, errors
    assert said.split() == ["wrote", str(TEXTS - 10)]
    check_all_there(expression, prefix, tiny, ["apple"])


def check_all_there(expression, prefix, tiny, words):
    """Check that an index holds the texts of some writers, each once and whole."""
    store = open_store(expression)
    with sw.Index(store, spaces=[tiny.make_space(modalities=("text",))], prefix=prefix) as index:
        sources = Counter(record.source for record in index.records())
        assert sources == Counter(f"{word}-{n}" for word in words for n in range(TEXTS))
        assert index.verify().problems == []
        for word in words:
            assert index.search(f"{word} number 7", k=1)[0].source == f"{word}-7"
    store.close()


def test_a_forked_child_uses_the_store_or_is_told_why_not(life, kind):
    life.add([sw.Text("tomato", source="parent")])
    life.search("tomato")

    def child():
        if kind.name.startswith("qdrant") and not kind.shared:
            with pytest.raises(StoreError, match="does not work in a forked process"):
                life.search("tomato")
        else:
            assert life.search("tomato", k=1)[0].source == "parent"

    run_in_child(child)
    life.add([sw.Text("carrot", source="later")])
    assert life.search("carrot", k=1)[0].source == "later"
