"""The engine: one computation per content, in batches of like length, put back in order, with failures told apart."""

from __future__ import annotations

import asyncio
import io
import re
import types
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as PILImage

import senseweave as sw
from senseweave.encoders.base import Encoded, Prepared
from senseweave.errors import TruncationWarning
from senseweave.media.reading import in_flight
from senseweave.spaces import Space, engine, held
from senseweave.spaces.held import held_bytes
from senseweave.testing import ToyEncoder

TEXTS = ["a", "a long text about apples and pears", "bb", "ccc", "a middling text", "dddd"]


def test_rows_are_in_the_order_of_the_input(space, counts):
    np.testing.assert_allclose(space.embed_text(TEXTS), counts(TEXTS), atol=1e-6)
    np.testing.assert_allclose(space.embed_text(TEXTS[::-1]), counts(TEXTS[::-1]), atol=1e-6)


def test_equal_contents_are_computed_once_and_given_to_all(space, letters, counts):
    texts = ["a", "b", "a", "a", "b"]
    np.testing.assert_allclose(space.embed_text(texts), counts(texts), atol=1e-6)
    assert sorted(text for batch in letters.batches for text in batch) == ["a", "b"]


def test_the_same_text_for_another_role_is_another_content(space, letters):
    space.embed_text(["a"], role="query")
    space.embed_text(["a"], role="document")
    assert letters.batches == [["qa"], ["a"]]


def test_batches_hold_like_lengths_within_the_budget(space, letters):
    space.embed_text(["x" * n for n in range(1, 31)])
    for batch in letters.batches:
        assert max(map(len, batch)) * len(batch) <= letters.batch_budget
    lengths = [len(text) for batch in letters.batches for text in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert len(letters.batches) < 15


def test_a_single_item_above_the_budget_is_a_batch_of_its_own(space, letters):
    letters.batch_budget = 5
    space.embed_text(["x" * 30, "y"])
    assert letters.batches == [["x" * 30], ["y"]]


def test_contents_of_an_earlier_call_come_from_the_cache(letters, make_space, counts):
    space = make_space(letters, cache_size=10)
    space.embed_text(["a", "b"])
    np.testing.assert_allclose(space.embed_text(["b", "c", "a"]), counts(["b", "c", "a"]), atol=1e-6)
    assert [text for batch in letters.batches for text in batch] == ["a", "b", "c"]


def test_a_vector_in_the_cache_cannot_be_changed_from_outside(letters, make_space, counts):
    space = make_space(letters, cache_size=10)
    space.embed_text(["a"])[:] = 7
    space.embed_text(["a"])[:] = 7
    np.testing.assert_allclose(space.embed_text(["a"]), counts(["a"]), atol=1e-6)


def test_an_item_that_fails_is_raised_with_its_place(space):
    with pytest.raises(sw.MediaError, match=r"item 2 of 3\): it is bad") as caught:
        space.embed_text(["a", "bad", "c"])
    assert caught.value.position == 1


def test_items_that_fail_are_skipped_and_listed_with_their_places(space, counts):
    batch = space.encode([sw.Text(text) for text in ["bad", "a", "zero", "b", "bad"]], on_error="skip")
    assert batch.kept == [1, 3]
    np.testing.assert_allclose(batch.vectors, counts(["a", "b"]), atol=1e-6)
    assert [error.position for error in batch.failed] == [0, 2, 4]
    assert "length 0" in batch.failed[1].reason
    assert space.embed_text(["bad"], on_error="skip").shape == (0, 27)


def test_a_file_that_cannot_be_read_as_text_is_skipped_or_raised(space, tmp_path):
    missing = sw.Text.open(tmp_path / "missing.txt")
    batch = space.encode([missing, sw.Text("a")], on_error="skip")
    assert batch.kept == [1]
    with pytest.raises(sw.MediaError, match="item 2 of 2"):
        space.encode([sw.Text("a"), missing])


@pytest.mark.parametrize("value", [None, 3, {"caption": "a dog"}])
def test_an_item_that_is_no_media_at_all_is_skipped_or_raised_with_its_place(value):
    space = sw.load("starter")
    picture = np.zeros((8, 8, 3), np.uint8)
    given = [picture, value, picture]
    assert space.embed_image(given, on_error="skip").shape == (2, 384)
    assert asyncio.run(space.aembed_image(given, on_error="skip")).shape == (2, 384)
    with pytest.raises(sw.MediaError, match=r"item 2 of 3\)") as caught:
        space.embed_image(given)
    assert caught.value.position == 1


def test_half_a_character_fails_its_text_alone_and_says_where_it_is(space, counts):
    batch = space.encode([sw.Text(text) for text in ["a", "bc\ud800", "b"]], on_error="skip")
    assert batch.kept == [0, 2]
    np.testing.assert_allclose(batch.vectors, counts(["a", "b"]), atol=1e-6)
    with pytest.raises(sw.MediaError, match=r"item 2 of 3\): holds half a character \('\\ud800' at 2\)"):
        space.embed_text(["a", "bc\ud800", "b"])


def test_what_was_refused_in_preparation_is_never_computed(space, letters, monkeypatch):
    prepare_all = letters.prepare

    def prepare(items, role):
        prepared = prepare_all(items, role)
        for item in prepared:
            item.error = None if item.data else "it holds nothing"
        return prepared

    monkeypatch.setattr(letters, "prepare", prepare)
    batch = space.encode([sw.Text(text) for text in ["a", "", "b"]], on_error="skip")
    assert batch.kept == [0, 2]
    assert [error.reason for error in batch.failed] == ["it holds nothing"]
    assert "" not in [text for group in letters.batches for text in group]
    with pytest.raises(sw.MediaError, match=r"item 2 of 2\): it holds nothing"):
        space.embed_text(["a", ""])


def test_what_was_finished_before_a_failure_stays_in_the_cache(letters, make_space):
    space = make_space(letters, cache_size=10)
    with pytest.raises(sw.MediaError):
        space.embed_text(["a long text first", "bad"])
    letters.batches.clear()
    space.embed_text(["a long text first"])
    assert letters.batches == []


def test_a_vector_that_is_not_finite_is_an_error_of_its_item(space):
    with pytest.raises(sw.EncodingError, match="item 2"):
        space.embed_text(["a", "nan"])
    batch = space.encode([sw.Text("a"), sw.Text("nan"), sw.Text("b")], on_error="skip")
    assert batch.kept == [0, 2]
    (error,) = batch.failed
    assert isinstance(error, sw.EncodingError)
    assert error.position == 1
    assert "not finite" in error.reason


def test_a_batch_that_cannot_be_encoded_is_encoded_item_by_item(letters, make_space, monkeypatch):
    """An encoder that raises names no item; the others keep their vectors."""
    forward = type(letters).forward

    def refuse(self, batch):
        if any("b" in str(item.data) for item in batch):
            raise sw.EncodingError("scores that are not finite")
        return forward(self, batch)

    monkeypatch.setattr(type(letters), "forward", refuse)
    batch = make_space(letters, cache_size=0).encode([sw.Text(text) for text in ("a", "b", "c")], on_error="skip")
    assert batch.kept == [0, 2]
    assert "scores" in batch.failed[0].reason


def test_vectors_of_a_wrong_shape_are_an_error_of_their_item(letters, make_space, monkeypatch):
    forward = type(letters).forward

    def squeeze(self, batch):
        encoded = forward(self, batch)
        wrong = any("b" in str(item.data) for item in batch)
        return replace(encoded, vectors=encoded.vectors[:, :-1]) if wrong else encoded

    monkeypatch.setattr(type(letters), "forward", squeeze)
    space = make_space(letters, cache_size=0)
    batch = space.encode([sw.Text(text) for text in ("a", "b", "c")], on_error="skip")
    assert batch.kept == [0, 2]
    assert re.search(r"returned vectors of shape \(1, \d+\); expected \(1, \d+\)", batch.failed[0].reason)
    with pytest.raises(sw.EncodingError, match=r"item 2 of 2\): the text encoder returned vectors of shape"):
        space.embed_text(["a", "b"])


def test_truncation_is_counted_by_item_and_warned_of_once(space):
    with pytest.warns(TruncationWarning, match="1 of 2 texts") as caught:
        batch = space.encode([sw.Text("x" * 45), sw.Text("a")])
    assert batch.dropped == [5, 0]
    assert len(caught) == 1


def test_truncation_is_reported_for_cached_contents_too(letters, make_space):
    space = make_space(letters, cache_size=10)
    for _ in range(2):
        with pytest.warns(TruncationWarning):
            space.embed_text(["x" * 45])


def test_progress_counts_every_item_and_ends_at_all(space):
    seen = []
    space.embed_text([*TEXTS, "a", "bad"], on_error="skip", progress=lambda done, total: seen.append((done, total)))
    assert [total for _, total in seen] == [8] * len(seen)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] in (7, 8)


def test_threads_share_a_space_without_mixing_rows_or_overlapping_the_model(space, letters, counts):
    jobs = [[f"{'ab' * i} {j}" for j in range(7)] for i in range(12)]
    with ThreadPoolExecutor(6) as threads:
        for texts, vectors in zip(jobs, threads.map(space.embed_text, jobs), strict=True):
            np.testing.assert_allclose(vectors, counts(texts), atol=1e-6)
    assert not letters.overlapped


def test_no_texts_give_no_rows(space):
    assert space.embed_text([]).shape == (0, 27)
    assert space.encode([]).vectors.shape == (0, 27)


def test_vectors_stay_unnormalized_if_requested(letters, make_space):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw = make_space(letters, cache_size=0, normalize=False).embed_text(["aab"])
    assert raw[0, :2].tolist() == [2, 1]


def test_leading_dimensions_are_kept_and_normalised_again(letters, make_space):
    vectors = make_space(letters, cache_size=0, dimensions=2).embed_text(["aabc"])
    np.testing.assert_allclose(vectors, [[2 / 5**0.5, 1 / 5**0.5]], atol=1e-6)


def test_a_text_that_is_nothing_in_the_leading_dimensions_is_an_error(letters, make_space):
    space = make_space(letters, cache_size=0, dimensions=2)
    with pytest.raises(sw.MediaError, match="item 2 of 2"):
        space.embed_text(["a", "xyz"])


@pytest.mark.parametrize("one", [np.zeros((30, 45, 3), np.uint8), 3, None])
def test_a_single_item_in_place_of_a_list_is_refused_with_advice(space, one):
    with pytest.raises(TypeError, match="into a list"):
        space.embed_text(one)


class PicturesByRole(ToyEncoder):
    """Pictures whose vectors depend on the role, as those of models with a system prompt."""

    reads_role = True

    def prepare(self, items, role):
        return [Prepared(item.data + (role == "query")) for item in super().prepare(items, "document")]


def test_a_picture_for_another_role_is_another_content_where_the_encoder_reads_the_role():
    picture = np.arange(1200, dtype=np.uint8).reshape(20, 20, 3)
    for cls, same in ((PicturesByRole, False), (ToyEncoder, True)):
        space = Space("pictures", {"image": cls("image")})
        query, document = (space.embed_image([picture], role=role)[0] for role in ("query", "document"))
        assert np.allclose(query, document) == same


class Large(ToyEncoder):
    """Keeps the pictures that it prepares, as models do whose processors prepare them in `forward`."""

    modality = "image"
    batch_budget = 1000

    def __init__(self, alive):
        self.alive = alive
        self.batches = []

    @property
    def dimension(self):
        return 2

    def prepare(self, items, role):
        self.alive.append(len(items))
        return [Prepared(item) for item in items]

    def forward(self, batch):
        self.batches.append(len(batch))
        self.alive.append(-len(batch))
        return Encoded(np.ones((len(batch), 2), np.float32))

    def identity(self):
        return {"large": 1}


def test_pictures_that_are_prepared_hold_no_more_memory_than_allowed(monkeypatch):
    picture_bytes = 40 * 30 * 4
    monkeypatch.setattr(engine, "HELD_BYTES", 3 * picture_bytes)
    alive = []
    encoder = Large(alive)
    pictures = [np.random.default_rng(i).integers(0, 256, (30, 40, 3), dtype=np.uint8) for i in range(30)]
    assert len(Space("large", {"image": encoder}).embed_image(pictures)) == 30
    assert encoder.batches == [3] * 10
    # three in the pool, three and those being prepared ahead of it
    assert max(np.cumsum(alive)) <= 3 + 3 + engine.DECODE_THREADS + 1


def test_a_picture_that_holds_more_than_is_allowed_is_encoded_by_itself(monkeypatch):
    monkeypatch.setattr(engine, "HELD_BYTES", 10)
    encoder = Large([])
    pictures = [np.full((30, 40, 3), i, np.uint8) for i in range(5)]
    assert len(Space("large", {"image": encoder}).embed_image(pictures)) == 5
    assert encoder.batches == [1] * 5


def test_the_pixels_of_a_picture_are_in_flight_until_it_is_prepared(monkeypatch):
    room = in_flight._Room(in_flight.forks())
    monkeypatch.setattr(in_flight, "_room", room)
    free = []

    class Watching(Large):
        def prepare(self, items, role):
            free.append(room.free)
            return super().prepare(items, role)

    png = io.BytesIO()
    PILImage.new("RGB", (40, 30), "red").save(png, "PNG")
    Space("watching", {"image": Watching([])}).embed_image([png.getvalue()])
    assert free == [in_flight.PIXELS_IN_FLIGHT - 40 * 30]
    assert room.free == in_flight.PIXELS_IN_FLIGHT


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (np.zeros((3, 4), np.float32), 48),
        ({"a": np.zeros(3, np.uint8), "b": [np.zeros(2, np.float64)]}, 19),
        (PILImage.new("RGB", (5, 4)), 80),
        (PILImage.new("L", (5, 4)), 20),
        ((sw.media.Waveform(np.zeros(10, np.float32), 8000), None), 40),
        (sw.media.Clip(np.zeros((2, 3, 4, 3), np.uint8), np.zeros(2)), 72),
        ([1, 2, 3], 24),
        ([], 0),
        ("text", 0),
    ],
)
def test_bytes_are_counted_in_whatever_is_prepared(value, size):
    assert held_bytes(value) == size


@pytest.mark.skipif(held._glibc() is None, reason="only glibc gives freed memory back by request")
def test_freed_memory_is_given_back_after_many_inputs_and_not_too_often(monkeypatch, make_space, letters):
    trimmed = []
    monkeypatch.setattr(held, "_glibc", lambda: types.SimpleNamespace(malloc_trim=trimmed.append))
    clock = iter([100.0, 100.0 + held.TRIM_SECONDS / 2, 100.0 + held.TRIM_SECONDS])
    monkeypatch.setattr(held, "_trimmed", 100.0 - held.TRIM_SECONDS)
    monkeypatch.setattr(held, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    space = make_space(letters, cache_size=0)
    for count in (1, engine.UNIT_POOL, engine.UNIT_POOL, engine.UNIT_POOL):
        space.embed_text([f"{n} apples" for n in range(count)])
    assert trimmed == [0, 0]
