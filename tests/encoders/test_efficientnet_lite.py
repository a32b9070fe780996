"""The starter's image classifier names what the sample photographs show, and computes as its authors do."""

import numpy as np
import pytest
from PIL import Image

from senseweave.encoders.bridges.efficientnet_lite import imagenet_labels
from senseweave.encoders.families import starter

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
def classifier():
    return starter.build(device="cpu")["image"].classifier


@pytest.mark.integration
def test_at_least_three_of_four_photographs_have_their_class_in_the_top_five(classifier, corpus):
    images = [classifier.prepare(Image.open(corpus / "images" / name).convert("RGB")) for name in SHOWN]
    best = np.argsort(-classifier.logits(images), axis=1)[:, :5]
    names = [{label.split(",")[0] for label in np.array(classifier.labels)[row]} for row in best]
    right = [name for name, seen in zip(SHOWN, names, strict=True) if SHOWN[name] & seen]
    assert len(right) >= 0.75 * len(SHOWN), sorted(set(SHOWN) - set(right))


def test_class_names_are_those_of_imagenet_in_order():
    labels = imagenet_labels()
    assert len(labels) == 1000
    assert labels[0].startswith("tench")
    assert labels[-1].startswith("toilet tissue")


@pytest.mark.integration
def test_an_image_has_the_same_scores_alone_and_in_a_batch(classifier, corpus):
    names = list(SHOWN)[:5]
    images = [classifier.prepare(Image.open(corpus / "images" / name).convert("RGB")) for name in names]
    together = classifier.logits(images)
    alone = np.concatenate([classifier.logits([image]) for image in images])
    np.testing.assert_allclose(together, alone, atol=1e-4)
