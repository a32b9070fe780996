"""A space loads its models when it is told to, once, and frees them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.errors import EncodingError, UnsupportedModalityError
from senseweave.spaces import Space


class Weights:
    """Counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0
        self.lazy: Lazy[Any] = Lazy(self._read)

    def _read(self) -> object:
        self.reads += 1
        return object()


@pytest.fixture
def weights() -> Weights:
    return Weights()


@pytest.fixture
def space(letters, weights):
    letters.parts = (weights.lazy,)
    return Space("letters", {"text": letters})


def test_models_are_loaded_when_asked_and_only_once(space, weights):
    assert weights.reads == 0
    space.load()
    space.load()
    assert weights.reads == 1


def test_threads_that_load_together_load_once(space, weights):
    threads = [threading.Thread(target=space.load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert weights.reads == 1


def test_a_space_that_was_closed_loads_again(space, weights):
    with space:
        space.load()
    space.load()
    assert weights.reads == 2


def test_only_the_modalities_that_are_named_are_loaded(space, weights):
    space.load(())
    assert weights.reads == 0
    space.load("text")
    assert weights.reads == 1


def test_a_modality_that_is_lacking_is_an_error_before_anything_is_loaded(space, weights):
    with pytest.raises(UnsupportedModalityError, match="text"):
        space.load(["text", "image"])
    assert weights.reads == 0


def test_vectors_of_length_zero_cannot_be_compared(space):
    with pytest.raises(EncodingError, match="length 0"):
        space.similarity(np.zeros((1, 3)), np.ones((1, 3)))


def test_vectors_of_two_lengths_are_refused_with_both(space):
    with pytest.raises(ValueError, match="vectors of 3 and of 4 dimensions cannot be compared"):
        space.similarity(np.ones((1, 3)), np.ones((2, 4)))


def test_texts_in_place_of_vectors_are_refused_with_what_embeds_them(space):
    with pytest.raises(TypeError, match="compares vectors, not texts; embed them first"):
        space.similarity("a cat", "a dog")


def test_a_model_that_is_closed_by_another_thread_just_as_it_was_made_is_still_given():
    lazy: Lazy[Any] = Lazy(object)

    class HandedOn:
        """The lock of `lazy`, where a thread that waits to close comes first when it is released."""

        def __init__(self, lock: Any) -> None:
            self.lock = lock

        def __enter__(self) -> None:
            self.lock.acquire()

        def __exit__(self, *exception: object) -> None:
            self.lock.release()
            if threading.current_thread() is threading.main_thread():
                closing = threading.Thread(target=lazy.close)
                closing.start()
                closing.join()

    lazy._lock = HandedOn(lazy._lock)  # type: ignore[assignment]
    assert lazy() is not None
    assert lazy() is not None


async def test_an_unknown_choice_on_error_is_refused_by_every_method(space):
    from senseweave.media import Text

    for call in (space.embed, space.encode, lambda media, **options: space.embed_text(["a"], **options)):
        with pytest.raises(ValueError, match="on_error must be 'raise' or 'skip', not 'ignore'"):
            call([Text("a")], on_error="ignore")
    for start in (space.aembed, space.aencode):
        with pytest.raises(ValueError, match="on_error must be"):
            await start([Text("a")], on_error="ignore")
