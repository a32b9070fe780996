"""Every public call gives the same, and fails the same, with and without `await`."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from PIL import Image

import senseweave as sw
from senseweave.encoders.base import Encoded, Encoder, Prepared
from senseweave.errors import TruncationWarning
from senseweave.spaces import Space

PUBLIC = ["embed_text", "embed_image", "embed_audio", "embed_video", "embed", "encode"]


class Colours(Encoder):
    """The mean colour of a picture, padded to the length of letter counts."""

    modality = "image"
    batch_budget = 2

    @property
    def dimension(self):
        return 27

    def prepare(self, items, role):
        return [Prepared(np.asarray(item, dtype=np.float32).reshape(-1, 3).mean(axis=0)) for item in items]

    def forward(self, batch):
        rows = np.zeros((len(batch), 27), np.float32)
        for row, one in zip(rows, batch, strict=True):
            row[:3] = one.data
            row[26] = 0.5
        return Encoded(rows)

    def identity(self):
        return {"family": "colours"}


@pytest.fixture
def space(letters):
    return Space("both", {"text": letters, "image": Colours()}, cache_size=0)


def picture(colour):
    return Image.new("RGB", (4, 4), colour)


def mixed():
    return [sw.Text("a"), sw.Image(picture("red")), sw.Text("bb"), sw.Image(picture("blue")), sw.Text("a")]


CALLS = {
    "embed_text": lambda: ((["a", "b", "a"],), {"role": "query"}),
    "embed_image": lambda: (([picture("red"), picture("green")],), {}),
    "embed": lambda: ((mixed(),), {}),
    "encode": lambda: ((mixed(),), {"on_error": "skip"}),
}

FAILURES = {
    "embed_text": [
        (("a single string",), {}, TypeError),
        (([1],), {}, TypeError),
        ((["a"],), {"role": "passage"}, ValueError),
        ((["a"],), {"on_error": "ignore"}, ValueError),
        ((["a", "bad"],), {}, sw.MediaError),
        ((["nan"],), {}, sw.EncodingError),
    ],
    "embed_image": [(([b"not a picture"],), {}, sw.MediaError), ((b"bytes",), {}, TypeError)],
    "embed_audio": [(([b""],), {}, sw.UnsupportedModalityError)],
    "embed_video": [(([b""],), {}, sw.UnsupportedModalityError)],
    "embed": [((["a"],), {}, TypeError), (([sw.Text("a")],), {"role": "x"}, ValueError)],
    "encode": [(([sw.Text("a"), sw.Text("bad")],), {}, sw.MediaError)],
}


def as_array(answer):
    return answer if isinstance(answer, np.ndarray) else answer.vectors


def test_every_public_call_has_its_counterpart_with_the_same_arguments():
    for name in PUBLIC:
        sync = inspect.signature(getattr(Space, name)).parameters
        other = inspect.signature(getattr(Space, f"a{name}")).parameters
        assert list(other) == [parameter for parameter in sync if parameter != "progress"], name
        assert [other[parameter].default for parameter in other] == [sync[parameter].default for parameter in other], (
            name
        )


@pytest.mark.parametrize("name", list(CALLS))
async def test_with_and_without_await_the_answer_is_the_same(space, name):
    arguments, options = CALLS[name]()
    expected = getattr(space, name)(*arguments, **options)
    found = await getattr(space, f"a{name}")(*arguments, **options)
    np.testing.assert_allclose(as_array(found), as_array(expected), atol=1e-6)
    if name == "encode":
        assert (found.kept, found.dropped, found.descriptions) == (
            expected.kept,
            expected.dropped,
            expected.descriptions,
        )


@pytest.mark.parametrize(("name", "which"), [(name, i) for name, cases in FAILURES.items() for i in range(len(cases))])
async def test_with_and_without_await_the_error_is_the_same(space, name, which):
    arguments, options, kind = FAILURES[name][which]
    with pytest.raises(kind) as sync:
        getattr(space, name)(*arguments, **options)
    with pytest.raises(kind) as other:
        await getattr(space, f"a{name}")(*arguments, **options)
    assert type(other.value) is type(sync.value)
    assert str(other.value) == str(sync.value)


async def test_with_and_without_await_truncation_is_reported(space):
    with pytest.warns(TruncationWarning):
        space.embed_text(["x" * 50])
    with pytest.warns(TruncationWarning):
        await space.aembed_text(["x" * 50])


def test_media_of_several_modalities_come_back_in_order(space):
    vectors = space.embed(mixed())
    np.testing.assert_allclose(vectors[[0, 2, 4]], space.embed_text(["a", "bb", "a"]), atol=1e-6)
    np.testing.assert_allclose(vectors[[1, 3]], space.embed_image([picture("red"), picture("blue")]), atol=1e-6)


def test_failures_among_media_of_several_modalities_keep_their_places(space):
    media = [sw.Text("bad"), sw.Image(picture("red")), sw.Image(b"no picture"), sw.Text("a")]
    batch = space.encode(media, on_error="skip")
    assert batch.kept == [1, 3]
    assert [error.position for error in batch.failed] == [0, 2]


def test_similarity_is_the_cosine_of_every_pair(space):
    vectors = space.embed_text(["a", "b", "ab"])
    np.testing.assert_allclose(space.similarity(vectors * 3, vectors), vectors @ vectors.T, atol=1e-6)


async def test_an_item_of_a_mixed_batch_is_named_by_its_place_among_all(space, tmp_path):
    media = [sw.Text("a"), sw.Text("b"), sw.Image(tmp_path / "missing.png")]
    with pytest.raises(sw.MediaError, match=r"missing.png \(item 3 of 3\)"):
        space.encode(media)
    with pytest.raises(sw.MediaError, match=r"missing.png \(item 3 of 3\)"):
        await space.aencode(media)
