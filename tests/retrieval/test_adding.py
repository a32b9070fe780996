"""Media become the records of a framework's store, in a Chroma collection of one space without stale records."""

from __future__ import annotations

import uuid

import chromadb
import numpy as np
import pytest

from senseweave.errors import AddError, FingerprintError, MediaError
from senseweave.interop import Audio, ChromaWriter, ChunkLoader, Image, Record, Text, chunk_record, embed_documents
from senseweave.progress import Progress
from senseweave.retrieval.records import adding
from senseweave.retrieval.records.adding import BATCH, add_media
from senseweave.testing import toy_space


class Model:
    """A toy space with words for every image."""

    modalities = ("text", "image")

    def __init__(self):
        self.space = toy_space(modalities=self.modalities)

    def embed_called(self, media):
        return self.space.embed(media).tolist() if media else []

    def embed_described(self, media):
        words = ["one color" if item.modality == "image" else None for item in media]
        return list(zip(self.embed_called(media), words, strict=True))


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def left_out():
    return []


@pytest.fixture
def loader(left_out):
    return ChunkLoader(left_out.append, on_error="skip")


@pytest.fixture
def writer():
    return ChromaWriter(chromadb.EphemeralClient().create_collection(f"c{uuid.uuid4().hex}", embedding_function=None))


def test_each_chunk_is_written_once_in_batches(model, loader, left_out):
    texts = [Text(f"number {i}", source=f"{i}.txt") for i in range(BATCH + 1)]
    batches = []
    added = add_media([*texts, texts[0]], loader, model, batches.append)
    assert [len(batch) for batch in batches] == [BATCH, 1]
    assert list(added.sources.values()) == [f"{i}.txt" for i in range(BATCH + 1)]
    assert added.complete == set(added.sources.values())
    assert left_out == []


def test_what_cannot_be_embedded_is_left_out_and_its_source_is_not_complete(
    model, loader, left_out, write_picture, write_sound, tmp_path
):
    red, broken = write_picture(tmp_path / "red.png", "red"), tmp_path / "broken.png"
    broken.write_bytes(red.read_bytes()[:60])
    batches = []
    added = add_media([red, broken, write_sound(tmp_path / "tone.wav", ["low"])], loader, model, batches.append)
    assert added.complete == set(added.sources.values()) == {str(red)}
    assert ["is audio, which the model does not embed; it embeds: text, image" in str(error) for error in left_out] == [
        True,
        False,
    ]
    ((record,),) = batches
    assert record.text.startswith("one color (image red.png #")
    with pytest.raises(MediaError, match=r"tone\.wav: is audio"):
        add_media([tmp_path / "tone.wav"], ChunkLoader(left_out.append), model, batches.append)


def test_documents_without_words_of_their_own_get_those_of_the_model(model, write_picture, tmp_path):
    red = Image(write_picture(tmp_path / "red.png", "red"))
    bare = chunk_record(red, [0.0])
    media, texts = [Text("words"), red, red], ["words", bare.text, "my own"]
    records = embed_documents(["a", "b", "c"], media, texts, [{}, bare.metadata, bare.metadata], model)
    assert [record.id for record in records] == ["a", "b", "c"]
    assert [record.text for record in records] == ["words", f"one color ({bare.text})", "my own"]
    assert [record.vector.tolist() for record in records] == model.embed_called(media)


def test_a_changed_file_replaces_its_records_and_nothing_else(model, loader, writer, write_picture, tmp_path):
    red, blue = write_picture(tmp_path / "red.png", "red"), write_picture(tmp_path / "blue.png", "blue")
    writer.write([chunk_record(Text("mine"), model.embed_called([Text("mine")])[0], identifier="note")])
    writer.collection.update("note", metadatas={"source": str(red), "sha256": None})
    old = writer.add_media([red, blue], loader, model)
    red.write_bytes(blue.read_bytes())
    (new,) = writer.add_media([red], loader, model)
    assert sorted(writer.collection.get()["ids"]) == sorted(["note", old[1], new])
    again = writer.add_media([blue], loader, model, metadata={"source": str(red)})
    assert sorted(writer.collection.get()["ids"]) == sorted({"note", old[1], new, *again})


def test_of_records_with_one_id_the_last_is_written_and_only_what_is_there_is_updated(model, writer):
    vector = chunk_record(Text("x"), model.embed_called([Text("x")])[0]).vector
    writer.write([Record("a", vector, "first", {}), Record("a", vector, "last", {"n": 1})])
    writer.write([Record("a", vector, "changed", {"n": 2}), Record("b", vector, "new", {})], update=True)
    stored = writer.collection.get()
    assert (stored["ids"], stored["documents"], stored["metadatas"]) == (["a"], ["changed"], [{"n": 2}])


def test_a_collection_is_of_the_space_that_it_was_empty_for(model, writer):
    writer.check_fingerprint("one")
    writer.check_fingerprint("one")
    assert writer.collection.metadata["fingerprint"] == "one"
    with pytest.raises(FingerprintError, match=r"one.*other|other.*one"):
        writer.check_fingerprint("other")
    with pytest.raises(FingerprintError, match="unknown"):
        writer.check_fingerprint(None)


def test_a_named_file_is_an_error_after_the_rest_is_written(model, left_out, writer, write_picture, tmp_path):
    red, broken = write_picture(tmp_path / "red.png", "red"), tmp_path / "broken.png"
    broken.write_bytes(red.read_bytes()[:60])
    with pytest.raises(AddError, match=r"broken\.png: .*1 added, 1 failed"):
        writer.add_media([broken, red], ChunkLoader(left_out.append), model)
    assert len(writer.collection.get()["ids"]) == 1
    with pytest.raises(MediaError, match=r"broken\.png"):
        writer.add_media([broken, red], ChunkLoader(left_out.append, "raise"), model)


def test_sound_is_embedded_in_small_batches_and_progress_follows_them(model, left_out, monkeypatch):
    monkeypatch.setattr(adding, "BATCH_SECONDS", 2.0)
    monkeypatch.setattr(Model, "modalities", ("text", "image", "audio"))
    model = Model()
    state, seen = Progress(), []
    sound = Audio((np.sin(np.arange(8000) / 5).astype(np.float32), 8000))
    inputs = [sound.part(metadata={"n": n}) for n in range(5)]
    add_media(inputs, ChunkLoader(left_out.append, progress=state), model, lambda _: seen.append(state.done))
    assert (state.done, state.total, state.chunks, state.seconds) == (5, 5, 5, 5.0)
    assert len(seen) == 3
    assert seen == sorted(seen)


def test_documents_that_cannot_be_read_are_listed_with_their_positions(model, write_picture, tmp_path):
    red = Image(write_picture(tmp_path / "red.png", "red"))
    media, texts, failed = [Text("one"), Image(tmp_path / "gone.png"), red], ["one", "", ""], []
    records = embed_documents(["a", "b", "c"], media, texts, [{}, {}, {"modality": "image"}], model, failed)
    assert [record.id for record in records] == ["a", "c"]
    assert [(error.position, error.total) for error in failed] == [(1, 3)]
    with pytest.raises(MediaError, match=r"gone\.png \(item 2 of 3\)"):
        embed_documents(["a", "b", "c"], media, texts, [{}, {}, {}], model)
