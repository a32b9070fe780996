"""Behaviour of SenseweaveChroma."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import chromadb
import pytest
from chroma_clients import open_clients
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding

from langchain_senseweave import (
    MediaEmbeddings,
    MediaLoader,
    SenseweaveChroma,
    SenseweaveEmbeddings,
    SenseweaveRetriever,
)
from senseweave import AddError, FingerprintError, MediaError, Space


@pytest.fixture
def store(embeddings, tmp_path):
    return SenseweaveChroma("media", embeddings, persist_directory=str(tmp_path / "db"))


def stored_vectors(store):
    found = store.get(include=["embeddings"])
    return {identifier: vector.tolist() for identifier, vector in zip(found["ids"], found["embeddings"], strict=True)}


def test_documents_are_embedded_as_what_they_are(store, embeddings, red_png, tone_wav):
    documents = [
        Document("a caption", id="image", metadata={"modality": "image", "source": str(red_png)}),
        Document("a caption", id="sound", metadata={"modality": "audio", "source": str(tone_wav)}),
        Document(
            "a caption",
            id="part",
            metadata={"modality": "audio", "source": str(tone_wav), "start_s": 0.0, "end_s": 1.0},
        ),
        Document("a caption", id="text", metadata={"modality": "text", "source": str(red_png)}),
        Document("a caption", id="plain"),
    ]
    assert store.add_documents(documents) == ["image", "sound", "part", "text", "plain"]
    vectors = stored_vectors(store)
    assert vectors["image"] == pytest.approx(embeddings.embed_image([red_png])[0], abs=1e-6)
    assert vectors["sound"] == pytest.approx(embeddings.embed_audio([tone_wav])[0], abs=1e-6)
    assert vectors["part"] != pytest.approx(vectors["sound"], abs=1e-6)
    for name in ("text", "plain"):
        assert vectors[name] == pytest.approx(embeddings.embed_documents(["a caption"])[0], abs=1e-6)
    assert [document.page_content for document in store.get_by_ids(["image", "plain"])] == ["a caption"] * 2


def test_add_texts_routes_by_modality_and_takes_fewer_metadatas(store, embeddings, red_png):
    ids = store.add_texts(["red", "plain"], metadatas=[{"modality": "image", "source": str(red_png)}])
    vectors = stored_vectors(store)
    assert vectors[ids[0]] == pytest.approx(embeddings.embed_image([red_png])[0], abs=1e-6)
    assert vectors[ids[1]] == pytest.approx(embeddings.embed_documents(["plain"])[0], abs=1e-6)


def test_images_are_stored_by_reference_not_as_base64(store, red_png, blue_png):
    ids = store.add_images([str(red_png), blue_png], metadatas=[{"colour": "red"}])
    documents = {document.id: document for document in store.get_by_ids(ids)}
    assert documents[ids[0]].metadata["colour"] == "red"
    assert documents[ids[0]].metadata["source"] == str(red_png)
    assert re.fullmatch(r"image blue\.png #[0-9a-f]{8}", documents[ids[1]].page_content)
    assert store.add_images([red_png], ids=["mine"]) == ["mine"]
    assert store.add_images([blue_png, blue_png]) == [ids[1]] * 2


def test_add_media_takes_folders_bytes_and_media(store, tmp_path, red_png, tone_wav):
    (tmp_path / "files").mkdir()
    red_png.rename(tmp_path / "files" / "red.png")
    (tmp_path / "files" / "note.txt").write_text("the sea")
    data = (tmp_path / "files" / "red.png").read_bytes()
    ids = store.add_media([tmp_path / "files", tone_wav, data], {"batch": 1}, seconds=1.0)
    stored = store.get(include=["metadatas"])
    assert sorted(stored["ids"]) == sorted(ids)
    assert sorted(entry["modality"] for entry in stored["metadatas"]) == ["audio"] * 3 + ["image"] * 2 + ["text"]
    assert all(entry["batch"] == 1 for entry in stored["metadatas"])


async def test_a_file_that_is_cut_otherwise_replaces_its_pieces_unless_they_are_to_stay(store, tone_wav):
    windows = store.add_media(tone_wav, seconds=1.0)
    assert len(windows) == 3
    longer = await store.aadd_media(tone_wav, seconds=2.0, replace=False)
    assert sorted(store.get()["ids"]) == sorted({*windows, *longer})
    (whole,) = await store.aadd_media(tone_wav)
    assert store.get()["ids"] == [whole]


def test_a_file_of_which_a_piece_cannot_be_embedded_keeps_what_the_store_made_of_it(store, red_png, blue_png):
    ids = store.add_media([red_png, blue_png])
    red_png.write_bytes(red_png.read_bytes()[:60])
    with pytest.warns(UserWarning, match=r"red\.png"):
        store.add_media([red_png, blue_png], on_error="skip")
    assert sorted(store.get()["ids"]) == sorted(ids)


def test_media_are_encoded_once_though_nothing_is_remembered(space, tmp_path, red_png, tone_wav):
    encoded = []

    class Recording(type(space.encoders["image"])):
        def forward(self, batch):
            encoded.extend([self.modality] * len(batch))
            return super().forward(batch)

    encoders = {modality: Recording(modality, 0) for modality in ("text", "image", "audio")}
    embeddings = SenseweaveEmbeddings(model=Space("recording", encoders, cache_size=0))
    store = SenseweaveChroma("media", embeddings, persist_directory=str(tmp_path / "db"))
    store.add_media([red_png, tone_wav])
    assert encoded == ["image", "audio"]
    store.add_images([red_png])
    store.add_documents(MediaLoader(red_png).load())
    assert encoded == ["image", "audio", "image", "image"]


@pytest.mark.parametrize("kind", ["text", "media"])
def test_what_is_given_twice_in_one_call_is_added_once(store, red_png, tmp_path, kind):
    (tmp_path / "note.txt").write_text("the sea")
    path = red_png if kind == "media" else tmp_path / "note.txt"
    documents = list(MediaLoader([path, path]).lazy_load())
    ids = store.add_documents(documents)
    assert ids == [documents[0].id] * 2
    assert store.get()["ids"] == ids[:1]
    assert store.add_documents([Document("a", id="x"), Document("b", id="x"), Document("c", id="y")]) == ["x", "x", "y"]
    assert {entry.id: entry.page_content for entry in store.get_by_ids(["x", "y"])} == {"x": "b", "y": "c"}


def test_ids_and_metadata_of_another_number_are_errors(store, red_png, blue_png):
    with pytest.raises(ValueError, match="2 items, but 1 ids"):
        store.add_images([red_png, blue_png], ids=["one"])
    with pytest.raises(ValueError, match="1 items, but 2 metadatas"):
        store.add_images([red_png], metadatas=[{}, {}])
    with pytest.raises(ValueError, match="2 items, but 3 ids"):
        store.add_texts(["a", "b"], ids=["1", "2", "3"])
    assert store.get()["ids"] == []


def test_an_unreadable_file_is_named_and_the_other_documents_are_added(store, red_png):
    documents = [
        Document("a", metadata={"modality": "image", "source": str(red_png)}),
        Document("b", metadata={"modality": "image", "source": "missing.png"}),
    ]
    with pytest.raises(MediaError, match=r"missing\.png") as raised:
        store.add_documents(documents)
    assert [metadata["source"] for metadata in store.get()["metadatas"]] == [str(red_png)]
    assert [error.source for error in raised.value.report.failed] == ["missing.png"]
    with pytest.warns(UserWarning, match=r"missing\.png"):
        assert len(store.add_media([red_png, "missing.png"], on_error="skip")) == 1


def test_a_truncated_file_does_not_take_the_others_with_it(store, red_png, blue_png, tone_wav, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(blue_png.read_bytes()[:60])
    with pytest.warns(UserWarning, match=r"left out: .*broken\.png: ") as warned:
        ids = store.add_media([red_png, broken, tone_wav], on_error="skip")
    assert sum("left out" in str(entry.message) for entry in warned) == 1
    assert {entry.metadata["source"] for entry in store.get_by_ids(ids)} == {str(red_png), str(tone_wav)}
    written = stored_vectors(store)
    assert written[ids[0]] == pytest.approx(store.embeddings.embed_image([red_png])[0], abs=1e-5)
    assert written[ids[1]] == pytest.approx(store.embeddings.embed_audio([tone_wav])[0], abs=1e-5)
    with pytest.raises(MediaError, match=r"broken\.png"):
        store.add_media([red_png, broken], on_error="raise")


def test_media_that_the_model_does_not_embed_are_errors_or_left_out(make_space, red_png, tone_wav, tmp_path):
    embeddings = SenseweaveEmbeddings(model=make_space(modalities=["text", "image"]))
    store = SenseweaveChroma("images", embeddings, persist_directory=str(tmp_path / "db"))
    with pytest.raises(MediaError, match=r"tone\.wav: is audio, .* it embeds: text, image"):
        store.add_media([red_png, tone_wav])
    with pytest.warns(UserWarning, match=r"tone\.wav"):
        assert len(store.add_media([red_png, tone_wav], on_error="skip")) == 1


class Describing(SenseweaveEmbeddings):
    """Has words for every image."""

    def describe_media(self, media, *, on_error="raise"):
        return ["a field of one colour" if entry.modality == "image" else None for entry in media]

    embed_described = MediaEmbeddings.embed_described


def test_the_store_describes_what_the_loader_did_not(space, red_png, tone_wav, tmp_path):
    store = SenseweaveChroma("media", Describing(model=space), persist_directory=str(tmp_path / "db"))
    documents = MediaLoader([red_png, tone_wav]).load()
    documents.append(Document("my own words", metadata={"modality": "image", "source": str(red_png)}))
    ids = store.add_documents(documents, ids=["1", "2", "3"])
    texts = {entry.id: entry.page_content for entry in store.get_by_ids(ids)}
    assert texts == {
        "1": f"a field of one colour ({documents[0].page_content})",
        "2": documents[1].page_content,
        "3": "my own words",
    }
    assert re.fullmatch(r"image red\.png #[0-9a-f]{8}", documents[0].page_content)


def test_documents_cannot_make_the_store_read_what_the_policy_forbids(space, red_png, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    store = SenseweaveChroma(
        "media", SenseweaveEmbeddings(model=space, root=inside), persist_directory=str(tmp_path / "db")
    )
    for source in (str(red_png), red_png.as_uri(), f"{inside}/../red.png"):
        with pytest.raises(MediaError, match="root"):
            store.add_documents([Document("x", metadata={"modality": "image", "source": source})])
    with pytest.raises(MediaError, match="network"):
        store.add_documents([Document("x", metadata={"modality": "image", "source": "http://localhost/a.png"})])


def test_searching_by_media_finds_the_same_media_first(store, red_png, blue_png, tone_wav, high_wav, clip_mp4):
    store.add_media([red_png, blue_png, tone_wav, high_wav, clip_mp4])
    for modality, path in [("image", blue_png), ("audio", high_wav), ("video", clip_mp4)]:
        search = getattr(store, f"similarity_search_by_{modality}")
        scored = getattr(store, f"similarity_search_by_{modality}_with_score")
        assert search(path, k=1)[0].metadata["source"] == str(path)
        document, distance = scored(str(path), k=1, filter={"modality": modality})[0]
        assert document.metadata["source"] == str(path)
        assert distance == pytest.approx(0.0, abs=0.05)
    document, relevance = store.similarity_search_by_image_with_relevance_score(blue_png, k=1)[0]
    assert relevance == pytest.approx(1.0, abs=0.05)


async def test_async_methods_agree_with_sync_methods(store, red_png, tone_wav, clip_mp4):
    ids = await store.aadd_media([red_png, tone_wav, clip_mp4])
    assert await store.aadd_images([red_png]) == [ids[0]]
    assert await store.asimilarity_search_by_image(red_png, k=2) == store.similarity_search_by_image(red_png, k=2)
    assert await store.asimilarity_search_by_audio(tone_wav, k=1) == store.similarity_search_by_audio(tone_wav, k=1)
    assert await store.asimilarity_search_by_video(clip_mp4, k=1) == store.similarity_search_by_video(clip_mp4, k=1)


def test_distances_are_cosine_unless_said_otherwise(embeddings, tmp_path):
    for options, expected in [({}, "cosine"), ({"collection_configuration": {"hnsw": {"space": "ip"}}}, "ip")]:
        store = SenseweaveChroma(f"as-{expected}", embeddings, persist_directory=str(tmp_path / "db"), **options)
        assert store._collection.configuration["hnsw"]["space"] == expected


def test_a_collection_refuses_another_space_and_names_both(make_space, tmp_path):
    first, second = (SenseweaveEmbeddings(model=make_space(seed)) for seed in (1, 2))
    path = str(tmp_path / "db")
    SenseweaveChroma("media", first, persist_directory=path).add_texts(["a"])
    with pytest.raises(FingerprintError) as caught:
        SenseweaveChroma("media", second, persist_directory=path)
    assert first.fingerprint in str(caught.value)
    assert second.fingerprint in str(caught.value)
    again = SenseweaveChroma("media", SenseweaveEmbeddings(model=make_space(1)), persist_directory=path)
    assert len(again.get()["ids"]) == 1


def test_a_collection_of_unknown_vectors_is_refused_and_an_empty_one_taken_over(embeddings, tmp_path):
    from langchain_chroma import Chroma

    path = str(tmp_path / "db")
    stock = Chroma("old", DeterministicFakeEmbedding(size=32), persist_directory=path)
    SenseweaveChroma("old", embeddings, persist_directory=path)
    with pytest.raises(FingerprintError, match="unknown"):
        SenseweaveChroma("old", DeterministicFakeEmbedding(size=32), persist_directory=path)
    stock.reset_collection()
    stock.add_texts(["a"])
    with pytest.raises(FingerprintError, match=embeddings.fingerprint):
        SenseweaveChroma("old", embeddings, persist_directory=path)


def test_the_fingerprint_survives_a_reset(store, make_space, tmp_path):
    store.add_texts(["a"])
    store.reset_collection()
    with pytest.raises(FingerprintError):
        SenseweaveChroma("media", SenseweaveEmbeddings(model=make_space(9)), persist_directory=str(tmp_path / "db"))


def test_text_embeddings_work_for_text_and_refuse_media(red_png):
    store = SenseweaveChroma(f"c{uuid.uuid4().hex}", DeterministicFakeEmbedding(size=8))
    store.add_texts(["a", "b"])
    assert len(store.similarity_search("a", k=1)) == 1
    with pytest.raises(TypeError, match="text alone"):
        store.add_images([red_png])


def test_updating_an_image_embeds_its_new_pixels(store, embeddings, red_png, blue_png):
    (identifier,) = store.add_images([red_png], ids=["one"])
    store.update_document(identifier, Document("blue", metadata={"modality": "image", "source": str(blue_png)}))
    assert stored_vectors(store)["one"] == pytest.approx(embeddings.embed_image([blue_png])[0], abs=1e-6)
    store.update_document(identifier, Document("words now", metadata={"modality": "text"}))
    assert stored_vectors(store)["one"] == pytest.approx(embeddings.embed_documents(["words now"])[0], abs=1e-6)


def test_from_documents_routes_too(embeddings, red_png):
    documents = MediaLoader([red_png]).load()
    store = SenseweaveChroma.from_documents(documents, embeddings, collection_name=f"c{uuid.uuid4().hex}")
    assert isinstance(store, SenseweaveChroma)
    assert stored_vectors(store)[documents[0].id] == pytest.approx(embeddings.embed_image([red_png])[0], abs=1e-6)


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ({"$or": [{"n": n} for n in range(10_000)]}, "200 parts"),
        ({"n": {"$in": list(range(40_000))}}, "10,000 values"),
    ],
)
def test_a_condition_that_chroma_does_not_survive_is_an_error_that_names_the_limit(store, red_png, condition, says):
    store.add_media([red_png])
    with pytest.raises(ValueError, match=says):
        store.similarity_search_by_image(red_png, filter=condition)
    long = {"or": [{"n": {"gt": n}} for n in range(3000)]}
    with pytest.raises(ValueError, match="a filter for one query of a store may have 200 comparisons"):
        SenseweaveRetriever(vector_stores=[store]).invoke("red", filter=long)


def test_more_texts_than_chroma_takes_at_a_time_are_added(store):
    count = store._client.get_max_batch_size() + 50
    ids = store.add_documents([Document(f"text {n}") for n in range(count)])
    assert (len(ids), store._collection.count()) == (count, count)


def test_empty_lists_change_nothing(store):
    store.add_texts(["a note"], ids=["note"])
    assert store.add_documents([]) == store.add_images([]) == store.add_media([]) == store.get_by_ids([]) == []
    store.delete([])
    store.update_documents([], [])
    assert store.get()["ids"] == ["note"]


def test_documents_that_cannot_be_embedded_are_an_error_after_the_others_are_added(store, red_png):
    broken = red_png.with_name("broken.png")
    broken.write_bytes(red_png.read_bytes()[:60])
    pictures = [Document("", metadata={"modality": "image", "source": str(path)}) for path in (broken, red_png)]
    with pytest.raises(AddError, match=r"broken\.png.*2 added, 1 failed") as raised:
        store.add_documents([*pictures, Document("words")])
    assert [error.source for error in raised.value.report.failed] == [str(broken)]
    assert len(store.get()["ids"]) == 2


def test_a_document_whose_span_is_none_is_an_error_after_the_others_are_added(store, tone_wav):
    sound = Document("", metadata={"modality": "audio", "source": str(tone_wav), "start": 2, "end": 1})
    with pytest.raises(AddError, match=r"a span is .*1 added, 1 failed"):
        store.add_documents([sound, Document("words")])
    assert len(store.get()["ids"]) == 1


def test_what_add_media_leaves_out_of_a_folder_is_a_warning_that_counts(store, red_png):
    folder = red_png.parent / "folder"
    folder.mkdir()
    (folder / "good.png").write_bytes(red_png.read_bytes())
    (folder / "Thumbs.db").write_bytes(bytes(range(256)) * 4)
    with pytest.warns(UserWarning, match=r"1 input was left out: .*Thumbs\.db"):
        assert len(store.add_media(folder)) == 1
    with pytest.warns(UserWarning, match="left out"), pytest.raises(AddError, match=r"gone\.png"):
        store.add_media([folder / "gone.png", folder, red_png])
    assert len(store.get()["ids"]) == 2


def test_an_image_that_cannot_be_read_is_an_error_after_the_others_are_added(store, red_png, blue_png):
    with pytest.raises(AddError, match=r"missing\.png \(item 2 of 3\)") as caught:
        store.add_images([red_png, "missing.png", blue_png], ids=["a", "b", "c"])
    assert sorted(store.get()["ids"]) == ["a", "c"]
    assert [Path(error.source).name for error in caught.value.report.failed] == ["missing.png"]


def test_images_that_cannot_be_read_are_listed_when_asked(store, red_png, tmp_path):
    (tmp_path / "cut.png").write_bytes(Path(red_png).read_bytes()[:40])
    with pytest.warns(UserWarning, match="2 inputs were left out"):
        ids = store.add_images([tmp_path / "cut.png", "missing.png", red_png], ids=["a", "b", "c"], on_error="skip")
    assert ids == store.get()["ids"] == ["c"]
    assert [error.position for error in store.failed] == [0, 1]
    with pytest.raises(MediaError):
        store.add_images([red_png, "missing.png"], ids=["d", "e"], on_error="raise")
    assert store.get()["ids"] == ["c"]


def test_documents_that_cannot_be_embedded_are_listed_when_asked(store, red_png, blue_png):
    documents = [
        Document("", id="gone", metadata={"modality": "image", "source": "/nowhere/gone.png"}),
        Document("", id="red", metadata={"modality": "image", "source": str(red_png)}),
    ]
    with pytest.warns(UserWarning, match="1 input was left out"):
        store.add_documents(documents, on_error="skip")
    assert store.get()["ids"] == ["red"]
    assert [error.source for error in store.failed] == ["/nowhere/gone.png"]
    with pytest.raises(AddError, match="gone"):
        store.update_documents(["gone", "red"], [documents[0], Document("new words", metadata=documents[1].metadata)])
    assert store.get("red")["documents"] == ["new words"]


def test_documents_of_a_modality_that_the_model_lacks_do_not_take_the_others_with_them(make_space, red_png):
    words = SenseweaveChroma("words", SenseweaveEmbeddings(model=make_space(modalities=["text"])))
    image = Document("a red square", metadata={"modality": "image", "source": str(red_png)})
    with pytest.raises(AddError, match="is image, which the model does not embed; it embeds: text"):
        words.add_documents([image, Document("a note")])
    assert words.get()["documents"] == ["a note"]


def test_closing_lets_go_of_the_folder_once_and_keeps_what_was_added(embeddings, tmp_path):
    folder = str(tmp_path / "closed")
    with SenseweaveChroma("media", embeddings, persist_directory=folder) as store:
        store.add_texts(["a red apple"])
        other = SenseweaveChroma("media", embeddings, persist_directory=folder)
    store.close()
    assert folder in open_clients()
    assert len(other.get()["ids"]) == 1
    other.close()
    assert folder not in open_clients()
    with pytest.raises(ValueError, match="this store is closed"):
        store.similarity_search("apple")
    with SenseweaveChroma("media", embeddings, persist_directory=folder) as again:
        assert len(again.get()["ids"]) == 1


def test_a_client_that_was_given_stays_open_when_the_store_is_closed(embeddings, tmp_path):
    client = chromadb.PersistentClient(str(tmp_path / "given"))
    with SenseweaveChroma("media", embeddings, client=client) as store:
        store.add_texts(["a red apple"])
    assert client.get_collection("media").count() == 1
