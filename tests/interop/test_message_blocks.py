"""Media in the blocks of chat messages are read, whoever wrote the block."""

import base64
import io

import numpy as np
import pytest
from PIL import Image as PILImage

from senseweave.errors import MediaError, PolicyError
from senseweave.interop import block_content, is_block, media_from_block


@pytest.fixture
def png():
    data = io.BytesIO()
    PILImage.fromarray(np.full((8, 8, 3), 200, np.uint8)).save(data, "png")
    return data.getvalue()


def forms(data):
    text = base64.b64encode(data).decode()
    link = f"data:image/png;base64,{text}"
    return {
        "standard": {"type": "image", "base64": text, "mime_type": "image/png"},
        "version 0": {"type": "image", "source_type": "base64", "data": text, "mime_type": "image/png"},
        "standard URL": {"type": "image", "url": link},
        "OpenAI": {"type": "image_url", "image_url": {"url": link, "detail": "low"}},
        "OpenAI, short": {"type": "image_url", "image_url": link},
        "OpenAI responses": {"type": "input_image", "image_url": link},
        "Anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": text}},
        "file": {"type": "file", "base64": text, "mime_type": "image/png"},
    }


@pytest.mark.parametrize("form", list(forms(b"x")))
def test_an_image_is_read_from_every_form(png, form):
    media = media_from_block(forms(png)[form])
    assert (media.modality, media.read()) == ("image", png)


def test_sound_and_words_are_read_too():
    sound = base64.b64encode(b"RIFF").decode()
    audio = media_from_block({"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}})
    assert (audio.modality, audio.read()) == ("audio", b"RIFF")
    for block in ({"type": "text", "text": "a dog"}, {"type": "input_text", "text": "a dog"}):
        assert media_from_block(block).decode() == "a dog"


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ({"type": "image", "file_id": "f-1"}, "holds no text, base64 or url that can be read; it has type, file_id"),
        ({"type": "image", "base64": "no base64!"}, "does not hold base64"),
        ({"type": "tool_use", "id": "7"}, "tool_use block"),
    ],
)
def test_a_block_without_media_is_an_error_that_says_what_it_holds(block, reason):
    with pytest.raises(MediaError, match=reason):
        media_from_block(block)


def test_a_url_in_a_block_is_fetched_only_if_the_policy_allows():
    link = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    assert block_content(link) == "https://example.org/a.png"
    with pytest.raises(PolicyError, match="network"):
        media_from_block(link).read()


def test_only_a_mapping_that_names_its_type_is_a_block():
    assert [is_block(item) for item in ({"type": "text"}, {"type": 3}, {"text": "x"}, "text")] == [True, *[False] * 3]


@pytest.mark.parametrize("url", ["/etc/hostname", "file:///etc/hostname", "FILE:///etc/hostname", "a.png", "C:\\a.png"])
def test_a_message_leads_to_no_local_file(url):
    for block in ({"type": "image", "url": url}, {"type": "image_url", "image_url": {"url": url}}):
        with pytest.raises(MediaError, match="names a local file, which a message must not"):
            block_content(block)


def test_words_that_look_like_a_path_stay_words():
    content = block_content({"type": "text", "text": "/etc/hostname"})
    assert (content.modality, content.decode()) == ("text", "/etc/hostname")
