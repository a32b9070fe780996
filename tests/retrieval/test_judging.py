"""Judged searches are kept with the index: by every store, under kill, by two processes, and through repair."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from damage import change_database
from PIL import Image as PillowImage

import senseweave as sw
from senseweave.errors import MediaError, StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.records.schema import Record
from senseweave.stores import Memory

JUDGE = """
import sys
sys.path.insert(0, sys.argv[1])
from tiny_space import make_space
from senseweave.retrieval import Index

index = Index(sys.argv[2], spaces=[make_space()])
for number in range(int(sys.argv[4])):
    query = f"{sys.argv[3]} {number}"
    index.judge(query, index.search(query, k=1)[0], relevant=number % 2 == 0)
    print(query, flush=True)
"""


def judging(place, name, count):
    """Start a process that judges a search after the other, and prints those that are kept."""
    command = [sys.executable, "-c", JUDGE, str(Path(__file__).parent), str(place), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def shown(judgments):
    return [
        (j.query.decode() if j.query.modality == "text" else Path(j.query.source).name,
         Path(j.document.provenance.source).name, j.relevant)
        for j in judgments
    ]  # fmt: skip


@pytest.fixture(params=["folder", "memory", "server"])
def anywhere(request, tmp_path, space, corpus_folder):
    """An index in each kind of store."""
    place = {"folder": lambda: tmp_path / "index", "memory": Memory}.get(request.param)
    place = place() if place else request.getfixturevalue("server").client()
    with Index(place, spaces=[space], prefix="mine-") as index:
        index.add(corpus_folder)
        yield index


def test_judgments_are_kept_in_every_store(anywhere, corpus_folder):
    index, size = anywhere, len(anywhere)
    hits = index.search("something red", k=3)
    index.judge("something red", hits[0])
    index.judge("something red", hits[1], relevant=False)
    index.judge(sw.Image(corpus_folder / "blue.png"), hits[2].id, np.bool_(True))
    found = index.judgments()
    assert shown(found) == [
        ("something red", Path(hits[0].source).name, True),
        ("something red", Path(hits[1].source).name, False),
        ("blue.png", Path(hits[2].source).name, True),
    ]
    assert found[0].document.media == hits[0].media
    assert found[0].judged_at <= found[1].judged_at <= found[2].judged_at
    assert len(index) == size
    assert [hit.id for hit in index.search("something red", k=3)] == [hit.id for hit in hits]
    assert index.info()["records"] == size
    assert index.verify().ok


def test_a_new_judgment_replaces_the_old(index):
    hit = index.search("bread")[0]
    index.judge("bread", hit)
    index.judge("bread", hit, relevant=False)
    index.judge("BREAD", hit)
    assert [(j.query.decode(), j.relevant) for j in index.judgments()] == [("bread", False), ("BREAD", True)]


def test_an_index_without_judgments_has_none(index):
    assert index.judgments() == []


def test_a_prefix_keeps_judgments_apart(tmp_path, space):
    store = Memory()
    one, other = (Index(store, spaces=[space], prefix=prefix) for prefix in ("a-", "b-"))
    for index in (one, other):
        index.add([sw.Text("tomatoes need sun")])
    one.judge("sun", one.search("sun")[0])
    assert (len(one.judgments()), len(other.judgments())) == (1, 0)


def test_deleted_records_leave_their_judgments_out(index, corpus_folder):
    hits = index.search("something red", k=10)
    for hit in hits:
        index.judge("something red", hit)
    gone = hits[0].source
    index.delete(sources=[gone])
    assert {j.document.provenance.source for j in index.judgments()} == {hit.source for hit in hits} - {gone}
    index.add(gone)
    assert len(index.judgments()) == len(hits)


def test_content_that_stays_under_another_source_stays_judged(index, corpus_folder):
    (corpus_folder / "copy.png").write_bytes((corpus_folder / "red.png").read_bytes())
    (corpus_folder / "copy.txt").write_bytes((corpus_folder / "bread.txt").read_bytes())
    index.add(corpus_folder)
    for name, query in (("red.png", sw.Image(corpus_folder / "red.png")), ("bread.txt", "knead the dough")):
        hit = index.search(query)[0]
        index.judge(query, hit)
        index.delete(sources=[hit.source])
        assert {name, f"copy{Path(name).suffix}"} - {Path(hit.source).name} == {
            Path(index.judgments()[-1].document.provenance.source).name
        }
    index.delete(sources=[str(corpus_folder / name) for name in ("copy.png", "red.png", "copy.txt", "bread.txt")])
    assert index.judgments() == []


def test_a_changed_file_is_another_content(index, corpus_folder):
    hit = index.search("knead the dough")[0]
    index.judge("knead the dough", hit)
    (corpus_folder / "bread.txt").write_text("buy a loaf")
    index.add(corpus_folder)
    assert index.judgments() == []


@pytest.mark.parametrize(
    ("query", "hit", "relevant", "error"),
    [
        ("sun", 3, True, "hit must be a hit of a search or the id of a record, not int"),
        ("sun", "no-such-record", True, "record 'no-such-record' is not in this index"),
        ("sun", None, 0.5, "relevant must be True or False"),
        ("", None, True, "cannot be empty"),
        (5, None, True, "a query must be"),
        (sw.Query(["sun", ("rain", -1)]), None, True, "a query of 2 parts cannot be judged"),
        (sw.Image(PillowImage.new("RGB", (8, 8))), None, True, "is kept nowhere"),
    ],
)
def test_what_cannot_be_judged_is_named(index, query, hit, relevant, error):
    hit = index.search("sun")[0] if hit is None else hit
    with pytest.raises((TypeError, ValueError, MediaError), match=error):
        index.judge(query, hit, relevant)
    assert index.judgments() == []


def test_another_programs_collection_is_left_alone(space):
    store = Memory()
    store.make("senseweave-judgments", {"of": "somebody"}, 3)
    store.upsert("senseweave-judgments", [Record("a", np.ones(3, np.float32), "text", {})])
    index = Index(store, spaces=[space])
    index.add([sw.Text("tomatoes need sun")])
    with pytest.raises(StoreError, match="does not hold judgments"):
        index.judge("sun", index.search("sun")[0])
    assert index.judgments() == []
    assert store.count("senseweave-judgments") == 1


def test_a_kill_loses_no_judgment_that_was_kept(index, space, tmp_path):
    index.close()
    place = tmp_path / "index"
    kept = []
    for number in range(3):
        process = judging(place, f"run{number}", 500)
        kept += [process.stdout.readline().strip() for _ in range(4 + number)]
        process.send_signal(signal.SIGKILL)
        kept += process.communicate()[0].splitlines()
    with Index(place, spaces=[space]) as again:
        queries = [judgment.query.decode() for judgment in again.judgments()]
        assert set(kept) <= set(queries)
        assert len(queries) == len(set(queries)) <= len(kept) + 3  # the one at hand may be there
        again.judge("afterwards", again.search("bread")[0])
        assert again.verify().ok


def test_two_processes_and_an_open_index_judge_at_once(index, tmp_path):
    processes = [judging(tmp_path / "index", name, 12) for name in ("first", "second")]
    for number in range(12):
        index.judge(f"own {number}", index.search("bread")[0])
    for process in processes:
        assert process.communicate(timeout=200)[1] == ""
    queries = sorted(judgment.query.decode() for judgment in index.judgments())
    assert queries == sorted(f"{name} {number}" for name in ("first", "second", "own") for number in range(12))


def test_repair_keeps_judgments(index, space, tmp_path, corpus_folder):
    index.judge("bread", index.search("bread")[0])
    index.judge(sw.Image(corpus_folder / "red.png"), index.search("red")[0], relevant=False)
    before = shown(index.judgments())
    index.close()
    change_database(tmp_path / "index", "DELETE FROM embeddings_queue")  # no vector is left
    with Index(tmp_path / "index", spaces=[space], check=False) as again:
        assert again.repair().ok
        assert shown(again.judgments()) == before
        again.judge("sun", again.search("sun")[0])
        assert len(again.judgments()) == 3


def exported(index, tmp_path, name="index.jsonl"):
    index.export(tmp_path / name)
    return tmp_path / name


def test_an_export_carries_judgments_into_every_store(anywhere, space, tmp_path, corpus_folder):
    index = anywhere
    hits = index.search("something red", k=2)
    index.judge("something red", hits[0])
    index.judge(sw.Image(corpus_folder / "red.png"), hits[1], relevant=False)
    path = exported(index, tmp_path, "index.jsonl.gz")
    for place in (tmp_path / "other", Memory()):
        with Index(place, spaces=[space]) as other:
            for _ in range(2):
                assert other.import_(path) == len(index)
                assert other.judgments() == index.judgments()
                assert [j.judged_at for j in other.judgments()] == [j.judged_at for j in index.judgments()]
            assert other.verify().ok


def test_of_two_judgments_the_newer_stays(index, space, tmp_path):
    hit = index.search("bread")[0]
    index.judge("bread", hit)
    old = exported(index, tmp_path)
    index.judge("bread", hit, relevant=False)
    index.judge("dough", hit)
    new = exported(index, tmp_path, "new.jsonl")
    for paths in ((old, new), (new, old)):
        with Index(Memory(), spaces=[space]) as other:
            for path in paths:
                other.import_(path)
            assert [(j.query.decode(), j.relevant) for j in other.judgments()] == [("bread", False), ("dough", True)]
    index.import_(old)
    assert [(j.query.decode(), j.relevant) for j in index.judgments()] == [("bread", False), ("dough", True)]


def test_judgments_of_deleted_records_are_not_exported(index, tmp_path):
    hits = index.search("something red", k=2)
    for hit in hits:
        index.judge("something red", hit)
    index.delete(sources=[hits[0].source])
    assert exported(index, tmp_path).read_text().count('{"judgment": ') == 1


def test_an_export_whose_judgments_are_damaged_changes_nothing(index, space, tmp_path):
    index.judge("bread", index.search("bread")[0])
    lines = exported(index, tmp_path).read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if '"judgment"' in line)
    for old, new, said in (
        ('"judged_relevant": true', '"judged_relevant": "yes"', "a judgment has 'yes' for judged_relevant"),
        ('"text": "bread"', '"text": null', "text of a judgment must be a string"),
        ('"judged_at"', '"other"', "a judgment has None for judged_at"),
    ):
        assert old in lines[at]
        damaged = [*lines[:at], lines[at].replace(old, new), *lines[at + 1 :]]
        (tmp_path / "damaged.jsonl").write_text("\n".join(damaged) + "\n")
        with Index(Memory(), spaces=[space]) as other:
            with pytest.raises(StoreError, match=rf"damaged.jsonl, line {at + 1}: .*{said}"):
                other.import_(tmp_path / "damaged.jsonl")
            assert len(other) == 0


def test_an_import_leaves_another_programs_collection_alone(index, space, tmp_path):
    index.judge("bread", index.search("bread")[0])
    path = exported(index, tmp_path)
    store = Memory()
    store.make("senseweave-judgments", {"of": "somebody"}, 1)
    with Index(store, spaces=[space]) as other:
        with pytest.raises(StoreError, match="does not hold judgments"):
            other.import_(path)
        assert len(other) == 0
