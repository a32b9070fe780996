"""Zero-shot classification: scores by the model's own scale, for every modality, with templates."""

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.base import Encoded, Encoder, Prepared
from senseweave.evaluation import classify

AXES = {"red": 0, "green": 1, "blue": 2}


class Colours(Encoder):
    """Vectors on three axes: of a text, the colours that it names; of an image, its mean colour."""

    dimension = 3

    def __init__(self, modality, **scales):
        self.modality = modality
        self.seen = []
        vars(self).update(scales)

    def prepare(self, items, role):
        return [Prepared(item) for item in items]

    def forward(self, batch):
        rows = []
        for item in batch:
            if self.modality == "text":
                self.seen.append(item.data)
                rows.append([float(name in item.data) + 0.01 for name in AXES])
            else:
                frames = item.data.frames if self.modality == "video" else np.asarray(item.data)
                rows.append(frames.reshape(-1, 3).mean(axis=0) / 255 + 0.01)
        return Encoded(np.array(rows, dtype=np.float32))

    def identity(self):
        return {"colours": self.modality}


def make_space(**scales):
    text = Colours("text", **scales)
    return sw.Space("colours", {"text": text, "image": Colours("image"), "video": Colours("video")}), text


def picture(colour):
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[..., AXES[colour]] = 255
    return pixels


def test_each_item_gets_the_label_that_fits_best():
    space, _ = make_space()
    found = classify(space, [sw.Image(picture("blue")), sw.Image(picture("red"))], list(AXES))
    assert [result.label for result in found] == ["blue", "red"]
    assert [result.position for result in found] == [0, 1]
    assert next(iter(found[0].scores)) == "blue"


def test_scores_are_a_softmax_at_the_scale_of_the_model():
    space, _ = make_space(logit_scale=7.0)
    (found,) = classify(space, [picture("red")], ["red", "green"], modality="image")
    vectors = space.embed_image([picture("red")]), space.embed_text(["red", "green"])
    exponents = np.exp(7.0 * space.similarity(*vectors)[0].astype(np.float64))
    assert found.scores["red"] == pytest.approx(exponents[0] / exponents.sum(), abs=1e-6)
    assert sum(found.scores.values()) == pytest.approx(1)


def test_a_model_with_a_bias_gives_each_label_a_probability_by_itself():
    space, _ = make_space(logit_scale=10.0, logit_bias=-5.0)
    (found,) = classify(space, [picture("red")], ["red", "green"], modality="image")
    cosine = space.similarity(space.embed_image([picture("red")]), space.embed_text(["green"]))[0, 0]
    assert found.scores["green"] == pytest.approx(1 / (1 + np.exp(-(10.0 * cosine - 5.0))), abs=1e-6)
    assert sum(found.scores.values()) != pytest.approx(1, abs=1e-3)


def test_a_given_scale_replaces_that_of_the_model():
    space, _ = make_space(logit_scale=1.0)
    flat = classify(space, [picture("red")], ["red", "green"], modality="image")[0].score
    sharp = classify(space, [picture("red")], ["red", "green"], modality="image", scale=100.0)[0].score
    assert sharp > 0.999 > flat


def test_each_modality_has_its_own_template():
    space, text = make_space()
    items = [sw.Image(picture("red")), sw.Video([picture("green"), picture("green")]), sw.Text("something blue")]
    assert [result.label for result in classify(space, items, list(AXES))] == ["red", "green", "blue"]
    assert {"a photo of a red.", "a video of red.", "red"} <= set(text.seen)


def test_several_templates_are_averaged_as_unit_vectors():
    space, _ = make_space()
    one, other = space.embed_text(["red"]), space.embed_text(["red green"])
    mean = (one + other) / 2
    expected = space.similarity(space.embed_image([picture("red")]), mean)[0, 0]
    (found,) = classify(
        space, [picture("red")], ["red", "blue"], template=["{}", "{} green"], modality="image", scale=1.0
    )
    blue = (space.embed_text(["blue"]) + space.embed_text(["blue green"])) / 2
    other_cosine = space.similarity(space.embed_image([picture("red")]), blue)[0, 0]
    assert np.log(found.scores["red"] / found.scores["blue"]) == pytest.approx(expected - other_cosine, abs=1e-5)


def test_braces_in_a_label_are_part_of_it():
    space, text = make_space()
    classify(space, [picture("red")], ["{0} red", "blue"], modality="image")
    assert "a photo of a {0} red." in text.seen


def test_items_that_cannot_be_read_are_left_out_with_their_positions(tmp_path):
    space, _ = make_space()
    items = [tmp_path / "nothing.png", picture("green")]
    found = classify(space, items, list(AXES), modality="image", on_error="skip")
    assert [(result.position, result.label) for result in found] == [(1, "green")]
    with pytest.raises(sw.MediaError, match="item 1 of 2"):
        classify(space, items, list(AXES), modality="image")


def test_wrong_input_is_explained():
    space, _ = make_space()
    with pytest.raises(ValueError, match="all different"):
        classify(space, [picture("red")], ["red", "red"], modality="image")
    with pytest.raises(ValueError, match=r"needs \{\} where the label goes"):
        classify(space, [picture("red")], ["red"], template="a photo", modality="image")
    with pytest.raises(TypeError, match="give the modality of all items"):
        classify(space, [picture("red")], ["red"])
    with pytest.raises(TypeError, match="labels must be a list of strings, not one string"):
        classify(space, [picture("red")], "red", modality="image")
    with pytest.raises(ValueError, match="finite"):
        classify(space, [picture("red")], ["red"], modality="image", scale=float("nan"))
    with pytest.raises(sw.UnsupportedModalityError, match="audio"):
        classify(space, [sw.Audio((np.zeros(10, np.float32), 10))], ["red"])


def test_a_text_space_classifies_plain_strings():
    space = sw.Space("colours", {"text": Colours("text")})
    assert classify(space, ["a green leaf"], list(AXES))[0].label == "green"


def test_labels_may_come_one_by_one():
    space, _ = make_space()
    assert classify(space, [picture("red")] * 2, (name for name in AXES), modality="image")[1].label == "red"


def test_no_items_give_no_results():
    assert classify(make_space()[0], [], ["red"]) == []
