"""Several media of one item in one vector: fusion, its weights, and what it says of parts that fail."""

import asyncio
import pickle

import numpy as np
import pytest
from PIL import Image as Picture

import senseweave as sw
from senseweave.media import Text
from senseweave.testing import toy_space


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Picture.new("RGB", (20, 12), "red").save(path)
    return path


@pytest.fixture
def space():
    return toy_space()


def mean(*vectors):
    total = sum(vectors)
    return total / np.linalg.norm(total)


def test_the_vector_is_the_weighted_mean_of_those_of_the_parts(space, photo):
    words, seen = space.embed_text(["a red kettle"])[0], space.embed_image([photo])[0]
    parts = {"image": photo, "text": "a red kettle"}
    np.testing.assert_allclose(space.embed([sw.fuse(parts)])[0], mean(words, seen), atol=1e-6)
    weighted = sw.fuse(parts, weights={"image": 3, "text": 1})
    assert weighted.weights == {"image": 0.75, "text": 0.25}
    np.testing.assert_allclose(space.embed([weighted])[0], mean(words, 3 * seen), atol=1e-6)
    only = sw.fuse(parts, weights={"image": 0, "text": 2})
    np.testing.assert_allclose(space.embed([only])[0], words, atol=1e-6)


def test_it_is_the_same_among_other_media_async_and_by_modality(space, photo):
    fused = sw.fuse({"image": photo, "text": "a red kettle"})
    alone = space.embed([fused])[0]
    among = space.embed([sw.Text("x"), fused, sw.Image(photo), fused])
    np.testing.assert_allclose(among[[1, 3]], [alone, alone], atol=1e-6)
    np.testing.assert_allclose(among[2], space.embed_image([photo])[0], atol=1e-6)
    np.testing.assert_allclose(asyncio.run(space.aembed([fused]))[0], alone, atol=1e-6)
    np.testing.assert_allclose(space.embed_image([fused])[0], alone, atol=1e-6)


def test_texts_of_a_question_take_the_role_of_a_question(space, photo, monkeypatch):
    encoder, roles = space.encoder("text"), []
    prepare = encoder.prepare
    monkeypatch.setattr(encoder, "prepare", lambda items, role: roles.append(role) or prepare(items, role))
    space.embed([sw.fuse({"image": photo, "text": "a red kettle"})], role="query")
    assert roles == ["query"]


def test_parts_have_any_name_where_they_are_media(space, photo):
    fused = sw.fuse({"front": sw.Image(photo), "title": sw.Text("kettle"), "body": sw.Text("1.7 l")})
    assert fused.modality == "image"
    assert fused.modalities == {"image", "text"}
    expected = mean(space.embed_image([photo])[0], *space.embed_text(["kettle", "1.7 l"]))
    np.testing.assert_allclose(space.embed([fused])[0], expected, atol=1e-6)


def test_equality_and_hashes_go_by_content_and_weights(photo):
    fused = sw.fuse({"image": photo, "text": "kettle"})
    assert fused == sw.fuse({"image": photo, "text": "kettle"})
    assert fused.sha256 == sw.fuse({"text": "kettle", "image": photo.read_bytes()}).sha256
    assert fused.sha256 != sw.fuse({"image": photo, "text": "lamp"}).sha256
    assert fused.sha256 != sw.fuse({"image": photo, "text": "kettle"}, weights={"image": 2, "text": 1}).sha256
    assert pickle.loads(pickle.dumps(fused)) == fused


def test_an_error_names_the_part(space, photo, tmp_path):
    broken = sw.fuse({"image": tmp_path / "gone.png", "text": "x"}, source="product-2")
    whole = sw.fuse({"image": photo, "text": "x"})
    with pytest.raises(
        sw.MediaError, match=r"product-2 \(item 2 of 2\): its part 'image' \(.*gone.png\): no such file"
    ):
        space.embed([whole, broken])
    batch = space.encode([broken, whole], on_error="skip")
    assert batch.kept == [1]
    assert batch.failed[0].position == 0
    for check in (broken.check, broken.verify):
        with pytest.raises(sw.MediaError, match="its part 'image'"):
            check()


def test_a_space_that_lacks_a_part_says_so(photo):
    with pytest.raises(sw.UnsupportedModalityError, match="text"):
        toy_space(modalities=["image"]).embed([sw.fuse({"image": photo, "text": "x"})])


@pytest.mark.parametrize(
    ("parts", "weights", "error", "message"),
    [
        ({"image": b"x"}, None, ValueError, "at least two parts, and was given image"),
        ({"text": "a", "title": Text("b")}, None, ValueError, r"all parts \(text, title\) are texts"),
        ({"front": b"x", "text": "a"}, None, TypeError, "part 'front' must be media"),
        ({"image": Text("a"), "text": "a"}, None, TypeError, "part 'image' is text"),
        ({"image": b"x", "text": 5}, None, TypeError, "part 'text'"),
        ({"image": None, "text": "a"}, None, sw.MediaError, "part 'image'"),
        ({"image": b"x", "text": "a"}, {"image": 1}, ValueError, "weights are for 'image', and the parts are"),
        ({"image": b"x", "text": "a"}, {"image": -1, "text": 1}, ValueError, "weight of part 'image'"),
        ({"image": b"x", "text": "a"}, {"image": float("nan"), "text": 1}, ValueError, "weight of part 'image'"),
        ({"image": b"x", "text": "a"}, {"image": 0, "text": 0}, ValueError, "are 0"),
        ([b"x", "a"], None, TypeError, "fuse takes a dict of media by name"),
    ],
)
def test_what_cannot_be_fused_is_named(parts, weights, error, message):
    with pytest.raises(error, match=message):
        sw.fuse(parts, weights=weights)


def colors(tmp_path):
    paths = []
    for number in range(6):
        paths.append(tmp_path / f"{number}.png")
        Picture.new("RGB", (8 + number, 8), (40 * number, 200 - 30 * number, 60)).save(paths[-1])
    return paths


def test_weights_are_learned_from_questions_that_one_part_answers(space, tmp_path):
    paths, words = colors(tmp_path), ["red kettle", "lamp", "table", "green sofa", "mirror", "shelf"]
    items = [{"image": path, "text": word} for path, word in zip(paths, words, strict=True)]
    by_words = sw.learn_weights(space, list(zip(words, items, strict=True)))
    assert by_words.weights["text"] > 0.8
    assert by_words.mrr == 1 >= by_words.equal_mrr
    by_looks = sw.learn_weights(space, [(sw.Image(item["image"]), item) for item in items])
    assert by_looks.weights["image"] > 0.5
    assert sw.learn_weights(space, list(zip(words, items, strict=True))) == by_words
    assert sum(by_looks.weights.values()) == pytest.approx(1)


def test_pairs_that_teach_nothing_are_refused(space, photo):
    item = {"image": photo, "text": "x"}
    with pytest.raises(ValueError, match="at least two items, and was given 1"):
        sw.learn_weights(space, [("a", item), ("b", item)])
    with pytest.raises(ValueError, match="item 2 has the parts image, title, and the first image, text"):
        sw.learn_weights(space, [("a", item), ("b", {"image": photo, "title": sw.Text("x")})])
