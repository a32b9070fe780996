"""Words of an index in a store elsewhere: kept in the store where it can search texts, through every change."""

import contextlib
import itertools

import chromadb
import pytest
from word_notes import TEXTS, finds, note

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.search import rows_beside
from senseweave.retrieval.search.words.store_words import StoreWords, words_name
from senseweave.retrieval.stores.base import TextSearch
from senseweave.retrieval.stores.chroma import ChromaStore
from senseweave.retrieval.stores.memory import MemoryStore

NAMES = itertools.count()


class TextMemory(MemoryStore):
    """A store in memory that can search texts, as a further server would."""

    def find_words(self, name, words, limit, *, is_prefix=False):
        sought = f" {' '.join(words)}" + ("" if is_prefix else " ")
        return [record.id for record in self.get(name) if sought in record.text][:limit]


def ephemeral():
    client = chromadb.EphemeralClient(chromadb.Settings(anonymized_telemetry=False))
    for collection in client.list_collections():
        client.delete_collection(collection.name)
    return client


@pytest.fixture(params=[TextMemory, ephemeral])
def place(request):
    return request.param()


def ids(index, name):
    return {record.id for record in index._store.store.get(name)}


def is_whole(index):
    """Return whether every record has its words, and nothing else has."""
    names = [description.name for description in index._store.descriptions.values()]
    return all(ids(index, name) == ids(index, words_name(name)) for name in names)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("4711-B", 0),
        ("4711b", 0),
        ("e_conn-042", 1),
        ("CONN", 1),
        ("v2.3.1", 2),
        ("getusername", 3),
        ("muller lodz", 4),
        ("東京", 5),
        ('"bear is awake"', 7),
        ("hand*", 4),
        ('4711-B" OR (NEAR AND *', 0),
    ],
)
def test_what_is_written_is_found_by_its_words(place, space, query, found):
    index = Index(place, spaces=[space])
    index.add([sw.Text(text) for text in TEXTS])
    hit = index.search(query, k=1, words=True)[0]
    assert hit.text == TEXTS[found]
    assert hit.matched_words


def test_scores_are_those_of_a_folder(place, space, tmp_path):
    elsewhere = Index(place, spaces=[space])
    with Index(tmp_path / "index", spaces=[space]) as folder:
        for index in (elsewhere, folder):
            index.add([sw.Text(text) for text in TEXTS])
        for query in ("4711-B", "the bear is awake", '"bear is awake" note', "stat*", "nothing", "muller 東京"):
            expected = [(hit.text, pytest.approx(hit.score, abs=1e-4)) for hit in folder.search(query, k=5, words=True)]
            assert [(hit.text, hit.score) for hit in elsewhere.search(query, k=5, words=True)] == expected, query


def test_nothing_is_kept_before_words_are_searched_for(place, space):
    index = Index(place, spaces=[space])
    index.add(note(1))
    index.search("valve")
    assert not any(name.endswith(words_name("")) for name in index._store.store.collections())
    assert finds(index, 1)
    assert any(name.endswith(words_name("")) for name in index._store.store.collections())
    assert index.info()["records"] == 1


def test_every_change_is_followed_without_going_through_all_again(place, space, monkeypatch):
    index, other = Index(place, spaces=[space]), Index(place, spaces=[space])
    index.add([note(number) for number in range(40)])
    assert finds(index, 7)
    monkeypatch.setattr(StoreWords, "_go_through", None)
    other.add(note(41))
    assert finds(index, 41)
    index.add(note(42))
    assert finds(other, 42)
    other.delete(sources="note 7")
    assert not finds(index, 7)
    assert not finds(other, 7)
    other.add(note(7))
    assert finds(index, 7)
    assert is_whole(index)


def test_records_of_a_program_that_knows_no_words_are_found(place, space, monkeypatch):
    index, other = Index(place, spaces=[space]), Index(place, spaces=[space])
    index.add([note(number) for number in range(40)])
    assert finds(index, 7)
    with monkeypatch.context() as without:
        without.setattr(StoreWords, "writing", lambda *given: contextlib.nullcontext())
        other.add(note(41))
    assert finds(index, 41)
    assert is_whole(index)


def test_a_client_that_adds_while_another_makes_the_words_loses_none(place, space, monkeypatch):
    index, other = Index(place, spaces=[space]), Index(place, spaces=[space])
    index.add([note(number) for number in range(40)])
    upsert = type(other._store.store).upsert

    def interrupted(store, name, records):
        monkeypatch.undo()
        assert finds(index, 7)  # which makes the words, after the writer has looked for them
        upsert(store, name, records)

    monkeypatch.setattr(type(other._store.store), "upsert", interrupted)
    other.add(note(41))
    assert is_whole(index)
    monkeypatch.setattr(StoreWords, "_go_through", None)
    assert finds(index, 41)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_client_that_adds_what_another_deletes_at_once_leaves_its_words(place, space, monkeypatch, moment):
    index, other = Index(place, spaces=[space]), Index(place, spaces=[space])
    index.add([note(number) for number in range(40)])
    assert finds(index, 7)
    delete = type(other._store.store).delete

    def interrupted(store, name, given):
        if not name.endswith(words_name("")):
            delete(store, name, given)
            return
        monkeypatch.undo()
        if moment == "before":
            index.add(note(7))
        delete(store, name, given)
        if moment == "after":
            index.add(note(7))

    monkeypatch.setattr(type(other._store.store), "delete", interrupted)
    other.delete(sources="note 7")
    assert is_whole(index)
    assert finds(index, 7)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("action", ["add", "delete", "search"])
def test_a_client_killed_at_any_step_loses_no_word_and_finds_nothing_deleted(place, space, monkeypatch, action):
    """Whatever call to the store is the last, another client finds what is there and nothing else."""
    index = Index(place, spaces=[space])
    index.add([note(number) for number in range(30)])
    index.search("valve", words=True)
    kind = type(index._store.store)
    methods = {name: getattr(kind, name) for name in ("make", "upsert", "delete", "save_metadata")}
    steps = 0
    for last in itertools.count():
        calls = itertools.count()
        if action == "search":
            for name in index._store.store.collections():
                if name.endswith(words_name("")):
                    index._store.store.drop(name)
        victim = Index(place, spaces=[space])
        with monkeypatch.context() as dying:
            for name, method in methods.items():

                def limited(store, *given, method=method, calls=calls, last=last, **options):
                    if next(calls) >= last:
                        raise Killed
                    return method(store, *given, **options)

                dying.setattr(kind, name, limited)
            try:
                if action == "add":
                    victim.add([note(100 + last), note(200 + last)])
                elif action == "delete":
                    victim.delete(sources=[f"note {2 * last}", f"note {2 * last + 1}"])
                else:
                    victim.search("valve", words=True)
                done = True
            except Killed:
                done = False
        survivor = Index(place, spaces=[space])
        texts = {record.text for record in survivor.records()}
        for number in [*range(30), 100 + last, 200 + last]:
            assert finds(survivor, number) == any(f"QZ-{number:03} " in text for text in texts), (last, number)
        steps += 1
        if done:
            break
    assert steps > 2


def test_words_of_records_that_are_gone_are_cleared_away(place, space, monkeypatch):
    monkeypatch.setattr(rows_beside, "PAGE", 5)
    index = Index(place, spaces=[space])
    index.add([note(number) for number in range(40)])
    assert finds(index, 7)
    (name,) = [name for name in index._store.store.collections() if name.endswith("-text")]
    index._store.store.delete(name, [record.id for record in index._store.store.get(name)][:15])
    assert not finds(index, 3)
    assert is_whole(index)


def test_a_store_that_takes_no_further_collection_leaves_words_in_memory(place, space, monkeypatch):
    index = Index(place, spaces=[space])
    index.add([note(number) for number in range(40)])
    make = type(index._store.store).make

    def refused(store, name, *given):
        if name.endswith(words_name("")):
            raise StoreError("forbidden")
        return make(store, name, *given)

    monkeypatch.setattr(type(index._store.store), "make", refused)
    assert finds(index, 7)
    index.add(note(41))
    assert finds(index, 41)
    index.delete(sources="note 7")
    assert not finds(index, 7)


def test_frequent_words_are_counted_once_and_a_question_of_them_alone_finds_nothing(space, monkeypatch):
    store = TextMemory()
    index = Index(store, spaces=[space])
    index.add([sw.Text(f"The valve {number} was looked at.") for number in range(600)])
    assert index.search("valve 77", k=1, words=True)[0].text == "The valve 77 was looked at."
    asked = []
    find = TextMemory.find_words
    monkeypatch.setattr(
        TextMemory,
        "find_words",
        lambda self, name, words, *rest, **more: (asked.append(words), find(self, name, words, *rest, **more))[1],
    )
    assert index.search("the valve 77", k=1, words=True)[0].text == "The valve 77 was looked at."
    assert asked.count(("the",)) <= 1
    monkeypatch.setattr("senseweave.retrieval.search.words.scoring.MOST_ALONE", 500)
    assert index.search("the", k=1, words=True) == index.search("the", k=1)


def test_what_two_indexes_share_in_memory_is_exact(space):
    store = MemoryStore()
    assert not isinstance(store, TextSearch)
    index = Index(store, spaces=[space])
    index.add([note(number) for number in range(30)])
    assert finds(index, 3)
    other = Index(store, spaces=[space])
    assert finds(other, 3)
    other.delete(sources="note 3")
    other.add(note(31))  # as many records as before
    assert finds(index, 31)
    assert not finds(index, 3)


@pytest.mark.integration
def test_clients_of_a_server_search_words(server, space):
    index, other = Index(server.client(), spaces=[space]), Index(server.client(), spaces=[space])
    index.add([note(number) for number in range(40)])
    assert all(finds(index, number) for number in (0, 17, 39))
    other.add(note(41))
    assert finds(index, 41)
    assert isinstance(other._store.store, ChromaStore)
    index.delete(sources="note 17")
    assert not finds(other, 17)
    assert [hit.text for hit in index.search("QZ-0*", k=2, words=True, filter={"hall": 1})] == []
    assert is_whole(index)
