"""The words of documents in a Chroma collection that a framework wrote: what has changed there is taken over."""

import chromadb
import numpy as np
import pytest

from senseweave.retrieval.search.words import documents
from senseweave.retrieval.search.words.documents import DocumentWords
from senseweave.retrieval.search.words.tokens import parse_words


@pytest.fixture(params=["folder", "memory"])
def client(request, tmp_path):
    settings = chromadb.Settings(anonymized_telemetry=False)
    if request.param == "folder":
        return chromadb.PersistentClient(str(tmp_path / "store"), settings)
    client = chromadb.EphemeralClient(settings)
    for collection in client.list_collections():
        client.delete_collection(collection.name)
    return client


@pytest.fixture
def collection(client):
    made = client.create_collection("notes", embedding_function=None)
    write(made, range(30))
    return made


def write(collection, numbers, text="Valve QZ-{:03} was looked at.", **metadata):
    vectors = np.random.default_rng(0).normal(size=(len(numbers), 4)).tolist()
    collection.upsert(
        ids=[f"n{number}" for number in numbers],
        embeddings=vectors,
        documents=[text.format(number) for number in numbers],
        metadatas=[{"source": f"/hall/{number}.txt", **metadata} for number in numbers],
    )


def words_of(collection, **options):
    return DocumentWords(lambda question: question(collection), **{"by_modality": False, **options})


def found(words, query, modality=None):
    return [identifier for identifier, _ in words.search(modality, parse_words(query), 3)]


def test_texts_and_names_of_files_are_searched(collection):
    words = words_of(collection)
    assert found(words, "QZ-017") == ["n17"]
    assert found(words, "17.txt") == ["n17"]
    assert found(words, "nothing") == []
    assert words.statistics(None).documents == 30


def test_each_modality_is_a_list_of_its_own(collection):
    write(collection, range(40, 45), "a photograph PH-{}", modality="image")
    words = words_of(collection, by_modality=True)
    assert found(words, "PH-41", "image") == ["n41"]
    assert found(words, "PH-41", "text") == []
    assert found(words, "QZ-017", "text") == ["n17"]
    assert words.statistics("audio") is None


def test_what_is_added_deleted_and_replaced_is_taken_over_and_nothing_else_read(collection, monkeypatch):
    words = words_of(collection)
    assert found(words, "QZ-017") == ["n17"]
    read = []
    documents_of = documents._documents
    monkeypatch.setattr(documents, "_documents", lambda ids, each: (read.extend(ids), documents_of(ids, each))[1])
    write(collection, [30, 31])
    assert found(words, "QZ-031") == ["n31"]
    collection.delete(ids=["n17"])
    assert found(words, "QZ-017") == []
    collection.delete(ids=["n31"])
    write(collection, [32])  # as many as before
    assert found(words, "QZ-031") == []
    assert found(words, "QZ-032") == ["n32"]
    assert found(words, "QZ-016") == ["n16"]
    assert read == ["n30", "n31", "n32"]


def test_a_document_replaced_under_its_id_is_found_by_its_new_words(client, collection):
    words = words_of(collection)
    assert found(words, "QZ-029") == ["n29"]
    write(collection, [29], "The lamp LM-{} is new.")
    assert found(words, "LM-29") == ["n29"]
    assert found(words, "QZ-029") == []
    if client.get_settings().is_persistent:
        write(collection, [3], "The lamp LM-{} is new.")
        assert found(words, "LM-3") == ["n3"]


def test_a_collection_made_anew_is_read_anew(client, collection):
    words = DocumentWords(lambda question: question(client.get_collection("notes")), by_modality=False)
    assert found(words, "QZ-017") == ["n17"]
    client.delete_collection("notes")
    write(client.create_collection("notes", embedding_function=None), range(30), "The lamp LM-{:03} is new.")
    assert found(words, "LM-017") == ["n17"]
    assert found(words, "QZ-017") == []


def test_a_read_that_fails_is_made_up_for(collection, monkeypatch):
    words = words_of(collection)
    with monkeypatch.context() as failing:
        failing.setattr(documents, "_documents", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            found(words, "QZ-017")
    assert found(words, "QZ-017") == ["n17"]


def test_an_empty_collection_has_no_words(client):
    words = words_of(client.create_collection("empty", embedding_function=None))
    assert found(words, "QZ-017") == []
    assert words.statistics(None) is None
