"""SenseweaveMediaEmbedder: an image, a recording or a video as the query."""

import base64

import numpy as np
import pytest
from haystack import Document
from haystack.dataclasses import ByteStream, FileContent, ImageContent
from haystack.utils import ComponentDevice, Device, DeviceMap
from haystack_integrations.components.embedders.senseweave import SenseweaveMediaEmbedder

import senseweave as sw


def test_to_dict_holds_every_parameter_and_from_dict_restores_them(tmp_path):
    data = SenseweaveMediaEmbedder(root_path=tmp_path, modality="audio", load_options={"max_length": 64}).to_dict()
    assert data["init_parameters"] == {
        "model": "starter",
        "dimensions": None,
        "normalize": None,
        "device": None,
        "api_key": None,
        "load_options": {"max_length": 64},
        "root_path": str(tmp_path),
        "network": False,
        "modality": "audio",
    }
    assert SenseweaveMediaEmbedder.from_dict(data).to_dict() == data


@pytest.mark.integration
def test_every_form_of_one_image_gives_one_vector(photo):
    data = photo.read_bytes()
    embedder = SenseweaveMediaEmbedder()
    expected = sw.load("starter").embed_image([photo], role="query")[0]
    forms = [
        photo,
        str(photo),
        ByteStream(data),
        ImageContent(base64_image=base64.b64encode(data).decode(), mime_type="image/png"),
    ]
    for form in forms:
        embedding = embedder.run(media=form)["embedding"]
        assert type(embedding) is list
        np.testing.assert_allclose(embedding, expected, atol=1e-6)


@pytest.mark.integration
async def test_a_recording_is_detected_from_its_content_in_run_and_run_async(tone):
    data = base64.b64encode(tone.read_bytes()).decode()
    embedder = SenseweaveMediaEmbedder()
    expected = sw.load("starter").embed_audio([tone])[0]
    content = FileContent(base64_data=data, mime_type="audio/wav")
    np.testing.assert_allclose(embedder.run(media=content)["embedding"], expected, atol=1e-6)
    np.testing.assert_allclose((await embedder.run_async(media=tone))["embedding"], expected, atol=1e-6)


@pytest.mark.integration
def test_relative_paths_are_looked_for_under_the_root(photo):
    embedder = SenseweaveMediaEmbedder(root_path=photo.parent)
    expected = embedder.run(media=photo)["embedding"]
    assert embedder.run(media=photo.name)["embedding"] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(sw.PolicyError, match="outside"):
        SenseweaveMediaEmbedder(root_path=photo.parent).run(media=__file__)


@pytest.mark.parametrize("wrong", [["a.png"], None, Document(content="x"), 3])
def test_wrong_input_names_the_right_component(wrong):
    with pytest.raises(TypeError, match="SenseweaveTextEmbedder"):
        SenseweaveMediaEmbedder().run(media=wrong)


def test_what_is_no_media_is_an_error_that_says_so(tmp_path):
    nothing = tmp_path / "nothing.bin"
    nothing.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(sw.MediaError, match=r"nothing\.bin"):
        SenseweaveMediaEmbedder().run(media=nothing)


def test_a_modality_that_there_is_not_is_refused_at_once():
    with pytest.raises(ValueError, match="modality must be 'text', 'image', 'audio' or 'video', not 'smell'"):
        SenseweaveMediaEmbedder(modality="smell")


def test_several_devices_share_the_work_and_are_kept_in_yaml():
    pair = ComponentDevice.from_multiple(DeviceMap({"first": Device.cpu(), "second": Device.cpu()}))
    embedder = SenseweaveMediaEmbedder(device=pair)
    again = SenseweaveMediaEmbedder.from_dict(embedder.to_dict())
    again.warm_up()
    assert again._loaded().devices == ("cpu", "cpu")
    assert again._loaded() is embedder._loaded()


def test_a_device_by_its_name_alone_says_what_it_must_be():
    with pytest.raises(TypeError, match=r"ComponentDevice.from_str\('cuda:0'\), not 'cpu'"):
        SenseweaveMediaEmbedder(device="cpu")
