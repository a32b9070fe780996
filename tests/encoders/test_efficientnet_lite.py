"""The starter's image classifier names what the sample photographs show, and computes as its authors do."""

import numpy as np
import pytest
from PIL import Image

from senseweave.encoders.bridges.efficientnet_lite import EfficientNetLite0, imagenet_definitions, imagenet_labels
from senseweave.encoders.families import starter
from senseweave.encoders.runtime.onnx_session import compute_threads

SHOWN = {
    "photo-01.jpg": {"tabby", "tiger cat", "Egyptian cat"},
    "photo-02.jpg": {"espresso", "cup"},
    "photo-03.jpg": {"missile", "projectile", "space shuttle"},
    "photo-04.png": {"tripod"},
    "photo-05.jpg": {"German shepherd"},
    "photo-06.jpg": {"hen", "cock"},
    "photo-07.jpg": {"ram"},
    "photo-08.jpg": {"rock crab", "Dungeness crab", "king crab", "fiddler crab"},
    "photo-09.jpg": {"goldfish"},
    "photo-10.jpg": {"frying pan"},
    "photo-11.jpg": {"baseball"},
    "photo-12.webp": {"screwdriver"},
    "photo-13.jpg": {"hammer"},
    "photo-14.jpg": {"scale"},
    "photo-15.jpg": {"macaw"},
    "photo-16.jpg": {"bucket"},
}
"""ImageNet's classes for what each photograph of the sample corpus shows."""


@pytest.fixture(scope="module")
def bridge():
    return starter.build(device="cpu")["image"]


def prepare(bridge, corpus, names):
    return [bridge.classifier.prepare(Image.open(corpus / "images" / name).convert("RGB")) for name in names]


@pytest.mark.integration
def test_at_least_three_of_four_photographs_have_their_class_in_the_top_five(bridge, corpus):
    best = np.argsort(-bridge.probabilities(prepare(bridge, corpus, SHOWN)), axis=1)[:, :5]
    names = [{label.split(",")[0] for label in np.array(bridge.classifier.labels)[row]} for row in best]
    right = [name for name, seen in zip(SHOWN, names, strict=True) if SHOWN[name] & seen]
    assert len(right) >= 0.75 * len(SHOWN), sorted(set(SHOWN) - set(right))


def test_class_names_are_those_of_imagenet_in_order():
    labels = imagenet_labels()
    assert len(labels) == 1000
    assert labels[0].startswith("tench")
    assert labels[-1].startswith("toilet tissue")


def test_class_names_and_definitions_are_those_that_timm_lists():
    names = pytest.importorskip("timm.data").ImageNetInfo()
    assert list(imagenet_definitions()) == [names.index_to_description(i, detailed=True) for i in range(1000)]
    assert list(imagenet_labels()) == [names.index_to_description(i).partition(",")[0] for i in range(1000)]


@pytest.mark.integration
def test_scores_and_features_are_those_of_timms_network(bridge, corpus):
    from senseweave.encoders.parts.efficientnet_torch import EfficientNetTorch

    weights = bridge.classifier.weights
    (file,) = weights.files
    reference = EfficientNetTorch(weights.find().path(file), "cpu")
    views = [view for image in prepare(bridge, corpus, list(SHOWN)[:6]) for view in image]
    for name in ("logits", "features"):
        found, expected = getattr(bridge.classifier, name)(views), getattr(reference, name)(views)
        np.testing.assert_allclose(found, expected, rtol=0, atol=4e-6 * np.abs(expected).max())
    assert bridge.classifier.describe_backend() == {"backend": "onnx", "device": "cpu", "threads": compute_threads()}


@pytest.mark.integration
def test_an_image_has_the_same_scores_alone_and_in_a_batch(bridge, corpus):
    images = prepare(bridge, corpus, list(SHOWN)[:5])
    views = [view for image in images for view in image]
    together = bridge.classifier.logits(views)
    alone = np.concatenate([bridge.classifier.logits([view]) for view in views])
    np.testing.assert_allclose(together, alone, atol=1e-4)
    alone = np.concatenate([bridge.probabilities([image]) for image in images])
    np.testing.assert_allclose(bridge.probabilities(images), alone, atol=1e-5)


def on_background(color, shape=(300, 200), object_at=(60, 40, 240, 160)):
    image = Image.new("RGB", shape, color)
    noise = np.random.default_rng(0).integers(0, 256, (object_at[3] - object_at[1], object_at[2] - object_at[0], 3))
    image.paste(Image.fromarray(noise.astype(np.uint8)), object_at[:2])
    return image


@pytest.mark.parametrize(
    ("image", "views"),
    [
        (on_background("white"), 1),
        (on_background("navy"), 1),
        (on_background("white", object_at=(60, 40, 90, 200)), 1),  # stands on the lower edge
        (on_background("white", object_at=(0, 0, 300, 200)), 2),
        (on_background("white", object_at=(0, 100, 300, 200)), 2),
    ],
)
def test_a_picture_with_a_plain_border_is_seen_whole_and_any_other_twice(image, views):
    prepared = EfficientNetLite0().prepare(image)
    assert [tuple(view.shape) for view in prepared] == [(3, 224, 224)] * views


def test_the_whole_of_a_long_picture_is_seen():
    image = Image.new("RGB", (900, 100), "white")
    image.paste("red", (20, 30, 80, 70))  # far outside a crop at the center
    (whole,) = EfficientNetLite0().prepare(image)
    assert (whole[1] < whole.max() / 2).sum() > 100
