"""Content blocks show a model what documents stand for, within limits, and say where each is from."""

from __future__ import annotations

import base64
import io
import wave
from functools import partial

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, ParrotFakeChatModel
from langchain_core.messages import HumanMessage, convert_to_openai_messages
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from PIL import Image as PILImage

from langchain_senseweave import (
    BlockLimits,
    content_blocks,
    document_from_media,
    media_from_document,
    multimodal_prompt,
)
from senseweave import Audio, Image, MediaError, MediaPolicy, Text, Video

unmarked_blocks = partial(content_blocks, mark_data=False)


@pytest.fixture
def documents(red_png, tone_wav, clip_mp4):
    return [
        document_from_media(Text("The sea is blue.", source="sea.txt")),
        document_from_media(Image(red_png), "a red field"),
        document_from_media(Audio(tone_wav, span=(0.0, 1.0)), "a tone"),
        document_from_media(Video(clip_mp4, span=(0.0, 2.0))),
    ]


def kinds(blocks):
    return [block["type"] for block in blocks]


def test_every_item_follows_a_label_with_its_number_source_and_place(documents):
    blocks = unmarked_blocks(documents)
    assert kinds(blocks) == ["text", "text", "image", "text", "audio", "text"] + ["image"] * 4
    assert blocks[0]["text"] == "[1] text, sea.txt: The sea is blue."
    assert blocks[1]["text"] == "[2] image, red.png: a red field"
    assert blocks[3]["text"] == "[3] audio, tone.wav, 0:00 to 0:01: a tone"
    assert blocks[5]["text"] == "[4] video, clip.mp4, 0:00 to 0:02:"


def test_blocks_hold_the_media_themselves(documents):
    blocks = unmarked_blocks(documents)
    picture = PILImage.open(io.BytesIO(base64.b64decode(blocks[2]["base64"])))
    assert (picture.size, blocks[2]["mime_type"]) == ((40, 30), "image/jpeg")
    with wave.open(io.BytesIO(base64.b64decode(blocks[4]["base64"]))) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(1.0, abs=0.01)
    assert blocks[4]["mime_type"] == "audio/wav"


def test_models_of_openai_form_take_the_blocks(documents):
    (message,) = convert_to_openai_messages([HumanMessage(content_blocks=content_blocks(documents))])
    assert {part["type"] for part in message["content"]} == {"text", "image_url", "input_audio"}


def test_limits_on_count_pixels_and_seconds_hold(documents, tmp_path, tone_wav):
    PILImage.new("RGB", (1000, 1000)).save(tmp_path / "large.png")
    large = document_from_media(Image(tmp_path / "large.png"))
    (_, block) = unmarked_blocks([large], limits=BlockLimits(pixels=10_000))
    width, height = PILImage.open(io.BytesIO(base64.b64decode(block["base64"]))).size
    assert width * height <= 10_000

    assert len(unmarked_blocks(documents, limits=BlockLimits(documents=1))) == 1
    assert kinds(unmarked_blocks(documents, limits=BlockLimits(images=2))).count("image") == 2
    assert kinds(unmarked_blocks(documents, limits=BlockLimits(images=0))).count("image") == 0

    sounds = [document_from_media(Audio(tone_wav, span=(start, start + 1.0))) for start in (0.0, 1.0, 2.0)]
    blocks = unmarked_blocks(sounds, limits=BlockLimits(seconds=1.5))
    assert kinds(blocks) == ["text", "audio", "text", "audio", "text"]
    with wave.open(io.BytesIO(base64.b64decode(blocks[3]["base64"]))) as sound:
        assert sound.getnframes() / sound.getframerate() == pytest.approx(0.5, abs=0.01)


def test_a_video_is_a_block_of_its_own_where_asked_for(clip_mp4):
    document = document_from_media(Video(clip_mp4, span=(0.0, 2.0)))
    (_, block) = unmarked_blocks([document], limits=BlockLimits(video_as="file"))
    assert (block["type"], block["mime_type"]) == ("video", "video/mp4")
    assert base64.b64decode(block["base64"]) == clip_mp4.read_bytes()


def test_what_the_model_does_not_take_stands_as_its_text(documents):
    blocks = unmarked_blocks(documents, modalities=["text", "image"])
    assert "audio" not in kinds(blocks)
    assert any(block.get("text", "").endswith(": a tone") for block in blocks)


def test_unreadable_media_are_errors_or_text_as_asked(documents, red_png):
    red_png.unlink()
    with pytest.raises(MediaError, match=r"red\.png"):
        content_blocks(documents)
    with pytest.warns(UserWarning, match="text alone"):
        blocks = content_blocks(documents, on_error="skip")
    assert any("a red field" in block.get("text", "") for block in blocks)


def test_the_policy_holds_for_sources_in_metadata(red_png, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    document = Document("x", metadata={"modality": "image", "source": str(red_png)})
    with pytest.raises(MediaError, match="root"):
        content_blocks([document], policy=MediaPolicy(root=inside))


def test_the_prompt_puts_sources_first_and_the_question_last(documents):
    value = multimodal_prompt("Be brief.").invoke({"question": "What is blue?", "documents": documents})
    system, human = value.to_messages()
    assert system.content == "Be brief."
    assert human.content_blocks[-1]["text"] == "Question: What is blue?"
    assert len(human.content_blocks) == len(content_blocks(documents)) + 1
    assert len(multimodal_prompt(None).invoke({"question": "?", "documents": []}).to_messages()) == 1


async def test_the_prompt_works_in_a_chain_sync_and_async(documents):
    chain = (
        {"documents": RunnableLambda(lambda _: documents), "question": RunnablePassthrough()}
        | multimodal_prompt()
        | ParrotFakeChatModel()
    )
    answer = chain.invoke("What is blue?")
    assert kinds(answer.content_blocks).count("image") == 5
    again = await chain.ainvoke("What is blue?")
    assert kinds(again.content_blocks) == kinds(answer.content_blocks)


def test_a_prompt_without_documents_says_what_it_was_given():
    with pytest.raises(KeyError, match="documents"):
        multimodal_prompt().invoke({"question": "?", "context": []})


def test_equal_documents_give_equal_prompts_without_ids_that_reach_providers(documents):
    assert content_blocks(documents) == content_blocks(documents)
    assert not any("id" in block for block in content_blocks(documents, limits=BlockLimits(video_as="file")))
    prompt = multimodal_prompt()
    values = {"documents": documents, "question": "Which?"}
    assert prompt.invoke(values) == prompt.invoke(values)


@pytest.mark.parametrize(
    ("profile", "shown"),
    [
        (None, {"text", "image"}),
        ({"image_inputs": True, "audio_inputs": True}, {"text", "image", "audio"}),
        ({"image_inputs": False}, {"text"}),
    ],
)
def test_a_model_is_shown_what_its_profile_says_and_else_the_transcript(documents, profile, shown):
    model = FakeListChatModel(responses=["x"], profile=profile)
    for each in (model, model.bind(stop=["x"])):
        blocks = unmarked_blocks(documents, model=each)
        assert set(kinds(blocks)) == shown
        assert any(block["type"] == "text" and block["text"].endswith(": a tone") for block in blocks)
    values = {"documents": documents, "question": "Which?"}
    assert set(kinds(multimodal_prompt(model=model).invoke(values).messages[-1].content)) == shown


def test_labels_can_be_written_by_the_caller_and_name_no_file(documents):
    blocks = content_blocks(documents, label=lambda number, provenance: f"({number}) {provenance.modality}:")
    text = " ".join(block["text"] for block in blocks if block["type"] == "text")
    assert "(2) image: a red field" in text
    assert "red.png" not in text


def test_the_history_stands_between_the_system_message_and_the_question(documents):
    values = {"documents": documents[:1], "question": "And then?"}
    history = [HumanMessage("Is the sea blue?"), ("ai", "Yes.")]
    messages = multimodal_prompt().invoke({**values, "history": history}).messages
    assert [message.type for message in messages] == ["system", "human", "ai", "human"]
    assert messages[2].content == "Yes."
    assert multimodal_prompt().invoke({**values, "history": []}) == multimodal_prompt().invoke(values)


def test_media_without_a_caption_get_that_of_the_model_where_the_image_is_not_shown(embeddings, documents, monkeypatch):
    said = []

    def describe(self, media, *, on_error="raise"):
        said.extend(media)
        return ["a red field at noon" for _ in media]

    monkeypatch.setattr(type(embeddings), "describe_media", describe)
    bare = document_from_media(media_from_document(documents[1]))
    blocks = unmarked_blocks([bare, documents[2]], modalities=["text"], embeddings=embeddings)
    assert [block["text"] for block in blocks] == [
        "[1] image, red.png: a red field at noon",
        "[2] audio, tone.wav, 0:00 to 0:01: a tone",
    ]
    assert [item.modality for item in said] == ["image"]
    assert kinds(unmarked_blocks([bare], embeddings=embeddings)) == ["text", "image"]
