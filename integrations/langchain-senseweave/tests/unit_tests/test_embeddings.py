"""Behaviour of SenseweaveEmbeddings over a space without weights."""

from __future__ import annotations

import base64
import threading
from pathlib import Path

import pytest
from langchain_core.documents.base import Blob
from langchain_core.vectorstores import InMemoryVectorStore
from PIL import Image as PILImage
from pydantic import ValidationError

from langchain_senseweave import MediaEmbeddings, SenseweaveEmbeddings, SenseweaveRetriever
from senseweave import Image, MediaError, MediaPolicy, Text, UnsupportedModalityError


def test_vectors_are_lists_of_plain_floats(embeddings, red_png, tone_wav, clip_mp4):
    results = [
        embeddings.embed_documents(["a", "b"]),
        [embeddings.embed_query("a")],
        embeddings.embed_image(uris=[str(red_png)]),
        embeddings.embed_audio(uris=[str(tone_wav)]),
        embeddings.embed_video(uris=[str(clip_mp4)]),
    ]
    for vectors in results:
        assert type(vectors) is list
        assert all(type(vector) is list and len(vector) == embeddings.dimension for vector in vectors)
        assert all(type(value) is float for vector in vectors for value in vector)


def test_query_and_documents_have_their_roles(embeddings, space):
    assert embeddings.embed_query("dog") == space.embed_text(["dog"], role="query")[0].tolist()
    assert embeddings.embed_documents(["dog"]) == space.embed_text(["dog"], role="document").tolist()
    assert embeddings.embed_query("dog") != embeddings.embed_documents(["dog"])[0]


def test_text_that_looks_like_a_file_stays_text(embeddings, red_png):
    looks = [str(red_png), f"file://{red_png}", "https://example.com/a.png", "data:image/png;base64,AAAA"]
    vectors = embeddings.embed_documents(looks)
    assert vectors == embeddings.embed_media([Text(look) for look in looks])
    assert embeddings.embed_image([red_png])[0] not in vectors


def test_all_forms_of_one_image_have_one_vector(embeddings, red_png):
    data = red_png.read_bytes()
    forms = [
        str(red_png),
        red_png,
        red_png.as_uri(),
        "data:image/png;base64," + base64.b64encode(data).decode(),
        data,
        PILImage.open(red_png),
        Blob.from_path(red_png),
        Blob.from_data(data, mime_type="image/png"),
        Image(red_png),
    ]
    vectors = embeddings.embed_image(forms)
    assert len(vectors) == len(forms)
    assert all(vector == pytest.approx(vectors[0], abs=1e-6) for vector in vectors)


@pytest.mark.parametrize("method", ["embed_image", "embed_images", "embed_audio", "embed_video"])
@pytest.mark.parametrize("single", ["a.png", b"bytes", Path("a.png"), Blob.from_data(b"x"), Text("x")])
def test_a_single_item_instead_of_a_list_is_refused(embeddings, method, single):
    with pytest.raises(TypeError, match="list"):
        getattr(embeddings, method)(uris=single)


def test_a_single_string_instead_of_documents_is_refused(embeddings):
    with pytest.raises(TypeError, match="list of texts"):
        embeddings.embed_documents("abc")
    with pytest.raises(TypeError, match="item 2"):
        embeddings.embed_documents(["a", b"b"])


def test_paths_is_another_name_of_uris(embeddings, red_png, clip_mp4):
    assert embeddings.embed_video(paths=[clip_mp4]) == embeddings.embed_video(uris=[clip_mp4])
    with pytest.raises(TypeError, match="one of the two"):
        embeddings.embed_image(uris=[red_png], paths=[red_png])
    with pytest.raises(TypeError, match="one of the two"):
        embeddings.embed_image()


def test_empty_lists_give_empty_lists(embeddings):
    assert embeddings.embed_documents([]) == embeddings.embed_image([]) == embeddings.embed_audio([]) == []


async def test_async_methods_agree_with_sync_methods(embeddings, red_png, tone_wav, clip_mp4):
    assert await embeddings.aembed_query("dog") == embeddings.embed_query("dog")
    assert await embeddings.aembed_documents(["dog", "cat"]) == embeddings.embed_documents(["dog", "cat"])
    assert await embeddings.aembed_documents([]) == []
    assert await embeddings.aembed_image([red_png]) == embeddings.embed_image([red_png])
    assert await embeddings.aembed_images(paths=[red_png]) == embeddings.embed_images(paths=[red_png])
    assert await embeddings.aembed_audio([tone_wav]) == embeddings.embed_audio([tone_wav])
    assert await embeddings.aembed_video([clip_mp4]) == embeddings.embed_video([clip_mp4])


def test_a_missing_file_is_named_with_its_position(embeddings, red_png):
    with pytest.raises(MediaError, match=r"missing\.png \(item 2 of 2\)"):
        embeddings.embed_image([red_png, "missing.png"])


def test_a_modality_that_the_space_lacks_is_an_error_that_names_what_it_has(make_space, tone_wav):
    embeddings = SenseweaveEmbeddings(model=make_space(modalities=["text", "image"]))
    with pytest.raises(UnsupportedModalityError, match=r"cannot embed audio; it embeds: text, image"):
        embeddings.embed_audio([tone_wav])


def test_root_and_policy_say_what_may_be_read(space, red_png, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    for options in ({"root": inside}, {"policy": MediaPolicy(root=inside)}):
        with pytest.raises(MediaError, match="root"):
            SenseweaveEmbeddings(model=space, **options).embed_image([red_png])
    assert SenseweaveEmbeddings(model=space, root=tmp_path).embed_image([red_png])


def test_urls_are_not_fetched_unless_the_network_is_allowed(embeddings):
    with pytest.raises(MediaError, match="network"):
        embeddings.embed_image(["https://example.com/a.png"])


def test_unknown_and_contradictory_options_are_refused(space):
    with pytest.raises(ValidationError, match="modle"):
        SenseweaveEmbeddings(modle="starter")
    with pytest.raises(ValidationError, match="either policy or root"):
        SenseweaveEmbeddings(policy=MediaPolicy(), network=True)
    with pytest.raises(ValidationError, match="loaded space"):
        SenseweaveEmbeddings(model=space, dimensions=8)
    with pytest.raises(ValidationError, match="fields of their own"):
        SenseweaveEmbeddings(load_options={"device": "cpu"})


def test_several_devices_share_the_work():
    embeddings = SenseweaveEmbeddings(model="starter", device=["cpu", "cpu"])
    assert embeddings.space.devices == ("cpu", "cpu")
    one = SenseweaveEmbeddings(model="starter", device="cpu").embed_query("a dog")
    assert embeddings.embed_query("a dog") == pytest.approx(one, abs=1e-6)


def test_the_repr_is_small_and_holds_no_weights(embeddings):
    assert len(repr(embeddings)) < 500
    assert "Space(" not in repr(embeddings)
    assert embeddings.model == "toy-0"


def test_show_progress_changes_no_vector(space, capsys):
    quiet = SenseweaveEmbeddings(model=space)
    texts = [f"text {i}" for i in range(20)]
    loud = SenseweaveEmbeddings(model=space, show_progress=True)
    assert loud.embed_documents(texts) == quiet.embed_documents(texts)
    assert capsys.readouterr().out == ""


def test_it_is_media_embeddings(embeddings):
    assert isinstance(embeddings, MediaEmbeddings)
    assert embeddings.modalities == ("text", "image", "audio", "video")


async def test_a_model_is_loaded_off_the_event_loop(monkeypatch, space, red_png):
    loaded_on = []

    def slow_load(name, **options):
        loaded_on.append(threading.current_thread())
        return space

    monkeypatch.setattr("senseweave.interop.fields.load", slow_load)
    await SenseweaveEmbeddings(model="slow").aembed_query("a dog")
    await SenseweaveEmbeddings(model="slow").aembed_image([red_png])
    for ask, query in (("ainvoke", "a dog"), ("aretrieve_by_image", red_png)):
        store = InMemoryVectorStore(SenseweaveEmbeddings(model="slow"))
        await getattr(SenseweaveRetriever(vector_stores=[store]), ask)(query)
    assert len(loaded_on) == 4
    assert threading.main_thread() not in loaded_on
