"""SenseweaveDocumentEmbedder: Documents of every modality, in order, untouched."""

import copy
import warnings

import numpy as np
import pytest
from haystack import Document
from haystack.components.converters.image import ImageFileToDocument
from haystack.dataclasses import ByteStream
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder

import senseweave as sw
from senseweave.interop import find_word


def test_to_dict_holds_every_parameter_and_from_dict_restores_them(tmp_path):
    embedder = SenseweaveDocumentEmbedder(
        root_path=tmp_path, network=True, meta_fields_to_embed=["title"], on_error="skip", describe=False
    )
    data = embedder.to_dict()
    assert data["init_parameters"] == {
        "model": "starter",
        "dimensions": None,
        "normalize": None,
        "device": None,
        "api_key": None,
        "load_options": {},
        "root_path": str(tmp_path),
        "network": True,
        "file_path_meta_field": "file_path",
        "meta_fields_to_embed": ["title"],
        "embedding_separator": "\n",
        "describe": False,
        "on_error": "skip",
        "progress_bar": False,
    }
    assert SenseweaveDocumentEmbedder.from_dict(data).to_dict() == data


@pytest.mark.integration
def test_mixed_documents_come_back_in_order_with_the_vectors_of_the_core(photo, tone):
    documents = [
        Document(content="", meta={"file_path": str(tone)}),
        Document(content="a dog on the grass"),
        Document(blob=ByteStream(photo.read_bytes(), mime_type="image/png")),
        Document(content=None, meta={"file_path": str(photo)}),
    ]
    result = SenseweaveDocumentEmbedder().run(documents=documents)
    assert [document.id for document in result["documents"]] == [document.id for document in documents]
    assert result["failed"] == []
    space = sw.load("starter")
    expected = space.embed([sw.Audio(tone), sw.Text("a dog on the grass"), sw.Image(photo), sw.Image(photo)])
    np.testing.assert_allclose([document.embedding for document in result["documents"]], expected, atol=1e-6)
    assert type(result["documents"][0].embedding[0]) is float


@pytest.mark.integration
def test_documents_are_not_mutated(photo):
    documents = [Document(content=None, meta={"file_path": str(photo)}), Document(content="a text")]
    before = copy.deepcopy(documents)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SenseweaveDocumentEmbedder().run(documents=documents)
    assert documents == before


@pytest.mark.integration
async def test_run_async_gives_the_same_as_run(photo, tone):
    documents = [Document(content="a text"), Document(content="", meta={"file_path": str(photo)})]
    embedder = SenseweaveDocumentEmbedder()
    run, run_async = embedder.run(documents=documents), await embedder.run_async(documents=documents)
    assert [document.content for document in run["documents"]] == [
        document.content for document in run_async["documents"]
    ]
    np.testing.assert_allclose(
        [document.embedding for document in run["documents"]],
        [document.embedding for document in run_async["documents"]],
        atol=1e-6,
    )


@pytest.mark.integration
def test_an_empty_list_passes():
    assert SenseweaveDocumentEmbedder().run(documents=[]) == {"documents": [], "failed": []}


@pytest.mark.integration
async def test_an_empty_list_passes_in_async():
    assert await SenseweaveDocumentEmbedder().run_async(documents=[]) == {"documents": [], "failed": []}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [("a text", "SenseweaveTextEmbedder"), ([1], "a list with int"), (Document(content="x"), "Document")],
)
def test_wrong_input_names_the_right_component(wrong, named):
    with pytest.raises(TypeError, match=named):
        SenseweaveDocumentEmbedder().run(documents=wrong)


@pytest.mark.integration
def test_meta_fields_are_embedded_with_text():
    document = Document(content="It barked.", meta={"title": "The dog", "missing": None})
    fields = ["title", "missing", "absent"]
    embedder = SenseweaveDocumentEmbedder(meta_fields_to_embed=fields, embedding_separator=" | ")
    embedding = embedder.run(documents=[document])["documents"][0].embedding
    np.testing.assert_allclose(embedding, sw.load("starter").embed_text(["The dog | It barked."])[0], atol=1e-6)


@pytest.mark.integration
def test_meta_modality_decides_over_content(photo):
    document = Document(content="an orange disc", meta={"file_path": str(photo), "modality": "image"})
    text = Document(content="an orange disc", meta={"file_path": str(photo)})
    documents = SenseweaveDocumentEmbedder().run(documents=[document, text])["documents"]
    image_vector, text_vector = (document.embedding for document in documents)
    space = sw.load("starter")
    np.testing.assert_allclose(image_vector, space.embed_image([photo])[0], atol=1e-6)
    np.testing.assert_allclose(text_vector, space.embed_text(["an orange disc"])[0], atol=1e-6)


@pytest.mark.integration
def test_a_span_chooses_a_part_of_the_recording(samples):
    recording = str(samples / "audio" / "recording-01.wav")
    document = Document(content="", meta={"file_path": recording, "start": 0.0, "end": 3.0})
    embedded = SenseweaveDocumentEmbedder().run(documents=[document])["documents"][0]
    expected = sw.load("starter").embed([sw.Audio(recording, span=(0.0, 3.0))])[0]
    np.testing.assert_allclose(embedded.embedding, expected, atol=1e-6)


@pytest.mark.integration
def test_empty_content_is_filled_with_what_the_model_made_of_it(samples):
    recording = Document(content="", meta={"file_path": str(samples / "audio" / "recording-01.wav")})
    kept = Document(content="mine", meta={**recording.meta, "modality": "audio"})
    described, own = SenseweaveDocumentEmbedder().run(documents=[recording, kept])["documents"]
    assert len(described.content.split()) > 3
    assert own.content == "mine"
    assert 0 < find_word(described.meta, "dental") == find_word(own.meta, "dental")
    plain = SenseweaveDocumentEmbedder(describe=False).run(documents=[recording])["documents"][0]
    assert plain.content == ""
    assert find_word(plain.meta, "dental") is None


@pytest.mark.integration
def test_every_embedded_document_names_the_space_of_its_embedding():
    document = Document(content="a text", meta={"title": "mine"})
    (embedded,) = SenseweaveDocumentEmbedder().run(documents=[document])["documents"]
    assert embedded.meta == {"title": "mine", "fingerprint": sw.load("starter").fingerprint}
    assert embedded.id == document.id


@pytest.mark.integration
@pytest.mark.parametrize("span", [{"start": 0.0, "end": "late"}, {"start": 3, "end": 2}, {"end": 0}, {"start": 1}])
def test_a_span_that_is_none_is_an_error_of_its_document_alone(span, tone):
    documents = [Document(content="", meta={"file_path": str(tone), **span}), Document(content="a text")]
    result = SenseweaveDocumentEmbedder(on_error="skip").run(documents=documents)
    assert [document.content for document in result["documents"]] == ["a text"]
    assert "0 <= start < end" in result["failed"][0]["reason"]


@pytest.mark.integration
@pytest.mark.parametrize("page", [0, -1, 1.5])
def test_a_page_that_is_none_is_an_error_of_its_document_alone(page, photo):
    documents = [Document(content="", meta={"file_path": str(photo), "page": page}), Document(content="a text")]
    result = SenseweaveDocumentEmbedder(on_error="skip").run(documents=documents)
    assert [document.content for document in result["documents"]] == ["a text"]
    assert f"a page is a whole number from 1, not {page!r}" in result["failed"][0]["reason"]


@pytest.mark.integration
def test_an_image_may_use_the_words_of_spans_for_something_else(photo):
    document = Document(content=None, meta={"file_path": str(photo), "start": "2020-01-01"})
    embedded = SenseweaveDocumentEmbedder().run(documents=[document])["documents"][0]
    assert embedded.meta["start"] == "2020-01-01"
    assert len(embedded.embedding) == 384


@pytest.mark.integration
def test_one_bad_document_is_skipped_and_reported(photo, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[:80])
    documents = [
        Document(content=None, meta={"file_path": str(broken)}),
        Document(content="a text"),
        Document(content=None),
        Document(content=None, meta={"file_path": str(tmp_path / "absent.jpg")}),
    ]
    result = SenseweaveDocumentEmbedder().run(documents=documents)
    assert [document.content for document in result["documents"]] == ["a text"]
    assert [(failure["position"], failure["id"]) for failure in result["failed"]] == [
        (0, documents[0].id),
        (2, documents[2].id),
        (3, documents[3].id),
    ]
    assert "no such file" in result["failed"][2]["reason"]


@pytest.mark.integration
def test_a_file_name_without_its_folder_says_what_to_do(photo):
    documents = ImageFileToDocument().run(sources=[photo])["documents"]
    with pytest.raises(sw.MediaError, match=rf"{photo.name} \(item 1 of 1\): no such file here.*give root_path"):
        SenseweaveDocumentEmbedder(on_error="raise").run(documents=documents)
    found = SenseweaveDocumentEmbedder(root_path=photo.parent).run(documents=documents)["documents"]
    assert len(found[0].embedding) == 384


@pytest.mark.integration
def test_one_bad_document_raises_with_its_position(tmp_path):
    documents = [Document(content="a text"), Document(content=None, meta={"file_path": str(tmp_path / "absent.jpg")})]
    with pytest.raises(sw.MediaError, match=r"absent.jpg \(item 2 of 2\): no such file"):
        SenseweaveDocumentEmbedder(on_error="raise").run(documents=documents)


@pytest.mark.integration
def test_a_file_outside_the_root_is_refused(photo, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.png").symlink_to(photo)
    (inside / "own.png").write_bytes(photo.read_bytes())
    embedder = SenseweaveDocumentEmbedder(root_path=inside, on_error="raise")
    for escaping in (photo, inside / "link.png", inside / ".." / "photo.png"):
        with pytest.raises(sw.PolicyError, match="outside the policy's root"):
            embedder.run(documents=[Document(content="", meta={"file_path": str(escaping)})])
    assert embedder.run(documents=[Document(content="", meta={"file_path": str(inside / "own.png")})])["documents"]


@pytest.mark.integration
def test_a_url_is_not_fetched_unless_allowed():
    with pytest.raises(sw.PolicyError):
        SenseweaveDocumentEmbedder(on_error="raise").run(
            documents=[Document(content="", meta={"file_path": "https://example.org/x.png"})]
        )


@pytest.mark.integration
def test_a_modality_that_the_model_lacks_is_named(photo, tmp_path, monkeypatch):
    embedder = SenseweaveDocumentEmbedder(on_error="raise")
    embedder.warm_up()
    space = sw.Space("text only", {"text": embedder._space.encoder("text")})
    embedder._space = space
    with pytest.raises(sw.UnsupportedModalityError, match="cannot embed image; it embeds: text"):
        embedder.run(documents=[Document(content="", meta={"file_path": str(photo)})])
    embedder.on_error = "skip"
    result = embedder.run(documents=[Document(content="", meta={"file_path": str(photo)}), Document(content="x")])
    assert [document.content for document in result["documents"]] == ["x"]
    assert "cannot embed image" in result["failed"][0]["reason"]


@pytest.mark.integration
def test_a_document_of_fused_media_has_the_vector_of_all_its_parts(starter, photo):
    from senseweave.interop import describe_chunk

    fused = sw.fuse({"image": photo, "text": "an orange disc"}, source="product-1")
    _, text, meta = describe_chunk(fused, "an orange disc")
    document = Document(content=text, meta={**meta, "file_path": meta["source"]})
    (embedded,) = SenseweaveDocumentEmbedder().run([document])["documents"]
    np.testing.assert_allclose(embedded.embedding, starter.embed([fused])[0], atol=1e-6)
