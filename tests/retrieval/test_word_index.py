"""How the index of words is kept: by writers and readers, through kills, damage and other media."""

import contextlib
import multiprocessing
import os
import random
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from children import check_search_and_add_in_child
from damage import cut, scribble
from programs import FOLDER, kill, start_program
from word_notes import finds, note

from senseweave.retrieval import Index
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.search.words import keeping
from senseweave.retrieval.search.words.files import words_path
from senseweave.retrieval.search.words.keeping import word_row
from senseweave.retrieval.search.words.sqlite_index import SqliteWords
from senseweave.retrieval.stores.memory import MemoryStore


@pytest.fixture
def folder(tmp_path, space):
    """The folder of an index of 60 notes, of which each has a number of its own, after a search by words."""
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([note(number) for number in range(60)])
        assert finds(index, 7)
    return tmp_path / "index"


def held(folder):
    """Return the ids in the file of words, by collection."""
    with contextlib.closing(SqliteWords(words_path(folder))) as words:
        return {name: set(words.digests(name)) for name in words.collections()}


def kept(index):
    return {
        description.name: {record.id for record in index._store.get(description)}
        for description in index._store.descriptions.values()
    }


@pytest.fixture
def compared(monkeypatch):
    """Counts how often all records were compared with the words."""
    calls = []
    compare = keeping.KeptWords._compare
    monkeypatch.setattr(keeping.KeptWords, "_compare", lambda *given: (calls.append(given), compare(*given))[1])
    return calls


def test_no_file_is_made_before_words_are_searched_for(tmp_path, space):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add(note(1))
        index.search("valve")
        assert not words_path(tmp_path / "index").exists()


def test_an_index_that_follows_its_writers_is_not_compared_again(folder, space, compared):
    with Index(folder, spaces=[space]) as index:
        index.add([note(60), note(61)])
        index.delete(sources="note 3")
        index.judge("a valve", index.search("valve", k=1)[0])
        index.calibrate(["where is the valve"])
        assert finds(index, 61)
        assert not finds(index, 3)
    assert compared == []
    assert held(folder) == kept(Index(folder, spaces=[space]))


def test_what_was_written_by_a_program_that_knows_no_words_is_found(folder, space, monkeypatch):
    with monkeypatch.context() as without:
        without.setattr(keeping.KeptWords, "writing", lambda *given: contextlib.nullcontext())
        with Index(folder, spaces=[space]) as index:
            index.add(note(99))
            index.delete(sources="note 5")
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 99)
        assert not finds(index, 5)
        assert held(folder) == kept(index)


def test_a_record_that_is_gone_from_the_store_is_not_found_by_its_words(folder, space):
    with Index(folder, spaces=[space]) as index:
        (description,) = [each for each in index._store.descriptions.values() if each.modality == "text"]
        with index._words._opened().changing():
            index._words._opened().add(description.name, [word_row(Record("0" * 32, np.ones(1), "QZ-777", {}))])
        assert all("777" not in hit.text for hit in index.search("QZ-777", k=70, words=True))


@pytest.mark.parametrize("harm", [scribble, cut, lambda file: file.write_bytes(b""), lambda file: file.unlink()])
def test_a_damaged_file_is_made_anew(folder, space, harm):
    harm(words_path(folder))
    with Index(folder, spaces=[space]) as index:
        assert all(finds(index, number) for number in range(60))
        index.add(note(60))
        assert finds(index, 60)


def test_damage_is_verified_and_repaired(folder, space):
    with Index(folder, spaces=[space]) as index:
        assert index.verify().ok
    scribble(words_path(folder), count=3000)
    with Index(folder, spaces=[space]) as index:
        assert {problem.kind for problem in index.verify().problems} == {"words"}
        report = index.repair()
        assert (report.changed, report.ok, report.records, report.kept) == (True, True, 60, 60)
        assert index.verify().ok
        assert finds(index, 59)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE collections SET statistics = '{'",
        "UPDATE collections SET statistics = '[1]'",
        """UPDATE collections SET statistics = '{"mean": "x", "std": 1}'""",
        """UPDATE collections SET statistics = '{"mean": 0, "std": NaN}'""",
        """UPDATE collections SET statistics = '{"mean": 0}'""",
        "UPDATE collections SET records = 'many'",
        "UPDATE collections SET records = -5",
        "UPDATE collections SET records = 9000000000000000000",
    ],
)
def test_a_wrong_value_in_the_file_is_damage(folder, space, statement):
    with contextlib.closing(sqlite3.connect(words_path(folder))) as file, file:
        file.execute(statement)
    with Index(folder, spaces=[space]) as index:
        assert {problem.kind for problem in index.verify().problems} == {"words"}
        assert all(finds(index, number) for number in range(60))
        index.add(note(60))
        assert finds(index, 60)
        assert index.verify().ok


def test_a_wrong_number_of_frequent_words_is_damage(folder, space):
    with contextlib.closing(sqlite3.connect(words_path(folder))) as file, file:
        words = {word for number in range(60) for word in note(number).decode().lower().split()}
        numbers = [number for (number,) in file.execute("SELECT number FROM collections")]
        rows = [(number, word, -5) for number in numbers for word in words]
        file.executemany("INSERT OR REPLACE INTO frequent VALUES (?, ?, ?)", rows)
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 7)


def test_a_file_of_a_later_format_is_made_anew(folder, space):
    with contextlib.closing(sqlite3.connect(words_path(folder))) as file, file:
        file.execute("UPDATE values_ SET value = 'of the future' WHERE name = 'format'")
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 11)


def test_a_full_disk_leaves_words_in_memory(folder, space, monkeypatch):
    words_path(folder).unlink()
    opened = SqliteWords.__init__

    def full(self, path, **options):
        if path is not None:
            raise sqlite3.OperationalError("database or disk is full")
        opened(self, path, **options)

    monkeypatch.setattr(SqliteWords, "__init__", full)
    with Index(folder, spaces=[space]) as index:
        assert finds(index, 11)
        index.add(note(60))
        assert finds(index, 60)


@pytest.mark.parametrize("there", [True, False])
def test_a_read_only_folder_is_searched_by_words(folder, space, monkeypatch, there):
    if not there:
        words_path(folder).unlink()
    before = words_path(folder).read_bytes() if there else None
    real = os.access
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode, **more: (
            (mode != os.W_OK and real(path, mode, **more))
            or (mode == os.W_OK and folder not in (Path(path), Path(path).parent) and real(path, mode, **more))
        ),
    )
    with Index(folder, spaces=[space], create=False) as index:
        assert finds(index, 11)
    assert words_path(folder).exists() == there
    assert not there or words_path(folder).read_bytes() == before


def test_words_of_a_store_in_memory(space):
    store = MemoryStore()
    index, other = Index(store, spaces=[space]), Index(store, spaces=[space])
    index.add([note(number) for number in range(30)])
    assert finds(index, 3)
    other.add(note(31))
    assert finds(index, 31)
    index.delete(sources="note 3")
    assert not finds(index, 3)
    assert not finds(other, 3)


def test_two_indexes_of_one_folder_keep_their_words_apart(tmp_path, space, tiny):
    with (
        Index(tmp_path / "index", spaces=[space]) as one,
        Index(tmp_path / "index", spaces=[tiny.make_space()], prefix="b-") as two,
    ):
        one.add([note(number) for number in range(20)])
        two.add([note(number) for number in range(20, 40)])
        assert finds(one, 3)
        assert finds(two, 23)
        assert not finds(one, 23)
        assert finds(one, 3)


def test_a_forked_child_searches_and_adds_words(folder, space):
    with Index(folder, spaces=[space]) as index:
        check_search_and_add_in_child(index, note, finds)


@pytest.mark.integration
@pytest.mark.timeout(300)
@pytest.mark.parametrize("moments", [4, pytest.param(20, marks=pytest.mark.kill)])
def test_a_writer_killed_at_any_moment_loses_no_word_and_leaves_none(folder, space, tmp_path, moments):
    notes = tmp_path / "notes"
    notes.mkdir()
    rng = random.Random(3)
    interrupted = 0
    for attempt in range(moments):
        for number in range(200 * attempt, 200 * attempt + 200):  # each writer has as much to do
            (notes / f"{number}.txt").write_text(f"Valve QZ-{number + 100} of hall {number % 5} was looked at.")
        process = start_program("tiny_space", folder, notes)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.4))
        interrupted += kill(process)
        with Index(folder, spaces=[space]) as index:
            index.search("QZ-101", words=True)
            assert held(folder) == kept(index), attempt
            for record in [record for listed in kept(index).values() for record in listed][: attempt * 7]:
                index.delete(ids=record)
            index.search("QZ-101", words=True)
            assert held(folder) == kept(index), attempt
    assert interrupted  # a moment at least was inside the work


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_readers_search_words_while_another_process_writes(folder, space, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(300):
        (notes / f"{number}.txt").write_text(f"Valve QZ-{number + 100} of hall {number % 5} was looked at.")
    process = start_program("tiny_space", folder, notes)
    process.stdout.readline()
    with Index(folder, spaces=[space]) as index:
        while process.poll() is None:
            assert finds(index, 7)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert all(finds(index, number) for number in (100, 250, 399))
        assert held(folder) == kept(index)


def search_first(place, results):
    from tiny_space import make_space

    with Index(place, spaces=[make_space()]) as index:
        results.put([finds(index, number) for number in range(60)])


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_processes_that_search_first_at_once_make_one_file(folder, space, monkeypatch):
    words_path(folder).unlink()
    monkeypatch.syspath_prepend(str(FOLDER))
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=search_first, args=(folder, results)) for _ in range(3)]
    for process in processes:
        process.start()
    for _ in processes:
        assert all(results.get(timeout=200))
    for process in processes:
        process.join()
    with Index(folder, spaces=[space]) as index:
        assert held(folder) == kept(index)
