"""MultimodalPromptBuilder: Documents of several modalities in rank order, labelled, within limits."""

import base64
import copy
import io
import sys
import wave

import pytest
from haystack import Document, Pipeline
from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ByteStream, ChatMessage, FileContent, ImageContent, TextContent
from haystack_integrations.components.builders.senseweave import MultimodalPromptBuilder
from PIL import Image

import senseweave as sw
from senseweave.interop import place_label, read_metadata


@pytest.fixture
def documents(photo, tone):
    return [
        Document(content="a tone", meta={"modality": "audio", "file_path": str(tone), "start": 1.0, "end": 2.0}),
        Document(content="The dog is asleep.", meta={"modality": "text", "file_path": "notes/diary.txt", "page": 3}),
        Document(content="orange disc", meta={"modality": "image", "file_path": str(photo)}),
    ]


def _parts(result):
    return result["prompt"][-1]._content


def test_to_dict_holds_every_parameter_and_from_dict_restores_them(tmp_path):
    builder = MultimodalPromptBuilder(system_prompt=None, modalities=["text"], max_seconds=3, root_path=tmp_path)
    data = builder.to_dict()
    assert len(data["init_parameters"]) == 19
    assert MultimodalPromptBuilder.from_dict(data).to_dict() == data


def test_parts_come_in_rank_order_with_labels(documents):
    builder = MultimodalPromptBuilder(mark_data=False, modalities=["text", "image", "audio"])
    result = builder.run(query="What is there?", documents=documents)
    assert [message.role.value for message in result["prompt"]] == ["system", "user"]
    parts = _parts(result)
    assert [type(part) for part in parts] == [
        TextContent,
        FileContent,
        TextContent,
        TextContent,
        ImageContent,
        TextContent,
    ]
    assert parts[0].text == "[1] audio, tone.wav, 0:01 to 0:02: a tone"
    assert parts[2].text == "[2] text, diary.txt, page 3: The dog is asleep."
    assert parts[3].text == "[3] image, photo.png: orange disc"
    assert parts[5].text == "Question: What is there?"
    assert result["documents"] == documents


def test_sound_is_cut_to_its_span(documents):
    builder = MultimodalPromptBuilder(mark_data=False, modalities=["audio"])
    sound = _parts(builder.run(query="?", documents=documents))[1]
    assert (sound.mime_type, sound.filename) == ("audio/wav", "tone.wav")
    with wave.open(io.BytesIO(base64.b64decode(sound.base64_data))) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(1.0, abs=0.01)


def test_images_are_scaled_down_and_counted(tmp_path):
    path = tmp_path / "large.png"
    Image.new("RGB", (800, 400), "red").save(path)
    document = Document(content="", meta={"modality": "image", "file_path": str(path)})
    parts = _parts(MultimodalPromptBuilder(max_images=2, max_pixels=200).run(query="?", documents=[document] * 3))
    images = [part for part in parts if isinstance(part, ImageContent)]
    assert len(images) == 2
    width, height = Image.open(io.BytesIO(base64.b64decode(images[0].base64_image))).size
    assert width * height <= 200
    assert images[0].mime_type == "image/jpeg"


def test_limits_on_documents_seconds_and_characters(documents, tone):
    builder = MultimodalPromptBuilder(
        mark_data=False, modalities=["text", "audio"], max_documents=2, max_seconds=0.5, max_characters=3
    )
    result = builder.run(query="?", documents=documents)
    assert result["documents"] == documents[:2]
    parts = _parts(result)
    assert parts[0].text.endswith(": a t")
    with wave.open(io.BytesIO(base64.b64decode(parts[1].base64_data))) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(0.5, abs=0.01)


def test_what_the_model_does_not_take_stands_as_text(documents):
    parts = _parts(MultimodalPromptBuilder(mark_data=False, modalities=["text"]).run(query="?", documents=documents))
    assert all(isinstance(part, TextContent) for part in parts)
    assert "orange disc" in parts[2].text


def test_a_recording_is_shown_by_its_transcript_unless_the_model_listens(documents):
    plain = _parts(MultimodalPromptBuilder(mark_data=False).run(query="?", documents=documents))
    assert not any(isinstance(part, FileContent) for part in plain)
    assert any(isinstance(part, ImageContent) for part in plain)
    assert plain[0].text == "[1] audio, tone.wav, 0:01 to 0:02: a tone"


def test_a_caption_of_another_writer_is_shown_without_the_place_that_the_label_says(photo):
    meta = {"modality": "image", "source": str(photo), "sha256": "ab" * 32}
    document = Document(content=f"a disc ({place_label(read_metadata(meta))})", meta=meta)
    parts = _parts(MultimodalPromptBuilder(mark_data=False).run(query="?", documents=[document]))
    assert parts[0].text == "[1] image, photo.png: a disc"


def numbered(number, provenance):
    """Name a document without its file."""
    return f"({number}, {provenance.modality})"


def test_labels_can_be_written_by_the_caller_and_survive_serialization(documents, monkeypatch):
    monkeypatch.setenv("HAYSTACK_DESERIALIZATION_ALLOWLIST", numbered.__module__)
    monkeypatch.setitem(sys.modules, numbered.__module__, sys.modules[__name__])
    builder = MultimodalPromptBuilder(mark_data=False, label=numbered)
    data = builder.to_dict()
    assert data["init_parameters"]["label"] == f"{numbered.__module__}.numbered"
    for made in (builder, MultimodalPromptBuilder.from_dict(data), copy.deepcopy(builder)):
        assert _parts(made.run(query="?", documents=documents))[0].text == "(1, audio) a tone"


def test_a_video_is_frames_or_a_file(samples):
    path = samples / "video" / "video-01.mp4"
    segment = Document(content="", meta={"modality": "video", "file_path": str(path), "start": 0.0, "end": 2.0})
    frames = _parts(MultimodalPromptBuilder(mark_data=False, frames=3).run(query="?", documents=[segment]))
    assert [type(part) for part in frames] == [TextContent, ImageContent, ImageContent, ImageContent, TextContent]
    (file,) = (
        part
        for part in _parts(
            MultimodalPromptBuilder(mark_data=False, video_as="file").run(query="?", documents=[segment])
        )
        if isinstance(part, FileContent)
    )
    assert (file.mime_type, file.filename) == ("video/mp4", "video-01.mp4")
    assert base64.b64decode(file.base64_data) == path.read_bytes()
    large = MultimodalPromptBuilder(video_as="file", max_file_bytes=10).run(query="?", documents=[segment])
    assert not any(isinstance(part, FileContent) for part in _parts(large))


def test_a_blob_is_shown(photo):
    document = Document(content=None, blob=ByteStream(photo.read_bytes()))
    parts = _parts(MultimodalPromptBuilder(mark_data=False).run(query="?", documents=[document]))
    assert parts[0].text.startswith("[1] image, Document ")
    assert isinstance(parts[1], ImageContent)


def test_a_file_that_cannot_be_read_stands_as_text_or_raises(tmp_path, caplog):
    gone = Document(content="a dog", meta={"modality": "image", "file_path": str(tmp_path / "gone.jpg")})
    parts = _parts(MultimodalPromptBuilder(mark_data=False).run(query="?", documents=[gone]))
    assert parts[0].text == "[1] image, gone.jpg: a dog"
    assert len(parts) == 2
    assert "shown as text alone" in caplog.text
    with pytest.raises(sw.MediaError, match=r"gone\.jpg"):
        MultimodalPromptBuilder(mark_data=False, on_error="raise").run(query="?", documents=[gone])


def test_a_file_outside_the_root_is_not_shown(photo, tmp_path, caplog):
    inside = tmp_path / "inside"
    inside.mkdir()
    document = Document(content="x", meta={"modality": "image", "file_path": str(photo)})
    parts = _parts(MultimodalPromptBuilder(root_path=inside).run(query="?", documents=[document]))
    assert not any(isinstance(part, ImageContent) for part in parts)
    assert "outside the policy's root" in caplog.text


def test_no_documents_leave_the_question():
    result = MultimodalPromptBuilder(system_prompt=None).run(query="Why?", documents=[])
    assert result["prompt"] == [ChatMessage.from_user(content_parts=[TextContent("Question: Why?")])]


async def test_run_async_gives_the_same_as_run(documents):
    builder = MultimodalPromptBuilder()
    assert await builder.run_async(query="?", documents=documents) == builder.run(query="?", documents=documents)


@pytest.mark.parametrize(("query", "documents"), [(3, []), ("?", "x"), ("?", [1])])
def test_wrong_input_is_a_type_error(query, documents):
    with pytest.raises(TypeError, match="MultimodalPromptBuilder expects"):
        MultimodalPromptBuilder().run(query=query, documents=documents)


@pytest.mark.parametrize("wrong", [{"video_as": "gif"}, {"image_format": "bmp"}, {"modalities": ["smell"]}])
def test_arguments_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong.values()))[0]):
        MultimodalPromptBuilder(**wrong)


def test_a_chat_generator_takes_the_prompt(documents):
    pipeline = Pipeline()
    pipeline.add_component("builder", MultimodalPromptBuilder())
    pipeline.add_component("generator", MockChatGenerator("It sleeps [2]."))
    pipeline.connect("builder.prompt", "generator.messages")
    result = pipeline.run({"builder": {"query": "What does the dog do?", "documents": documents}})
    assert result["generator"]["replies"][0].text == "It sleeps [2]."


def test_a_span_that_is_none_leaves_the_document_as_its_words():
    documents = [Document(content="a bell rings", meta={"modality": "audio", "start": "soon", "end": "later"})]
    prompt = MultimodalPromptBuilder(mark_data=False).run(query="What rings?", documents=documents)["prompt"]
    assert prompt[-1].texts[0].endswith("a bell rings")
