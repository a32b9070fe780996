"""Augmentation: changes what it says, by the generator alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from senseweave.training.data import augmentation

TEXT = "one two three four five six seven eight nine ten"
SOUND = np.sin(np.linspace(0, 200, 4000, dtype=np.float32)) * 0.5
CHANGES = {
    "drop words": (augmentation.drop_words(0.3), TEXT),
    "crop words": (augmentation.crop_words(0.4), TEXT),
    "pictures": (augmentation.change_pictures(), Image.effect_noise((40, 30), 90).convert("RGB")),
    "gain": (augmentation.change_gain(), SOUND),
    "noise": (augmentation.add_noise(20), SOUND),
    "shift": (augmentation.shift_sound(), SOUND),
    "mask": (augmentation.mask_time(0.3), SOUND),
    "chain": (augmentation.chain(augmentation.change_gain(), augmentation.mask_time()), SOUND),
}


def values(item: Any) -> Any:
    return item if isinstance(item, str) else np.asarray(item).tolist()


@pytest.mark.parametrize("name", CHANGES)
def test_the_generator_alone_decides(name: str) -> None:
    change, item = CHANGES[name]
    before = values(item)
    first = [values(change(item, np.random.default_rng(seed))) for seed in range(6)]
    again = [values(change(item, np.random.default_rng(seed))) for seed in range(6)]
    assert first == again
    assert len({str(result) for result in first}) > 1
    assert values(item) == before, "the item itself must stay as it is"


def test_words_keep_their_order_and_one_stays() -> None:
    words = TEXT.split()
    for seed in range(20):
        kept = augmentation.drop_words(0.9)(TEXT, np.random.default_rng(seed)).split()
        assert kept
        assert [word for word in words if word in kept] == kept
        run = augmentation.crop_words(0.5)(TEXT, np.random.default_rng(seed))
        assert run in TEXT
        assert len(run.split()) >= 5


@pytest.mark.parametrize("text", ["", "word", "   "])
def test_short_texts_stay(text: str) -> None:
    draw = np.random.default_rng(0)
    assert augmentation.drop_words(0.9)(text, draw) == text
    assert augmentation.crop_words(0.1)(text, draw).strip() == text.strip()


def test_pictures_keep_their_size_and_mode() -> None:
    picture = Image.effect_noise((40, 30), 90).convert("RGB")
    changed = augmentation.change_pictures(flip=True)(picture, np.random.default_rng(1))
    assert (changed.size, changed.mode) == ((40, 30), "RGB")


def test_sounds_keep_their_length_type_and_range() -> None:
    for name in ("gain", "noise", "shift", "mask"):
        change, item = CHANGES[name]
        changed = change(item, np.random.default_rng(2))
        assert (changed.shape, changed.dtype) == (item.shape, item.dtype)
        assert np.abs(changed).max() <= 1


def test_noise_lies_as_far_below_the_sound_as_asked() -> None:
    noise = augmentation.add_noise(20)(SOUND, np.random.default_rng(3)) - SOUND
    ratio = 20 * np.log10(np.sqrt(np.mean(SOUND**2)) / np.sqrt(np.mean(noise**2)))
    assert ratio == pytest.approx(20, abs=0.5)
    assert not augmentation.add_noise()(np.zeros(100, np.float32), np.random.default_rng(0)).any()


def test_a_shift_moves_and_brings_silence() -> None:
    sound = np.arange(1, 101, dtype=np.float32) / 100
    for seed in range(8):
        moved = augmentation.shift_sound(0.2)(sound, np.random.default_rng(seed))
        rest = moved[moved > 0]
        assert len(rest) >= 80
        assert np.array_equal(rest, sound[: len(rest)]) or np.array_equal(rest, sound[-len(rest) :])


@pytest.mark.parametrize("make", [augmentation.drop_words, augmentation.shift_sound, augmentation.crop_words])
def test_impossible_shares_are_refused(make: Any) -> None:
    with pytest.raises(ValueError, match=r"must be .* not 1\.5"):
        make(1.5)


def test_impossible_decibels_are_refused() -> None:
    for make, values in (
        (augmentation.change_gain, (-6.0, float("nan"), float("inf"))),
        (augmentation.add_noise, (float("nan"), float("-inf"))),
    ):
        for value in values:
            with pytest.raises(ValueError, match="decibels must be a finite number of at least 0"):
                make(value)
    augmentation.add_noise(-3.0)
