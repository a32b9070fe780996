"""Classifiers with named classes put images and sounds into a text space."""

import numpy as np
import pytest
from tiny_bridges import CLASSES, image_classifier, sound_classifier

import senseweave as sw
from senseweave.errors import ModelError, WeightsError
from senseweave.media import Waveform


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    from tiny_text import save_model

    return str(save_model(tmp_path_factory.mktemp("text"), "Bert"))


@pytest.fixture(scope="module")
def image_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    image_classifier(folder)
    return folder


@pytest.fixture(scope="module")
def sound_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    sound_classifier(folder)
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    from pictures import pictures

    return pictures(tmp_path_factory.mktemp("pictures"))


def test_the_description_of_an_image_begins_with_its_likeliest_class(text_model, image_model, images):
    space = sw.load(f"bridge:{text_model}", image=f"labels:{image_model}", device="cpu", cache_size=0)
    labels = space.encoder("image")
    prepared = labels.prepare([sw.Image(images[0]).decode()], "document")
    best = int(labels.classifier.logits(prepared[0].data)[0].argmax())
    described = space.encode([sw.Image(images[0])]).descriptions[0]
    assert described.split(", ")[0] == CLASSES[best]


def test_timm_classifiers_name_imagenet_classes(tmp_path):
    import timm
    from safetensors.torch import save_file

    from senseweave.encoders.bridges.classifiers import TimmClassifier

    model = timm.create_model("test_vit").eval()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    classifier = TimmClassifier(f"test_vit//{tmp_path / 'model.safetensors'}", device="cpu")
    assert len(classifier.labels) == 1000
    assert classifier.labels[0].startswith("tench")
    from PIL import Image

    scores = classifier.logits(classifier.prepare(Image.new("RGB", (50, 40), "red")))
    assert scores.shape == (1, 1000)


def test_classes_without_names_are_refused(tmp_path, text_model, image_model):
    import json
    import shutil

    folder = tmp_path / "unnamed"
    shutil.copytree(image_model, folder)
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(index): f"LABEL_{index}" for index in range(4)}
    (folder / "config.json").write_text(json.dumps(config))
    space = sw.load(f"bridge:{text_model}", image=f"labels:{folder}", device="cpu")
    with pytest.raises(ModelError, match="classes without names"):
        space.embed_image([np.zeros((8, 8, 3), np.uint8)])


def test_a_classifier_without_its_head_is_refused_by_name(tmp_path, text_model, image_model):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "headless"
    shutil.copytree(image_model, folder)
    tensors = load_file(folder / "model.safetensors")
    save_file(
        {name: one for name, one in tensors.items() if "classifier" not in name},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    space = sw.load(f"bridge:{text_model}", image=f"labels:{folder}", device="cpu")
    with pytest.raises(WeightsError, match=r"classifier\.weight"):
        space.embed_image([np.zeros((8, 8, 3), np.uint8)])


def test_a_sound_shorter_than_a_frame_still_has_a_vector(text_model, sound_model):
    space = sw.load(f"bridge:{text_model}", audio=f"labels:{sound_model}", device="cpu")
    blip = Waveform(np.full(100, 0.5, np.float32), 16_000)
    assert np.isfinite(space.embed_audio([(blip.samples, blip.sampling_rate)])).all()


def test_videos_are_seen_through_the_image_bridge(text_model, image_model, tmp_path):
    from films import moving_square, write

    space = sw.load(f"bridge:{text_model}", image=f"labels:{image_model}", video=True, frames=2, device="cpu")
    batch = space.encode([sw.Video(write(tmp_path / "film.mp4", moving_square(1.0, 1)))])
    assert batch.vectors.shape == (1, space.dimension)
    assert any(name in batch.descriptions[0] for name in CLASSES)


def test_bridges_that_are_unknown_are_explained(text_model, image_model):
    with pytest.raises(ModelError, match="caption:MODEL"):
        sw.load(f"bridge:{text_model}", image="guess")
    with pytest.raises(ModelError, match="transcribe:FOLDER"):
        sw.load(f"bridge:{text_model}", audio="guess")
    with pytest.raises(ModelError, match="needs an image bridge"):
        sw.load(f"bridge:{text_model}", video=True)
    with pytest.raises(ValueError, match="caption:MODEL"):
        sw.load(f"bridge:{text_model}", image="ocr", prompt="What is this?")
    with pytest.raises(ValueError, match="transcribe:FOLDER"):
        sw.load(f"bridge:{text_model}", image="ocr", language="de")
    with pytest.raises(ModelError, match="does not embed text"):
        sw.load(f"bridge:image:{image_model}", image="ocr")


def test_labels_are_embedded_by_a_text_model_that_sees_padding_as_texts_are(tmp_path):
    from tiny_text import TEXTS
    from tiny_types import save_type

    from senseweave.encoders.bridges.label_space import encode_texts

    space = sw.load(f"contextual:{save_type(tmp_path, 'fnet')}", device="cpu", cache_size=0)
    expected = np.concatenate([space.embed_text([label]) for label in TEXTS])
    np.testing.assert_allclose(encode_texts(space.encoder("text"), TEXTS), expected, atol=1e-5)
